use pushi::core::model::NewEvent;
use pushi::core::ports::ReadLimit;

use crate::fixture::Fixture;
use crate::samples::{app, append, channel, event, said, say, serials};

pub(crate) async fn history_is_newest_first_below_a_serial(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["1", "2", "3", "4", "5"]).await;
    say(&stores, &app, "elsewhere", &["x"]).await;
    let room = channel("room");
    let history = async |before, limit| {
        serials(
            &stores
                .events
                .history(&app.ident, &room, before, ReadLimit::events(limit))
                .await
                .unwrap(),
        )
    };
    assert_eq!(history(None, 10).await, [5, 4, 3, 2, 1]);
    assert_eq!(history(None, 2).await, [5, 4]);
    assert_eq!(history(Some(4), 2).await, [3, 2]);
    assert_eq!(history(Some(2), 10).await, [1]);
}

pub(crate) async fn history_at_its_edges(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let room = channel("room");
    let history = async |before, limit| {
        serials(
            &stores
                .events
                .history(&app.ident, &room, before, ReadLimit::events(limit))
                .await
                .unwrap(),
        )
    };
    assert_eq!(history(None, 10).await, [0; 0]);
    say(&stores, &app, "room", &["1", "2"]).await;
    assert_eq!(history(Some(1), 10).await, [0; 0]);
    assert_eq!(history(Some(0), 10).await, [0; 0]);
    assert_eq!(history(Some(3), 10).await, [2, 1]);
    assert_eq!(history(None, 0).await, [0; 0]);
}

pub(crate) async fn replay_is_oldest_first_within_its_bounds(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["1", "2", "3", "4", "5"]).await;
    say(&stores, &app, "elsewhere", &["x"]).await;
    let room = channel("room");
    let replay = async |after, upto, limit| {
        serials(
            &stores
                .events
                .replay(&app.ident, &room, after, upto, ReadLimit::events(limit))
                .await
                .unwrap(),
        )
    };
    assert_eq!(replay(0, 5, 10).await, [1, 2, 3, 4, 5]);
    assert_eq!(replay(1, 4, 10).await, [2, 3, 4]);
    assert_eq!(replay(1, 4, 2).await, [2, 3]);
}

pub(crate) async fn replay_at_its_edges(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let room = channel("room");
    let replay = async |after, upto, limit| {
        serials(
            &stores
                .events
                .replay(&app.ident, &room, after, upto, ReadLimit::events(limit))
                .await
                .unwrap(),
        )
    };
    assert_eq!(replay(0, 9, 10).await, [0; 0]);
    say(&stores, &app, "room", &["1", "2", "3"]).await;
    assert_eq!(replay(3, 3, 10).await, [0; 0]);
    assert_eq!(replay(2, 3, 10).await, [3]);
    assert_eq!(
        replay(3, 1, 10).await,
        [0; 0],
        "bounds that cross hold nothing"
    );
    assert_eq!(replay(0, 0, 10).await, [0; 0]);
    assert_eq!(replay(0, 9, 0).await, [0; 0]);
    assert_eq!(replay(2, 99, 10).await, [3]);
    assert_eq!(replay(99, 100, 10).await, [0; 0]);
}

pub(crate) async fn recent_goes_over_all_channels_by_id(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let batch: Vec<NewEvent> = ["x", "y", "x", "z"]
        .iter()
        .enumerate()
        .map(|(n, name)| event(&app, name, &n.to_string()))
        .collect();
    append(&stores, &batch).await;
    say(&stores, &app, "y", &["4"]).await;
    let recent = async |limit| {
        stores
            .events
            .recent(&app.ident, None, ReadLimit::events(limit))
            .await
            .unwrap()
    };
    assert_eq!(said(&recent(10).await), ["4", "3", "2", "1", "0"]);
    assert_eq!(said(&recent(2).await), ["4", "3"]);
    assert_eq!(said(&recent(0).await), [""; 0]);
    assert!(
        recent(10)
            .await
            .is_sorted_by(|one, next| one.position.id > next.position.id)
    );
}

pub(crate) async fn bounds_beyond_what_a_column_holds_mean_no_bound(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["1"]).await;
    let (room, ann) = (channel("room"), crate::samples::user("ann"));
    say(&stores, &app, "personal-ann", &["2"]).await;
    for most in [u64::MAX, i64::MAX as u64] {
        let all = usize::try_from(most).unwrap();
        assert_eq!(
            stores
                .events
                .history(&app.ident, &room, Some(most), ReadLimit::events(all))
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(
            stores
                .events
                .replay(&app.ident, &room, 0, most, ReadLimit::events(all))
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(
            stores
                .events
                .replay(&app.ident, &room, most, most, ReadLimit::events(all))
                .await
                .unwrap()
                .len(),
            0
        );
        assert_eq!(
            stores
                .events
                .recent(&app.ident, None, ReadLimit::events(all))
                .await
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            stores
                .events
                .inbox(&app.ident, &ann, 0, ReadLimit::events(all))
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(
            stores
                .events
                .inbox(&app.ident, &ann, all, ReadLimit::events(all))
                .await
                .unwrap()
                .len(),
            0
        );
    }
}
