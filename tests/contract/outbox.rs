use std::sync::Arc;
use std::time::Duration;

use pushi::core::model::{
    App, AppIdent, Attempt, Claim, ClientEventDetails, OutboxEvent, OutboxEventKind, QueuedEvent,
    Timestamp, UserId, WebhookEvent,
};
use pushi::core::ports::{AttemptResult, ClaimUpdate, Disposition, Stores};

use crate::fixture::Fixture;
use crate::samples::{NOW, app, app_to_create, channel, user};

pub(crate) const HOOK: &str = "https://shop.example/hook";

pub(crate) const OTHER: &str = "http://127.0.0.1:9/other?x=1";

pub(crate) fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub(crate) fn happening(
    app: &App,
    name: &str,
    kind: OutboxEventKind,
    addresses: &[&str],
) -> OutboxEvent {
    let addresses = addresses
        .iter()
        .map(|address| Arc::from(*address))
        .collect();
    OutboxEvent {
        app: app.ident.clone(),
        channel: channel(name),
        at: NOW,
        kind,
        addresses,
    }
}

/// A cache miss, which does not affect the reported presence.
pub(crate) fn miss(app: &App, name: &str) -> OutboxEvent {
    happening(app, name, OutboxEventKind::CacheMiss, &[HOOK])
}

pub(crate) async fn claim_all(stores: &Stores, holder: &str, now: Timestamp) -> Vec<Claim> {
    stores
        .outbox
        .claim(holder, now, now.plus(Duration::from_secs(10)), 100)
        .await
        .unwrap()
}

/// The one address that is due.
pub(crate) async fn claim(stores: &Stores, holder: &str, now: Timestamp) -> Claim {
    let mut claims = claim_all(stores, holder, now).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

pub(crate) fn settlement(
    disposition: Disposition,
    upto: u64,
    events: u64,
    next: ClaimUpdate,
) -> AttemptResult {
    let attempt = match disposition {
        Disposition::Delivered => Attempt {
            status: Some(200),
            problem: None,
        },
        _ => Attempt {
            status: None,
            problem: Some("nobody \0 there".into()),
        },
    };
    AttemptResult {
        disposition,
        upto,
        events,
        at: at(1),
        attempt,
        next,
    }
}

pub(crate) fn names(events: &[QueuedEvent]) -> Vec<(&str, WebhookEvent)> {
    events
        .iter()
        .filter_map(|notice| Some((notice.channel.as_str(), notice.kind.webhook_event()?)))
        .collect()
}

pub(crate) async fn every_event_kind_is_read_back<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let said = ClientEventDetails {
        event: "client-é".into(),
        data: "a\0b\u{1a}".into(),
        socket: "1.2".into(),
        user: Some(user("ann")),
    };
    let kinds = [
        OutboxEventKind::Occupied,
        OutboxEventKind::MemberAdded(user("ann")),
        OutboxEventKind::CacheMiss,
        OutboxEventKind::ClientEvent(said.clone()),
        OutboxEventKind::ClientEvent(ClientEventDetails { user: None, ..said }),
        OutboxEventKind::SubscriptionCount(7),
        OutboxEventKind::MemberRemoved(user("ann")),
        OutboxEventKind::Vacated,
    ];
    let put: Vec<OutboxEvent> = kinds
        .iter()
        .map(|what| happening(&app, "presence-x", what.clone(), &[HOOK]))
        .collect();
    stores.outbox.put(&put).await.unwrap();
    if F::LASTING {
        stores.database.close().await;
    }
    let stores = fixture.open().await;
    let events = stores
        .outbox
        .oldest(&claim(&stores, "n", NOW).await, 100)
        .await
        .unwrap();
    assert_eq!(
        events
            .iter()
            .map(|notice| notice.kind.clone())
            .collect::<Vec<_>>(),
        kinds
    );
    assert!(events.iter().all(
        |notice| (notice.channel.as_str(), notice.at, notice.since) == ("presence-x", NOW, NOW)
    ));
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id));
}

pub(crate) async fn each_address_has_a_queue_in_the_order_of_the_puts(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for name in ["1", "2"] {
        stores
            .outbox
            .put(&[
                happening(&app, name, OutboxEventKind::CacheMiss, &[HOOK, OTHER]),
                miss(&app, "3"),
            ])
            .await
            .unwrap();
    }
    let claims = claim_all(&stores, "n", NOW).await;
    assert_eq!(claims.len(), 2);
    for claim in claims {
        let own: &[&str] = if &*claim.address == HOOK {
            &["1", "3", "2", "3"]
        } else {
            &["1", "2"]
        };
        let events = stores.outbox.oldest(&claim, 100).await.unwrap();
        assert_eq!(
            names(&events)
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>(),
            own
        );
        assert_eq!(stores.outbox.oldest(&claim, 1).await.unwrap(), events[..1]);
    }
    assert_eq!(stores.outbox.depth().await.unwrap(), 6);
}

pub(crate) async fn events_of_an_unknown_app_are_skipped(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let stray = OutboxEvent {
        app: AppIdent::trusted("nobody"),
        ..happening(&app, "x", OutboxEventKind::Occupied, &[HOOK])
    };
    stores
        .outbox
        .put(&[stray.clone(), miss(&app, "own")])
        .await
        .unwrap();
    assert_eq!(stores.outbox.depth().await.unwrap(), 1);
    stores.apps.create(app_to_create("nobody")).await.unwrap();
    assert_eq!(
        stores
            .outbox
            .reported_presence(&stray.app, None, 10)
            .await
            .unwrap(),
        []
    );
    stores.outbox.put(&[]).await.unwrap();
}

pub(crate) async fn a_deleted_app_takes_its_outbox_with_it(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (gone, stays) = (app(&stores, "a").await, app(&stores, "b").await);
    for app in [&gone, &stays] {
        stores
            .outbox
            .put(&[happening(app, "x", OutboxEventKind::Occupied, &[HOOK])])
            .await
            .unwrap();
    }
    let held: Vec<Claim> = claim_all(&stores, "n", NOW)
        .await
        .into_iter()
        .filter(|claim| claim.app == gone.ident)
        .collect();
    stores.apps.delete(&gone.ident).await.unwrap();
    assert!(
        !stores
            .outbox
            .settle(
                &held[0],
                &settlement(Disposition::Failed, 0, 0, ClaimUpdate::Free(NOW))
            )
            .await
            .unwrap()
    );
    stores.apps.create(app_to_create("a")).await.unwrap();
    assert_eq!(
        stores
            .outbox
            .reported_presence(&gone.ident, None, 10)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        claim_all(&stores, "m", at(99))
            .await
            .into_iter()
            .map(|claim| claim.app)
            .collect::<Vec<_>>(),
        [stays.ident]
    );
}

pub(crate) async fn unusual_users_and_addresses_are_distinguished(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let users: Vec<UserId> = ["a", "A", "á", "a ", "'", "%", "漢"]
        .iter()
        .map(|id| user(id))
        .collect();
    let joins = users.iter().map(|user| {
        happening(
            &app,
            "presence-x",
            OutboxEventKind::MemberAdded(user.clone()),
            &[HOOK],
        )
    });
    stores.outbox.put(&joins.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(stores.outbox.depth().await.unwrap(), users.len() as u64);
    let twins = ["http://h/%41", "http://h/A", "http://h/a"];
    stores
        .outbox
        .put(&[happening(&app, "x", OutboxEventKind::CacheMiss, &twins)])
        .await
        .unwrap();
    assert_eq!(claim_all(&stores, "n", NOW).await.len(), 4);
}
