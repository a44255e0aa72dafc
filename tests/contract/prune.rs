use std::time::Duration;

use pushi::core::model::{App, NewEvent, Position};
use pushi::core::ports::{Pruning, ReadLimit, Stores};

use crate::fixture::Fixture;
use crate::samples::{NOW, app, append, channel, event, said, say, serials};

async fn say_at(stores: &Stores, app: &App, name: &str, seconds: &[u64]) {
    let at = |second: &u64| NewEvent {
        timestamp: NOW.plus(Duration::from_secs(*second)),
        ..event(app, name, &second.to_string())
    };
    append(stores, &seconds.iter().map(at).collect::<Vec<_>>()).await;
}

fn before(second: u64) -> Pruning {
    Pruning {
        before: Some(NOW.plus(Duration::from_secs(second))),
        keep: None,
    }
}

fn keep(count: u64) -> Pruning {
    Pruning {
        before: None,
        keep: Some(count),
    }
}

pub(crate) async fn events_before_a_time_are_removed(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    say_at(&stores, &one, "room", &[1, 5, 3, 4]).await;
    say_at(&stores, &two, "room", &[2, 3]).await;
    assert_eq!(stores.events.prune(before(3), 100).await.unwrap(), 2);
    assert_eq!(
        said(
            &stores
                .events
                .recent(&one.ident, None, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["4", "3", "5"]
    );
    assert_eq!(
        said(
            &stores
                .events
                .recent(&two.ident, None, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["3"]
    );
    assert_eq!(stores.events.prune(before(4), 100).await.unwrap(), 2);
    assert_eq!(
        said(
            &stores
                .events
                .recent(&one.ident, None, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["4", "5"]
    );
    assert_eq!(stores.events.prune(before(4), 100).await.unwrap(), 0);
}

pub(crate) async fn all_but_the_newest_of_each_channel_are_removed(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    say(&stores, &one, "x", &["1", "2", "3", "4"]).await;
    say(&stores, &one, "y", &["1", "2"]).await;
    say(&stores, &two, "x", &["1", "2", "3"]).await;
    assert_eq!(stores.events.prune(keep(2), 100).await.unwrap(), 3);
    let left = async |app: &App, name| {
        serials(
            &stores
                .events
                .replay(&app.ident, &channel(name), 0, 9, ReadLimit::events(9))
                .await
                .unwrap(),
        )
    };
    assert_eq!(left(&one, "x").await, [3, 4]);
    assert_eq!(left(&one, "y").await, [1, 2]);
    assert_eq!(left(&two, "x").await, [2, 3]);
    let both = Pruning {
        keep: Some(1),
        ..before(0)
    };
    assert_eq!(stores.events.prune(both, 100).await.unwrap(), 3);
    assert_eq!(left(&one, "x").await, [4]);
    assert_eq!(stores.events.prune(keep(u64::MAX), 100).await.unwrap(), 0);
    assert_eq!(stores.events.prune(keep(0), 100).await.unwrap(), 3);
}

pub(crate) async fn pruning_stops_at_its_limit_and_goes_on(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let seconds: Vec<u64> = (0..250).collect();
    say_at(&stores, &app, "x", &seconds).await;
    say_at(&stores, &app, "y", &seconds).await;
    assert_eq!(stores.events.prune(before(200), 150).await.unwrap(), 150);
    assert_eq!(stores.events.prune(before(200), 150).await.unwrap(), 150);
    assert_eq!(stores.events.prune(before(200), 150).await.unwrap(), 100);
    let both = Pruning {
        keep: Some(10),
        ..before(210)
    };
    assert_eq!(stores.events.prune(both, 30).await.unwrap(), 30);
    assert_eq!(stores.events.prune(both, 60).await.unwrap(), 50);
    assert_eq!(stores.events.prune(both, 60).await.unwrap(), 0);
    assert_eq!(stores.events.prune(keep(0), 0).await.unwrap(), 0);
    assert_eq!(
        stores
            .events
            .recent(&app.ident, None, ReadLimit::events(100))
            .await
            .unwrap()
            .len(),
        20
    );
}

pub(crate) async fn heads_stay_and_serials_go_on_after_pruning(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["1", "2", "3"]).await;
    assert_eq!(other.events.prune(keep(0), 100).await.unwrap(), 3);
    let room = channel("room");
    assert_eq!(
        stores
            .events
            .heads(&app.ident, std::slice::from_ref(&room))
            .await
            .unwrap(),
        [3]
    );
    assert_eq!(
        stores
            .events
            .history(&app.ident, &room, None, ReadLimit::events(10))
            .await
            .unwrap(),
        []
    );
    let next = say(&stores, &app, "room", &["4"]).await[0];
    assert_eq!(next.serial, 4);
    assert_eq!(
        serials(
            &stores
                .events
                .replay(&app.ident, &room, 0, 9, ReadLimit::events(9))
                .await
                .unwrap()
        ),
        [4]
    );
}

pub(crate) async fn a_writer_that_missed_a_pruning_goes_on_behind_it(fixture: &impl Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let app = app(&one, "a").await;
    say(&one, &app, "room", &["1"]).await;
    say(&two, &app, "room", &["2", "3"]).await;
    assert_eq!(two.events.prune(keep(0), 100).await.unwrap(), 3);
    assert_eq!(
        serials_of(say(&one, &app, "room", &["4", "5"]).await),
        [4, 5]
    );
    assert_eq!(serials_of(say(&two, &app, "room", &["6"]).await), [6]);
    let stored = one
        .events
        .replay(&app.ident, &channel("room"), 0, 9, ReadLimit::events(9))
        .await
        .unwrap();
    assert_eq!(
        (serials(&stored), said(&stored)),
        (vec![4, 5, 6], vec!["4", "5", "6"])
    );
}

fn serials_of(positions: Vec<Position>) -> Vec<u64> {
    positions.iter().map(|position| position.serial).collect()
}

pub(crate) async fn nothing_is_pruned_without_a_bound(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["1"]).await;
    assert_eq!(
        stores.events.prune(Pruning::default(), 100).await.unwrap(),
        0
    );
    assert_eq!(
        stores
            .events
            .recent(&app.ident, None, ReadLimit::events(10))
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(crate) async fn a_pruned_mid_has_no_position(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let gone = event(&app, "room", "");
    append(&stores, std::slice::from_ref(&gone)).await;
    stores.events.prune(keep(0), 100).await.unwrap();
    assert_eq!(
        stores
            .events
            .positions(&app.ident, &[gone.mid])
            .await
            .unwrap(),
        [None]
    );
}
