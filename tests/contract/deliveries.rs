use pushi::core::error::StorageError;
use pushi::core::model::{App, Attempt, Delivery};
use pushi::core::ports::{ClaimUpdate, Disposition, Stores};

use crate::fixture::Fixture;
use crate::outbox::{HOOK, at, claim, claim_all, miss, settlement};
use crate::samples::{NOW, app};

/// Puts a notice for each name, and ends all of them in one delivery.
async fn end(stores: &Stores, app: &App, names: &[&str], disposition: Disposition) {
    stores
        .outbox
        .put(&names.iter().map(|name| miss(app, name)).collect::<Vec<_>>())
        .await
        .unwrap();
    let held = claim(stores, "n", at(50)).await;
    let events = stores.outbox.oldest(&held, 100).await.unwrap();
    let upto = events.last().unwrap().id;
    let settlement = settlement(
        disposition,
        upto,
        events.len() as u64,
        ClaimUpdate::Free(at(50)),
    );
    assert!(stores.outbox.settle(&held, &settlement).await.unwrap());
}

async fn log(stores: &Stores, app: &App) -> Vec<Delivery> {
    stores
        .deliveries
        .deliveries(&app.ident, None, 100)
        .await
        .unwrap()
}

pub(crate) async fn the_log_lists_results_newest_first<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    end(&stores, &one, &["1", "2"], Disposition::Delivered).await;
    end(&stores, &two, &["9"], Disposition::Delivered).await;
    end(&stores, &one, &["3"], Disposition::GivenUp).await;
    if F::LASTING {
        stores.database.close().await;
    }
    let stores = fixture.open().await;
    let entries = log(&stores, &one).await;
    let expected = |id, events, given_up| {
        let (status, problem) = if given_up {
            (None, Some("nobody \0 there".into()))
        } else {
            (Some(200), None)
        };
        Delivery {
            id,
            address: HOOK.into(),
            at: at(1),
            events,
            attempts: 1,
            last: Attempt { status, problem },
            given_up,
        }
    };
    assert!(entries[0].id > entries[1].id);
    assert_eq!(
        entries,
        [
            expected(entries[0].id, 1, true),
            expected(entries[1].id, 2, false)
        ]
    );
    assert_eq!(
        stores
            .deliveries
            .deliveries(&one.ident, Some(entries[0].id), 10)
            .await
            .unwrap(),
        entries[1..]
    );
    assert_eq!(
        stores
            .deliveries
            .deliveries(&one.ident, None, 1)
            .await
            .unwrap(),
        entries[..1]
    );
}

pub(crate) async fn queued_events_show_their_last_failure(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    assert_eq!(stores.deliveries.waiting(&app.ident).await.unwrap(), []);
    stores
        .outbox
        .put(&[miss(&app, "1"), miss(&app, "2")])
        .await
        .unwrap();
    let waiting = stores.deliveries.waiting(&app.ident).await.unwrap();
    assert_eq!(
        (
            &*waiting[0].address,
            waiting[0].events,
            waiting[0].attempts,
            waiting[0].due
        ),
        (HOOK, 2, 0, NOW)
    );
    assert_eq!(waiting[0].last, Attempt::default());
    let held = claim(&stores, "n", NOW).await;
    let mut failed = settlement(Disposition::Failed, 0, 0, ClaimUpdate::Free(at(9)));
    failed.attempt = Attempt {
        status: Some(503),
        problem: Some("busy".into()),
    };
    assert!(stores.outbox.settle(&held, &failed).await.unwrap());
    let waiting = stores.deliveries.waiting(&app.ident).await.unwrap();
    assert_eq!(
        (waiting[0].events, waiting[0].attempts, waiting[0].due),
        (2, 1, at(9))
    );
    assert_eq!(waiting[0].last, failed.attempt);
}

