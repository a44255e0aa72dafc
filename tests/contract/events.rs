use pushi::core::ports::ReadLimit;
use std::collections::HashSet;
use std::time::Duration;

use pushi::core::error::StorageError;
use pushi::core::model::{AppIdent, FurtherMembers, Mid, NewEvent, Payload, PublishId};

use crate::fixture::Fixture;
use crate::samples::{NOW, app, append, channel, event, mid, said, say, serials};

pub(crate) async fn serials_are_contiguous_from_one_in_each_channel(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let batch: Vec<NewEvent> = ["x", "y", "x", "x", "y"]
        .map(|name| event(&app, name, ""))
        .into();
    let serials = |positions: Vec<pushi::core::model::Position>| {
        positions.iter().map(|at| at.serial).collect::<Vec<_>>()
    };
    assert_eq!(serials(append(&stores, &batch).await), [1, 1, 2, 3, 2]);
    assert_eq!(serials(say(&stores, &app, "y", &["", ""]).await), [3, 4]);
    assert_eq!(serials(say(&stores, &app, "x", &[""]).await), [4]);
}

pub(crate) async fn ids_are_unique_in_the_app_and_grow_with_the_serial(fixture: &impl Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let app = app(&one, "a").await;
    let mut ids = Vec::new();
    for stores in [&one, &two, &one, &two] {
        let batch: Vec<NewEvent> = ["x", "y", "x"].map(|name| event(&app, name, "")).into();
        ids.extend(
            append(stores, &batch)
                .await
                .iter()
                .map(|position| position.id),
        );
    }
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 12);
    for name in ["x", "y"] {
        let events = one
            .events
            .replay(&app.ident, &channel(name), 0, 100, ReadLimit::events(100))
            .await
            .unwrap();
        assert!(
            events.is_sorted_by(|one, next| one.position.id < next.position.id),
            "{name}"
        );
    }
}

pub(crate) async fn every_field_is_read_back(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let full = NewEvent {
        owner_id: Some("4711.90210".into()),
        publish: Some(PublishId("p1".into())),
        payload: Payload {
            event: "chat".into(),
            data: "{\"x\":1}".into(),
            extra: FurtherMembers::trusted("\"$set\":1,\"a.b\":null,\"_id\":[]"),
        },
        ..event(&app, "room", "")
    };
    let plain = event(&app, "room", "");
    append(&stores, &[full.clone(), plain.clone()]).await;
    let events = fixture
        .open()
        .await
        .events
        .replay(&app.ident, &channel("room"), 0, 9, ReadLimit::events(9))
        .await
        .unwrap();
    assert_eq!(
        events
            .into_iter()
            .map(|event| event.new)
            .collect::<Vec<_>>(),
        [full, plain]
    );
}

pub(crate) async fn concurrent_appends_of_several_instances_leave_no_gap_and_no_double(
    fixture: &impl Fixture,
) {
    let first = fixture.open().await;
    let app = app(&first, "a").await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let stores = fixture.open().await;
        for _ in 0..4 {
            let (stores, app) = (stores.clone(), app.clone());
            tasks.push(tokio::spawn(async move {
                let mut serials = Vec::new();
                for _ in 0..5 {
                    let batch: Vec<NewEvent> = (0..3).map(|_| event(&app, "room", "")).collect();
                    serials.extend(
                        append(&stores, &batch)
                            .await
                            .iter()
                            .map(|position| position.serial),
                    );
                }
                assert!(serials.is_sorted_by(|one, next| one < next), "{serials:?}");
                serials
            }));
        }
    }
    let mut answered = Vec::new();
    for task in tasks {
        answered.extend(task.await.unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (1..=240).collect::<Vec<u64>>());
    let stored = first
        .events
        .replay(
            &app.ident,
            &channel("room"),
            0,
            1000,
            ReadLimit::events(1000),
        )
        .await
        .unwrap();
    assert_eq!(serials(&stored), answered);
    assert!(stored.is_sorted_by(|one, next| one.position.id < next.position.id));
}

