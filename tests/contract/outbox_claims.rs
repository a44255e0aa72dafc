//! Claims of the outbox: who delivers to an address, and what remains after an attempt.

use pushi::core::model::{OutboxEvent, OutboxEventKind};
use pushi::core::ports::{ClaimUpdate, Disposition};

use crate::fixture::Fixture;
use crate::outbox::{HOOK, at, claim, claim_all, happening, miss, names, settlement};
use crate::samples::{NOW, app};

pub(crate) async fn a_claim_is_exclusive_until_it_expires(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    stores
        .outbox
        .put(&[OutboxEvent {
            at: at(5),
            ..miss(&app, "x")
        }])
        .await
        .unwrap();
    assert_eq!(claim_all(&stores, "one", at(4)).await, [], "not due yet");
    let first = claim(&stores, "one", at(5)).await;
    assert_eq!(
        (&*first.holder, &first.app, &*first.address, first.attempts),
        ("one", &app.ident, HOOK, 0)
    );
    assert_eq!(claim_all(&other, "two", at(14)).await, []);
    assert_eq!(
        claim_all(&stores, "one", at(14)).await,
        [],
        "not even by the same"
    );
    let second = claim(&other, "two", at(15)).await;
    let events = other.outbox.oldest(&second, 10).await.unwrap();
    let delivered = settlement(
        Disposition::Delivered,
        events[0].id,
        1,
        ClaimUpdate::Free(at(15)),
    );
    assert!(
        !stores.outbox.settle(&first, &delivered).await.unwrap(),
        "it is another's by now"
    );
    assert_eq!(other.outbox.oldest(&second, 10).await.unwrap(), events);
    assert!(other.outbox.settle(&second, &delivered).await.unwrap());
    assert!(
        !other.outbox.settle(&second, &delivered).await.unwrap(),
        "it was given back"
    );
}