pub(crate) async fn abandoned_events_can_be_replayed_once(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    end(&stores, &one, &["1", "2"], Disposition::GivenUp).await;
    assert_eq!(
        stores.outbox.depth().await.unwrap(),
        0,
        "what was given up does not wait"
    );
    assert_eq!(claim_all(&stores, "n", at(99)).await, []);
    let entry = log(&stores, &one).await.remove(0);
    stores.outbox.put(&[miss(&one, "3")]).await.unwrap();
    let held = claim(&stores, "n", NOW).await;
    let under_way = stores.outbox.oldest(&held, 100).await.unwrap();
    assert!(matches!(
        stores.deliveries.replay(&two.ident, entry.id, at(60)).await,
        Err(StorageError::NotFound)
    ));
    assert_eq!(
        stores
            .deliveries
            .replay(&one.ident, entry.id, at(60))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        stores
            .deliveries
            .replay(&one.ident, entry.id, at(61))
            .await
            .unwrap(),
        0
    );
    // What was under way meanwhile takes nothing of it along.
    let done = settlement(
        Disposition::Delivered,
        under_way[0].id,
        1,
        ClaimUpdate::Free(at(60)),
    );
    assert!(stores.outbox.settle(&held, &done).await.unwrap());
    let held = claim(&stores, "n", at(60)).await;
    let events = stores.outbox.oldest(&held, 100).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|notice| (notice.channel.as_str(), notice.at, notice.since))
        .collect();
    assert_eq!(told, [("1", NOW, at(60)), ("2", NOW, at(60))]);
    assert_eq!(
        log(&stores, &one).await[1],
        entry,
        "the log keeps what happened"
    );
}

pub(crate) async fn only_abandoned_events_can_be_replayed(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    end(&stores, &app, &["1"], Disposition::Delivered).await;
    let entry = log(&stores, &app).await.remove(0);
    for id in [entry.id, entry.id + 1, 0, u64::MAX] {
        assert!(
            matches!(
                stores.deliveries.replay(&app.ident, id, NOW).await,
                Err(StorageError::NotFound)
            ),
            "{id}"
        );
    }
}

pub(crate) async fn a_replayed_address_is_due_at_once(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    end(&stores, &app, &["1"], Disposition::GivenUp).await;
    stores.outbox.put(&[miss(&app, "2")]).await.unwrap();
    let held = claim(&stores, "n", NOW).await;
    assert!(
        stores
            .outbox
            .settle(
                &held,
                &settlement(Disposition::Failed, 0, 0, ClaimUpdate::Free(at(500)))
            )
            .await
            .unwrap()
    );
    let entry = log(&stores, &app).await.remove(0);
    stores
        .deliveries
        .replay(&app.ident, entry.id, at(60))
        .await
        .unwrap();
    let events = stores
        .outbox
        .oldest(&claim(&stores, "n", at(60)).await, 10)
        .await
        .unwrap();
    assert_eq!(
        events
            .iter()
            .map(|notice| notice.channel.as_str())
            .collect::<Vec<_>>(),
        ["2", "1"]
    );
}

pub(crate) async fn old_deliveries_are_pruned(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for disposition in [
        Disposition::Delivered,
        Disposition::GivenUp,
        Disposition::Delivered,
        Disposition::GivenUp,
    ] {
        end(&stores, &app, &["1"], disposition).await;
    }
    // All of them ended at this time.
    assert_eq!(stores.deliveries.prune(at(1), at(1), 100).await.unwrap(), 0);
    assert_eq!(stores.deliveries.prune(at(2), at(1), 1).await.unwrap(), 1);
    assert_eq!(stores.deliveries.prune(at(2), at(1), 100).await.unwrap(), 1);
    let left = log(&stores, &app).await;
    assert!(left.len() == 2 && left.iter().all(|entry| entry.given_up));
    assert_eq!(stores.deliveries.prune(at(1), at(2), 100).await.unwrap(), 2);
    assert!(matches!(
        stores.deliveries.replay(&app.ident, left[0].id, NOW).await,
        Err(StorageError::NotFound)
    ));
}
