use pushi::core::model::{App, NewEvent, Timestamp};
use pushi::core::ports::{Pruning, ReadLimit, Stores};

use crate::fixture::Fixture;
use crate::samples::{NOW, app, append, channel, event, said, say, user};

async fn subscribe(stores: &Stores, app: &App, name: &str, room: &str) {
    stores
        .subscriptions
        .add(&app.ident, &user(name), &channel(room), NOW)
        .await
        .unwrap();
}

async fn end(stores: &Stores, app: &App, name: &str, room: &str) {
    stores
        .subscriptions
        .remove(&app.ident, &user(name), &channel(room), NOW)
        .await
        .unwrap()
        .unwrap();
}

/// The data of the user's inbox, newest first.
async fn inbox(stores: &Stores, app: &App, name: &str) -> Vec<String> {
    let events = stores
        .events
        .inbox(&app.ident, &user(name), 0, ReadLimit::events(1000))
        .await
        .unwrap();
    assert!(events.is_sorted_by(|one, next| one.position.id > next.position.id));
    said(&events).into_iter().map(String::from).collect()
}

pub(crate) async fn an_inbox_holds_what_came_after_subscribing(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["before"]).await;
    subscribe(&stores, &app, "ann", "room").await;
    assert_eq!(inbox(&stores, &app, "ann").await, [""; 0]);
    say(&other, &app, "room", &["one", "two"]).await;
    say(&stores, &app, "elsewhere", &["no"]).await;
    assert_eq!(inbox(&other, &app, "ann").await, ["two", "one"]);
    assert_eq!(inbox(&stores, &app, "bo").await, [""; 0]);
}

pub(crate) async fn an_ended_subscription_keeps_what_came_before_its_end(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    subscribe(&stores, &app, "ann", "room").await;
    say(&stores, &app, "room", &["one", "two"]).await;
    end(&other, &app, "ann", "room").await;
    say(&stores, &app, "room", &["after"]).await;
    assert_eq!(inbox(&stores, &app, "ann").await, ["two", "one"]);
}

pub(crate) async fn the_inbox_skips_events_between_two_subscriptions(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for round in ["1", "2", "3"] {
        subscribe(&stores, &app, "ann", "room").await;
        say(&stores, &app, "room", &[&format!("in {round}")]).await;
        end(&stores, &app, "ann", "room").await;
        say(&stores, &app, "room", &[&format!("out {round}")]).await;
    }
    // No event was stored between an end and the next beginning, nor within one interval.
    for text in ["a", "b"] {
        subscribe(&stores, &app, "ann", "room").await;
        say(&stores, &app, "room", &[text]).await;
        end(&stores, &app, "ann", "room").await;
        subscribe(&stores, &app, "ann", "room").await;
        end(&stores, &app, "ann", "room").await;
    }
    assert_eq!(
        inbox(&stores, &app, "ann").await,
        ["b", "a", "in 3", "in 2", "in 1"]
    );
    subscribe(&stores, &app, "ann", "room").await;
    say(&stores, &app, "room", &["open"]).await;
    assert_eq!(
        inbox(&stores, &app, "ann").await,
        ["open", "b", "a", "in 3", "in 2", "in 1"]
    );
}

pub(crate) async fn the_personal_channel_is_in_the_inbox_without_subscribing(
    fixture: &impl Fixture,
) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "personal-ann", &["for ann"]).await;
    say(&stores, &app, "personal-bo", &["for bo"]).await;
    say(&stores, &app, "ann", &["a channel of that name"]).await;
    assert_eq!(inbox(&stores, &app, "ann").await, ["for ann"]);
}

pub(crate) async fn overlapping_intervals_hold_each_event_once(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "personal-ann", &["1"]).await;
    subscribe(&stores, &app, "ann", "personal-ann").await;
    say(&stores, &app, "personal-ann", &["2", "3"]).await;
    end(&stores, &app, "ann", "personal-ann").await;
    say(&stores, &app, "personal-ann", &["4"]).await;
    subscribe(&stores, &app, "ann", "personal-ann").await;
    say(&stores, &app, "personal-ann", &["5"]).await;
    assert_eq!(inbox(&stores, &app, "ann").await, ["5", "4", "3", "2", "1"]);
}

