//! Connections that the server ends, and an end of the server.

use std::sync::Arc;

use pushi::core::hub::CloseReason;
use pushi::core::model::NewApp;
use pushi::core::service::AppError;
use serde_json::json;

use crate::client::Client;
use crate::env::Site;
use crate::faults::{Mood, Moody};
use crate::server::publishing;

pub async fn a_server_that_stops_says_4200(site: &Site) {
    let house = site.house().await;
    let mut clients: [Client; 3] = house.clients().await;
    for client in &mut clients {
        client.subscribe("c").await;
    }
    house.call("c", "before").await;
    house.gateway.stop();
    for mailbox in house.service.hub().mailboxes() {
        mailbox.close(CloseReason::Stopping);
    }
    for client in &mut clients {
        assert_eq!(
            client.expect("call").await.data(),
            "before",
            "what was on its way still comes"
        );
        assert_eq!(client.closed().await, 4200);
    }
}

pub async fn who_comes_while_it_stops_is_sent_away(site: &Site) {
    let house = site.house().await;
    house.gateway.stop();
    let mut late = house.caller(&house.app, None, false).await;
    late.greeted().await;
    assert_eq!(late.closed().await, 4200);
}

pub async fn what_was_accepted_is_stored_before_the_end(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let mut client = house.subscribed("c").await;
    moody.append.set(Mood::Hanging);
    for n in 0..20 {
        client.publish("c", "message", json!(n), json!({})).await;
    }
    client.quiet().await;
    site.stop.cancel();
    moody.append.set(Mood::Well);
    let stored = async {
        let name = crate::server::channel("c");
        while site
            .stores
            .events
            .heads(&house.app.ident, std::slice::from_ref(&name))
            .await
            .unwrap()
            != [20]
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::env::PATIENCE, stored)
        .await
        .unwrap();
}

pub async fn after_the_end_publishes_are_refused(site: &Site) {
    let house = site.house().await;
    let mut client = house.subscribed("c").await;
    site.stop.cancel();
    // The writer ends at some point after that; from then on nobody waits for it in vain.
    while house
        .try_publish(publishing(&["c"], "message", "x", true))
        .await
        .is_ok()
    {
        client.expect("message").await;
    }
    client
        .publish("c", "message", json!("x"), json!({"ref": "7"}))
        .await;
    assert_eq!(client.refused(4320).await.value["data"]["ref"], "7");
}

pub async fn a_disabled_app_loses_its_connections(site: &Site) {
    let house = site.house().await;
    let mut client = house.subscribed("c").await;
    house.call("c", "before").await;
    house.set(|settings| settings.enabled = false).await;
    client.expect("call").await;
    client.turned_away(4003).await;
    house.set(|settings| settings.enabled = true).await;
    house.subscribed("c").await.quiet().await;
}

pub async fn a_deleted_app_loses_its_connections(site: &Site) {
    let house = site.house().await;
    let other = house
        .service
        .create_app(NewApp {
            name: "Other".to_owned(),
            ..NewApp::default()
        })
        .await
        .unwrap();
    let mut stranger = house.client_of(&other).await;
    stranger.subscribe("c").await;
    let mut client = house.subscribed("c").await;
    house.service.delete_app(&house.app.ident).await.unwrap();
    client.turned_away(4001).await;
    house
        .caller(&house.app, None, false)
        .await
        .turned_away(4001)
        .await;
    stranger.quiet().await;
    // The same identifier and key again: a new app, and nothing of the old one.
    let again = NewApp {
        name: "Again".to_owned(),
        ident: Some(house.app.ident.clone()),
        key: Some(house.app.key.clone()),
        ..NewApp::default()
    };
    let again = house.service.create_app(again).await.unwrap();
    let mut client = house.client_of(&again).await;
    client.subscribe("private-c").await;
    assert_eq!(
        client.store("private-c", "message", json!("x")).await["serial"],
        1
    );
}

pub async fn what_another_process_writes_holds_within_a_second(site: &Site) {
    let house = site.house().await;
    let other = site.house().await;
    let mut client = house.subscribed("c").await;
    let disable = |app: &mut pushi::core::model::App| {
        app.settings.enabled = false;
        Ok::<(), AppError>(())
    };
    let since = tokio::time::Instant::now();
    other
        .service
        .update_app(&house.app.ident, &disable)
        .await
        .unwrap();
    client.turned_away(4003).await;
    assert!(
        since.elapsed() < std::time::Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    other.service.delete_app(&house.app.ident).await.unwrap();
    let gone = async {
        while house
            .caller(&house.app, None, false)
            .await
            .next()
            .await
            .code()
            != 4001
        {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(1), gone)
        .await
        .unwrap();
}

pub async fn an_answer_of_the_store_that_came_late_is_looked_at_again(site: &Site) {
    let (house, moody) = Moody::house(site).await;
    let other = site.house().await;
    moody.apps.set(Mood::Hanging);
    let mut client = house.caller(&other.app, None, false).await;
    moody.apps.called(1).await;
    // The app is disabled, and this node has seen that something changed, before it learns what the app was.
    other.set(|settings| settings.enabled = false).await;
    let looked = moody.revision.calls();
    moody.revision.called(looked + 2).await;
    moody.apps.set(Mood::Well);
    let mut frame = client.next().await;
    if frame.event() == "pusher:connection_established" {
        frame = client.next().await;
    }
    assert_eq!(frame.code(), 4003);
    assert_eq!(client.closed().await, 4003);
}

pub async fn nobody_stays_on_an_app_that_was_disabled(site: &Site) {
    let house = site.house().await;
    for round in 0..60 {
        house.set(|settings| settings.enabled = true).await;
        let start = Arc::new(tokio::sync::Barrier::new(5));
        let mut callers = Vec::new();
        for _ in 0..4 {
            let (near, far) = tokio::io::duplex(10_000);
            let (gateway, key, start) = (
                Arc::clone(&house.gateway),
                house.app.key.clone(),
                Arc::clone(&start),
            );
            let serving = tokio::spawn(async move {
                start.wait().await;
                gateway
                    .serve(
                        pushi::inbound::websocket::Destination::Pushi(key),
                        None,
                        false,
                        None,
                        far,
                    )
                    .await;
            });
            callers.push((near, serving));
        }
        start.wait().await;
        house.set(|settings| settings.enabled = false).await;
        for (near, serving) in callers {
            let mut client =
                Client::over(near, &house.app, tokio::sync::oneshot::channel().1).await;
            let mut frame = client.next().await;
            if frame.event() == "pusher:connection_established" {
                frame = client.next().await;
            }
            assert_eq!(frame.code(), 4003, "round {round}");
            drop(client);
            serving.await.unwrap();
        }
    }
    assert_eq!(house.service.hub().connections(), 0);
}