pub(crate) async fn concurrent_claims_share_no_address(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let addresses: Vec<String> = (0..10).map(|n| format!("http://host-{n}/")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    stores
        .outbox
        .put(&[happening(&app, "x", OutboxEventKind::CacheMiss, &addresses)])
        .await
        .unwrap();
    let claim = |n: u32| {
        let stores = stores.clone();
        tokio::spawn(async move {
            stores
                .outbox
                .claim(&format!("node-{n}"), NOW, at(10), 3)
                .await
                .unwrap()
        })
    };
    let mut claimed = Vec::new();
    for task in (0..20).map(claim).collect::<Vec<_>>() {
        let claims = task.await.unwrap();
        assert!(claims.len() <= 3);
        claimed.extend(claims.into_iter().map(|claim| claim.address));
    }
    // A claimer that lost all three to others may have left some for later.
    claimed.extend(
        claim_all(&stores, "last", NOW)
            .await
            .into_iter()
            .map(|claim| claim.address),
    );
    claimed.sort_unstable();
    assert_eq!(
        claimed.iter().map(|address| &**address).collect::<Vec<_>>(),
        addresses
    );
}

pub(crate) async fn delivered_events_are_removed_and_the_rest_stays(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    stores
        .outbox
        .put(&["1", "2", "3"].map(|name| miss(&app, name)))
        .await
        .unwrap();
    let held = claim(&stores, "n", NOW).await;
    let events = stores.outbox.oldest(&held, 2).await.unwrap();
    stores.outbox.put(&[miss(&app, "4")]).await.unwrap();
    let hold = settlement(
        Disposition::Delivered,
        events[1].id,
        2,
        ClaimUpdate::Hold(at(60)),
    );
    assert!(stores.outbox.settle(&held, &hold).await.unwrap());
    assert_eq!(
        claim_all(&stores, "other", at(59)).await,
        [],
        "it is still held"
    );
    let rest = stores.outbox.oldest(&held, 10).await.unwrap();
    assert_eq!(
        names(&rest)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>(),
        ["3", "4"]
    );
    // With something left the address is due at its time, without it is forgotten.
    assert!(
        stores
            .outbox
            .settle(
                &held,
                &settlement(
                    Disposition::Delivered,
                    rest[0].id,
                    1,
                    ClaimUpdate::Free(at(20))
                )
            )
            .await
            .unwrap()
    );
    assert_eq!(claim_all(&stores, "n", at(19)).await, []);
    let held = claim(&stores, "n", at(20)).await;
    assert!(
        stores
            .outbox
            .settle(
                &held,
                &settlement(
                    Disposition::Delivered,
                    rest[1].id,
                    1,
                    ClaimUpdate::Free(at(20))
                )
            )
            .await
            .unwrap()
    );
    assert_eq!(claim_all(&stores, "n", at(99)).await, []);
    assert_eq!(stores.outbox.depth().await.unwrap(), 0);
    stores.outbox.put(&[miss(&app, "5")]).await.unwrap();
    let again = stores
        .outbox
        .oldest(&claim(&stores, "n", NOW).await, 10)
        .await
        .unwrap();
    assert_eq!(names(&again)[0].0, "5");
}

pub(crate) async fn failed_events_stay_and_are_counted(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    stores.outbox.put(&[miss(&app, "1")]).await.unwrap();
    for attempts in 0..3 {
        let held = claim(&stores, "n", at(attempts * 10)).await;
        assert_eq!(held.attempts, attempts);
        let failed = settlement(
            Disposition::Failed,
            0,
            0,
            ClaimUpdate::Free(at((attempts + 1) * 10)),
        );
        assert!(stores.outbox.settle(&held, &failed).await.unwrap());
        // What is put meanwhile does not make it due.
        stores.outbox.put(&[miss(&app, "x")]).await.unwrap();
        assert_eq!(
            claim_all(&stores, "n", at((attempts + 1) * 10 - 1)).await,
            []
        );
    }
    let held = claim(&stores, "n", at(30)).await;
    let events = stores.outbox.oldest(&held, 10).await.unwrap();
    assert_eq!(events.len(), 4);
    let given_up = settlement(
        Disposition::GivenUp,
        events[0].id,
        1,
        ClaimUpdate::Free(at(30)),
    );
    assert!(stores.outbox.settle(&held, &given_up).await.unwrap());
    let held = claim(&stores, "n", at(30)).await;
    assert_eq!(
        (
            held.attempts,
            stores.outbox.oldest(&held, 10).await.unwrap()
        ),
        (4, events[1..].to_vec())
    );
    let delivered = settlement(
        Disposition::Delivered,
        events[1].id,
        1,
        ClaimUpdate::Free(at(30)),
    );
    assert!(stores.outbox.settle(&held, &delivered).await.unwrap());
    assert_eq!(
        claim(&stores, "n", at(30)).await.attempts,
        0,
        "counted anew"
    );
    let log = stores
        .deliveries
        .deliveries(&app.ident, None, 9)
        .await
        .unwrap();
    assert_eq!(
        log.iter().map(|entry| entry.attempts).collect::<Vec<_>>(),
        [5, 4]
    );
}

pub(crate) async fn claims_are_released_together(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let addresses = ["http://a/", "http://b/", "http://c/"];
    stores
        .outbox
        .put(&[happening(&app, "x", OutboxEventKind::CacheMiss, &addresses)])
        .await
        .unwrap();
    let stays = stores.outbox.claim("other", NOW, at(10), 1).await.unwrap();
    assert_eq!(claim_all(&stores, "gone", NOW).await.len(), 2);
    stores.outbox.release("gone").await.unwrap();
    let again = claim_all(&stores, "next", NOW).await;
    assert_eq!((again.len(), again.contains(&stays[0])), (2, false));
}

pub(crate) async fn the_longest_due_come_first(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for (address, second) in [("http://b/", 2), ("http://c/", 1), ("http://a/", 3)] {
        stores
            .outbox
            .put(&[OutboxEvent {
                at: at(second),
                ..happening(&app, "x", OutboxEventKind::CacheMiss, &[address])
            }])
            .await
            .unwrap();
    }
    let claims = stores.outbox.claim("n", at(3), at(9), 2).await.unwrap();
    let mut first: Vec<&str> = claims.iter().map(|claim| &*claim.address).collect();
    first.sort_unstable();
    assert_eq!(first, ["http://b/", "http://c/"]);
}