/// Thirty channels, some ended, with interleaved events. Returns the expected inbox, newest first.
async fn crowded(stores: &Stores, app: &App) -> Vec<String> {
    for n in 0..30 {
        subscribe(stores, app, "ann", &format!("room-{n}")).await;
    }
    let mut expected = Vec::new();
    for round in 0..12 {
        let batch: Vec<NewEvent> = (0..30)
            .filter(|n| (n + round) % 3 != 0)
            .map(|n| event(app, &format!("room-{n}"), &format!("{round} {n}")))
            .collect();
        append(stores, &batch).await;
        let subscribed = |event: &&NewEvent| {
            let n: u64 = event.channel.as_str()["room-".len()..].parse().unwrap();
            !n.is_multiple_of(4) || round < 5
        };
        expected.extend(
            batch
                .iter()
                .filter(subscribed)
                .map(|event| event.payload.data.to_string()),
        );
        if round == 4 {
            for n in (0..30).step_by(4) {
                end(stores, app, "ann", &format!("room-{n}")).await;
            }
        }
    }
    expected.reverse();
    expected
}

pub(crate) async fn an_inbox_is_merged_by_id_over_channels(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let expected = crowded(&stores, &app).await;
    assert_eq!(inbox(&fixture.open().await, &app, "ann").await, expected);
}

pub(crate) async fn an_inbox_is_paged_by_skip_and_limit(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let expected = crowded(&stores, &app).await;
    for (skip, limit) in [
        (0, 10),
        (7, 10),
        (100, 50),
        (0, 0),
        (3, 0),
        (expected.len() - 1, 5),
        (expected.len(), 5),
        (9999, 5),
    ] {
        let page = stores
            .events
            .inbox(&app.ident, &user("ann"), skip, ReadLimit::events(limit))
            .await
            .unwrap();
        let rest = &expected[skip.min(expected.len())..];
        assert_eq!(
            said(&page),
            rest[..limit.min(rest.len())],
            "skip {skip}, limit {limit}"
        );
    }
}

pub(crate) async fn an_inbox_goes_on_where_events_were_pruned(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    subscribe(&stores, &app, "ann", "ended").await;
    subscribe(&stores, &app, "ann", "open").await;
    say(&stores, &app, "ended", &["1", "2"]).await;
    end(&stores, &app, "ann", "ended").await;
    say(&stores, &app, "ended", &["not 3", "not 4"]).await;
    say(&stores, &app, "open", &["5", "6", "7"]).await;
    stores
        .events
        .prune(
            Pruning {
                before: None,
                keep: Some(2),
            },
            100,
        )
        .await
        .unwrap();
    assert_eq!(inbox(&stores, &app, "ann").await, ["7", "6"]);
    say(&stores, &app, "open", &["8"]).await;
    assert_eq!(inbox(&stores, &app, "ann").await, ["8", "7", "6"]);
}

pub(crate) async fn an_inbox_goes_past_channels_whose_newest_events_were_pruned(
    fixture: &impl Fixture,
) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    // Events with the data "old" are pruned, although they are published last.
    let published = [
        ("one", "1"),
        ("one", "2"),
        ("two", "3"),
        ("one", "4"),
        ("two", "old"),
        ("three", "old"),
        ("four", "old"),
        ("four", "old"),
    ];
    for room in ["one", "two", "three", "four"] {
        subscribe(&stores, &app, "ann", room).await;
    }
    for (room, text) in published {
        let mut event = event(&app, room, text);
        if text == "old" {
            event.timestamp = Timestamp::from_micros(NOW.micros() - 1);
        }
        append(&stores, &[event]).await;
    }
    end(&stores, &app, "ann", "four").await;
    assert_eq!(
        stores
            .events
            .prune(
                Pruning {
                    before: Some(NOW),
                    keep: None
                },
                100
            )
            .await
            .unwrap(),
        4
    );
    let expected = ["4", "3", "2", "1"];
    for (skip, limit) in [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 1),
        (1, 2),
        (2, 1),
        (3, 1),
        (0, 4),
        (0, 9),
        (4, 1),
        (2, 0),
    ] {
        let page = stores
            .events
            .inbox(&app.ident, &user("ann"), skip, ReadLimit::events(limit))
            .await
            .unwrap();
        assert_eq!(
            said(&page),
            expected[skip..expected.len().min(skip + limit)],
            "skip {skip}, limit {limit}"
        );
    }
}

pub(crate) async fn an_event_costs_one_row_however_many_are_subscribed(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for n in 0..100 {
        subscribe(&stores, &app, &format!("user-{n}"), "room").await;
    }
    say(&stores, &app, "room", &["one"]).await;
    assert_eq!(inbox(&stores, &app, "user-99").await, ["one"]);
    assert_eq!(
        stores
            .events
            .prune(
                Pruning {
                    before: None,
                    keep: Some(0)
                },
                1000
            )
            .await
            .unwrap(),
        1
    );
    assert_eq!(inbox(&stores, &app, "user-99").await, [""; 0]);
}
