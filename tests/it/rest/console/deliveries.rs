//! Deliveries to web hooks and targets, and their replay.

use std::sync::Arc;
use std::time::Duration;

use poem::http::Method;
use pushi::core::model::{
    Attempt, ChannelName, LostEvents, Notification, OutboxEvent, OutboxEventKind, TargetKind,
    Timestamp,
};
use pushi::core::ports::{AttemptResult, ClaimUpdate, Disposition};
use serde_json::json;

use super::{is_of_the_app_alone, read};
use crate::rest::{Api, start};

const HOOK: &str = "https://shop.example/hook";

const AT: Timestamp = Timestamp::from_micros(1_795_337_092_000_000);

/// Queues an event of this app for an address, and attempts to send what is queued for it once.
async fn attempt(api: &Api, address: &str, kind: OutboxEventKind, disposition: Disposition) {
    let stores = &api.stores;
    let event = OutboxEvent {
        app: api.app.ident.clone(),
        channel: ChannelName::parse("cache-a", 200).unwrap(),
        at: AT,
        kind,
        addresses: [Arc::from(address)].into(),
    };
    stores.outbox.put(&[event]).await.unwrap();
    let until = AT.plus(Duration::from_secs(10));
    let target = TargetKind::of_outbox_address(address);
    let claims = match target {
        None => stores.outbox.claim("n", until, until, 10).await,
        Some((kind, _)) => {
            let claim = stores
                .outbox
                .claim_targets(kind, "n", until, until, &[], 10);
            claim.await
        }
    };
    let claims = claims.unwrap();
    let claim = claims.iter().find(|one| &*one.address == address).unwrap();
    let events = stores.outbox.oldest(claim, 10).await.unwrap();
    let failed = Attempt {
        status: Some(503),
        problem: Some("answered 503".into()),
    };
    let result = AttemptResult {
        disposition,
        upto: events.last().unwrap().id,
        events: events.len() as u64,
        at: AT,
        attempt: failed,
        next: ClaimUpdate::Free(until),
    };
    assert!(stores.outbox.settle(claim, &result).await.unwrap());
}

#[tokio::test]
async fn deliveries_of_web_hooks_and_their_replay() {
    let api = start().await;
    let empty = json!({"waiting": [], "deliveries": []});
    assert_eq!(read(&api, "/apps/shop/webhook_deliveries").await, empty);
    attempt(&api, HOOK, OutboxEventKind::CacheMiss, Disposition::GivenUp).await;
    let lost = LostEvents {
        app: api.app.ident.clone(),
        address: HOOK.into(),
        at: AT,
        events: 4,
        problem: "full".into(),
    };
    api.stores.deliveries.log_lost(&[lost]).await.unwrap();
    let listed = read(&api, "/apps/shop/webhook_deliveries").await;
    let deliveries = listed["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 2);
    assert_eq!(
        (&deliveries[0]["state"], &deliveries[0]["events"]),
        (&json!("lost"), &json!(4))
    );
    let id = &deliveries[1]["id"];
    assert_eq!(
        deliveries[1],
        json!({
            "id": id, "address": HOOK, "time": AT.seconds(), "events": 1, "attempts": 1, "state": "given_up", "status": 503,
            "problem": "answered 503",
        })
    );
    let path = format!(
        "/apps/shop/webhook_deliveries?before={}",
        deliveries[0]["id"]
    );
    let page = read(&api, &path).await;
    assert_eq!(page["deliveries"], json!([deliveries[1]]));
    let page = read(&api, "/apps/shop/webhook_deliveries?count=1").await;
    assert_eq!(page["deliveries"], json!([deliveries[0]]));

    let replay = format!("/apps/shop/webhook_deliveries/{id}/replay");
    let replayed = api.session(Method::POST, &replay).send().await.json();
    assert_eq!(replayed, json!({"result": "success", "events": 1}));
    let waiting = read(&api, "/apps/shop/webhook_deliveries").await["waiting"].clone();
    assert_eq!(
        (&waiting[0]["address"], &waiting[0]["events"]),
        (&json!(HOOK), &json!(1))
    );
    let unknown = api.session(Method::POST, "/apps/shop/webhook_deliveries/99/replay");
    unknown.send().await.problem(404);
}

#[tokio::test]
async fn notifications_and_their_replay() {
    let api = start().await;
    let notification = OutboxEventKind::Notification(Notification {
        publish: "p".into(),
        event: "e".into(),
        frame: "{}".into(),
        mid: "m".into(),
    });
    let address = "email:ann@b.example";
    attempt(&api, address, notification, Disposition::GivenUp).await;
    let list = "/apps/shop/notifications";
    let found = read(&api, list).await["notifications"].clone();
    let one = &found[0];
    assert_eq!(
        (&one["kind"], &one["state"], &one["target"], &one["status"]),
        (
            &json!("email"),
            &json!("failed"),
            &json!("a…@b.example"),
            &json!(503)
        ),
        "{found}"
    );
    for (query, count) in [
        ("?state=failed", 1),
        ("?state=done", 0),
        ("?kind=email", 1),
        ("?kind=web&state=failed", 0),
        ("?count=0", 0),
    ] {
        let found = read(&api, &format!("{list}{query}")).await;
        let found = found["notifications"].as_array().unwrap();
        assert_eq!(found.len(), count, "{query}");
    }
    for query in ["?state=x", "?kind=smtp", "?count=x"] {
        let ask = api.admin(Method::GET, &format!("{list}{query}"));
        ask.send().await.problem(400);
    }
    let id = one["id"].as_str().unwrap();
    let replay = async |id: &str| {
        let path = format!("{list}/{id}/replay");
        api.session(Method::POST, &path).send().await
    };
    assert_eq!(replay(id).await.json(), json!({"result": "success"}));
    replay("e99").await.problem(404);
    replay("99").await.problem(400);
    let waiting = read(&api, &format!("{list}?state=waiting")).await;
    assert_eq!(waiting["notifications"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn deliveries_belong_to_their_app() {
    let api = start().await;
    is_of_the_app_alone(&api, Method::GET, "/webhook_deliveries").await;
    is_of_the_app_alone(&api, Method::GET, "/notifications").await;
}
