use pushi::core::model::{ClientEventDetails, LostEvents, OutboxEvent, OutboxEventKind};
use pushi::core::ports::{ClaimUpdate, Disposition, OLDEST_BYTES, OUTBOX_EVENT_BYTES, OutboxBytes};

use crate::fixture::Fixture;
use crate::outbox::{HOOK, OTHER, at, claim, happening, miss, settlement};
use crate::samples::{NOW, app};

fn client_event(bytes: usize) -> OutboxEventKind {
    OutboxEventKind::ClientEvent(ClientEventDetails {
        event: "client-a".into(),
        data: "é".repeat(bytes / 2).into(),
        socket: "1.2".into(),
        user: None,
    })
}

pub(crate) async fn the_bytes_of_an_app_are_those_of_its_events(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    let bytes_of =
        async |app: &pushi::core::model::App| stores.outbox.bytes_of(&app.ident).await.unwrap();
    assert_eq!(bytes_of(&one).await, OutboxBytes::default());
    let events = [
        happening(&one, "c", client_event(100), &[HOOK, OTHER]),
        happening(&one, "d", OutboxEventKind::CacheMiss, &[HOOK]),
        happening(&two, "e", OutboxEventKind::CacheMiss, &[HOOK]),
    ];
    stores.outbox.put(&events).await.unwrap();
    let waiting = 2 * (OUTBOX_EVENT_BYTES + 1 + 8 + 100 + 3) + OUTBOX_EVENT_BYTES + 1;
    let expected = OutboxBytes {
        waiting,
        given_up: 0,
    };
    assert_eq!(bytes_of(&one).await, expected);
    assert_eq!(bytes_of(&two).await.waiting, OUTBOX_EVENT_BYTES + 1);
}

pub(crate) async fn events_that_are_given_up_are_kept_and_those_discarded_are_not(
    fixture: &impl Fixture,
) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for (disposition, kept, replayed) in [
        (Disposition::Discarded, 0, 0),
        (Disposition::GivenUp, OUTBOX_EVENT_BYTES + 1, 1),
    ] {
        stores.outbox.put(&[miss(&app, "c")]).await.unwrap();
        let held = claim(&stores, "n", at(50)).await;
        let events = stores.outbox.oldest(&held, 10).await.unwrap();
        let settlement = settlement(disposition, events[0].id, 1, ClaimUpdate::Free(at(50)));
        assert!(stores.outbox.settle(&held, &settlement).await.unwrap());
        let expected = OutboxBytes {
            waiting: 0,
            given_up: kept,
        };
        assert_eq!(
            stores.outbox.bytes_of(&app.ident).await.unwrap(),
            expected,
            "{disposition:?}"
        );
        let log = stores.deliveries.deliveries(&app.ident, None, 1);
        let delivery = log.await.unwrap().remove(0);
        assert!(delivery.given_up && !delivery.is_lost());
        let count = stores.deliveries.replay(&app.ident, delivery.id, NOW);
        assert_eq!(count.await.unwrap(), replayed);
    }
}

pub(crate) async fn the_oldest_events_are_bounded_in_bytes(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let size = OLDEST_BYTES / 4;
    let events: Vec<OutboxEvent> = [size, size, size, size, OLDEST_BYTES + 10, 10, 10]
        .into_iter()
        .map(|bytes| happening(&app, "c", client_event(bytes), &[HOOK]))
        .collect();
    stores.outbox.put(&events).await.unwrap();
    let held = claim(&stores, "n", NOW).await;
    let mut counts = Vec::new();
    loop {
        let events = stores.outbox.oldest(&held, 100).await.unwrap();
        let Some(last) = events.last() else { break };
        counts.push(events.len());
        let delivered = settlement(
            Disposition::Delivered,
            last.id,
            events.len() as u64,
            ClaimUpdate::Hold(at(60)),
        );
        assert!(stores.outbox.settle(&held, &delivered).await.unwrap());
    }
    assert_eq!(counts, [3, 1, 1, 2]);
}

pub(crate) async fn lost_events_are_logged_without_an_attempt(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let lost = |ident: &str| LostEvents {
        app: pushi::core::model::AppIdent::parse(ident).unwrap(),
        address: HOOK.into(),
        at: NOW,
        events: 7,
        problem: "the queue is full".to_owned(),
    };
    let lost = [lost("unknown"), lost(app.ident.as_str())];
    stores.deliveries.log_lost(&lost).await.unwrap();
    let log = stores
        .deliveries
        .deliveries(&app.ident, None, 9)
        .await
        .unwrap();
    assert_eq!(log.len(), 1);
    assert!(log[0].is_lost());
    assert_eq!(
        (&*log[0].address, log[0].at, log[0].events, log[0].attempts),
        (HOOK, NOW, 7, 0)
    );
    assert_eq!(log[0].last.problem.as_deref(), Some("the queue is full"));
    let replayed = stores.deliveries.replay(&app.ident, log[0].id, NOW);
    assert_eq!(replayed.await.unwrap(), 0);
}