pub(crate) async fn batches_over_many_channels_and_apps_do_not_block_each_other(
    fixture: &impl Fixture,
) {
    let first = fixture.open().await;
    let apps = [app(&first, "a").await, app(&first, "b").await];
    let mut tasks = Vec::new();
    for instance in 0..4_usize {
        let (stores, apps) = (fixture.open().await, apps.clone());
        tasks.push(tokio::spawn(async move {
            for round in 0..10_usize {
                // Each in another order: locking in order of arrival would deadlock.
                let mut places: Vec<usize> = (0..20).collect();
                places.rotate_left((instance * 7 + round * 3) % 20);
                if instance % 2 == 0 {
                    places.reverse();
                }
                let batch: Vec<NewEvent> = places
                    .iter()
                    .map(|n| event(&apps[n % 2], &format!("room-{n}"), ""))
                    .collect();
                append(&stores, &batch).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for place in 0..20_usize {
        let room = channel(&format!("room-{place}"));
        assert_eq!(
            first
                .events
                .heads(&apps[place % 2].ident, &[room])
                .await
                .unwrap(),
            [40]
        );
    }
}

pub(crate) async fn a_large_batch_keeps_its_order(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let batch: Vec<NewEvent> = (0..1000)
        .map(|n| event(&app, &format!("room-{}", n % 3), &n.to_string()))
        .collect();
    let positions = append(&stores, &batch).await;
    assert!(
        positions
            .iter()
            .enumerate()
            .all(|(n, position)| position.serial == n as u64 / 3 + 1)
    );
    let recent = stores
        .events
        .recent(&app.ident, None, ReadLimit::events(1000))
        .await
        .unwrap();
    let expected: Vec<String> = (0..1000).rev().map(|n| n.to_string()).collect();
    assert_eq!(said(&recent), expected);
}

pub(crate) async fn an_empty_batch_answers_nothing(fixture: &impl Fixture) {
    assert!(fixture.open().await.events.append(&[]).await.is_empty());
}

pub(crate) async fn appended_events_survive_reopening<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["one", "two"]).await;
    if F::LASTING {
        stores.database.close().await;
    }
    let again = fixture.open().await;
    assert_eq!(
        said(
            &again
                .events
                .recent(&app.ident, None, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["two", "one"]
    );
    assert_eq!(say(&again, &app, "room", &["three"]).await[0].serial, 3);
}

pub(crate) async fn a_mid_that_is_there_is_a_conflict(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let one = app(&stores, "a").await;
    let there = event(&one, "room", "there");
    append(&stores, std::slice::from_ref(&there)).await;
    assert!(matches!(
        other.events.append(std::slice::from_ref(&there)).await[..],
        [Err(StorageError::Conflict("mid"))]
    ));
    let beside = event(&one, "room", "beside");
    let batch = other.events.append(&[beside.clone(), there]).await;
    assert!(matches!(batch[1], Err(StorageError::Conflict("mid"))));
    // Whether the others of its batch are stored is the store's own; what it answered is so.
    let position = stores
        .events
        .positions(&one.ident, &[beside.mid])
        .await
        .unwrap()[0];
    assert_eq!(position, batch.into_iter().next().unwrap().ok());
    let next = if position.is_some() { 3 } else { 2 };
    assert_eq!(
        say(&stores, &one, "room", &["next"]).await[0].serial,
        next,
        "a conflict leaves no gap"
    );
}

pub(crate) async fn events_of_an_app_that_is_not_there_are_not_found_and_the_others_are_stored(
    fixture: &impl Fixture,
) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let stranger = NewEvent {
        app: AppIdent::trusted("nobody"),
        ..event(&app, "room", "")
    };
    let batch = [
        event(&app, "room", "one"),
        stranger,
        event(&app, "room", "two"),
    ];
    let answers = stores.events.append(&batch).await;
    assert_eq!(answers[0].as_ref().unwrap().serial, 1);
    assert!(matches!(answers[1], Err(StorageError::NotFound)));
    assert_eq!(answers[2].as_ref().unwrap().serial, 2);
}

pub(crate) async fn positions_find_stored_events(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    let events: Vec<NewEvent> = (0..150)
        .map(|n| event(&one, &format!("room-{}", n % 7), ""))
        .collect();
    let positions = append(&stores, &events).await;
    let mut mids: Vec<Mid> = events.iter().map(|event| event.mid.clone()).rev().collect();
    mids.insert(1, mid());
    let mut expected: Vec<_> = positions.into_iter().map(Some).rev().collect();
    expected.insert(1, None);
    assert_eq!(
        fixture
            .open()
            .await
            .events
            .positions(&one.ident, &mids)
            .await
            .unwrap(),
        expected
    );
    assert_eq!(
        stores
            .events
            .positions(&two.ident, &mids[..1])
            .await
            .unwrap(),
        [None],
        "of another app"
    );
    assert_eq!(stores.events.positions(&one.ident, &[]).await.unwrap(), []);
}

pub(crate) async fn cancelled_append_is_all_or_nothing(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let mut judged = Vec::new();
    for round in 0..20 {
        let batch: Vec<NewEvent> = (0..50)
            .map(|n| event(&app, &format!("room-{n}"), ""))
            .collect();
        let mids: Vec<Mid> = batch.iter().map(|event| event.mid.clone()).collect();
        // Given up at its first wait, or at a later one.
        let _ = tokio::time::timeout(
            Duration::from_micros(100 * round),
            stores.events.append(&batch),
        )
        .await;
        let positions = stores.events.positions(&app.ident, &mids).await.unwrap();
        judged.push((mids, positions));
    }
    for (mids, positions) in judged {
        assert_eq!(
            stores.events.positions(&app.ident, &mids).await.unwrap(),
            positions,
            "what was judged stays so"
        );
    }
    let room = channel("room-0");
    let head = say(&stores, &app, "room-0", &["last"]).await[0].serial;
    let stored = stores
        .events
        .replay(&app.ident, &room, 0, head, ReadLimit::events(100))
        .await
        .unwrap();
    assert_eq!(serials(&stored), (1..=head).collect::<Vec<_>>());
}

pub(crate) async fn heads_are_answered_in_order_with_zero_for_none(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let batch: Vec<NewEvent> = (0..100)
        .flat_map(|n| (0..=n % 3).map(move |_| n))
        .map(|n| event(&app, &format!("room-{n}"), ""))
        .collect();
    append(&stores, &batch).await;
    let rooms: Vec<_> = (0..110)
        .rev()
        .map(|n| channel(&format!("room-{n}")))
        .collect();
    let expected: Vec<u64> = (0..110)
        .rev()
        .map(|n| if n < 100 { n % 3 + 1 } else { 0 })
        .collect();
    assert_eq!(
        fixture
            .open()
            .await
            .events
            .heads(&app.ident, &rooms)
            .await
            .unwrap(),
        expected
    );
    let subscribed = channel("only-subscribed");
    stores
        .subscriptions
        .add(&app.ident, &crate::samples::user("ann"), &subscribed, NOW)
        .await
        .unwrap();
    assert_eq!(
        stores
            .events
            .heads(&app.ident, &[subscribed])
            .await
            .unwrap(),
        [0]
    );
}
