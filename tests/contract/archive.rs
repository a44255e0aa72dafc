use std::time::Duration;

use pushi::core::error::StorageError;
use pushi::core::model::{
    AppIdent, Away, CachedEvent, DigestWindow, Event, NotificationTarget, Position, Secret,
    TargetKind, UserId,
};
use pushi::core::ports::ReadLimit;

use crate::fixture::Fixture;
use crate::samples::{NOW, app, channel, event, said, say, serials, user};

pub(crate) async fn events_are_put_at_their_places_and_new_ones_follow(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let at = |name: &str, serial: u64, id: u64| Event {
        new: event(&app, name, &serial.to_string()),
        position: Position { id, serial },
    };
    let (x, y, events) = (
        channel("x"),
        channel("y"),
        [at("x", 2, 70), at("y", 1, 80), at("x", 3, 90)],
    );
    for _ in 0..2 {
        stores
            .archive
            .put_events(&app.ident, &[(x.clone(), 2)], &events[..1])
            .await
            .unwrap();
        stores
            .archive
            .put_events(&app.ident, &[(x.clone(), 5), (channel("z"), 7)], &events)
            .await
            .unwrap();
        stores
            .archive
            .put_events(&app.ident, &[(x.clone(), 4)], &[])
            .await
            .unwrap();
    }
    let again = fixture.open().await;
    assert_eq!(
        again
            .events
            .replay(&app.ident, &x, 0, 9, ReadLimit::events(9))
            .await
            .unwrap(),
        [events[0].clone(), events[2].clone()]
    );
    assert_eq!(
        again.archive.channels(&app.ident, None, 9).await.unwrap(),
        [(x.clone(), 5), (y, 1), (channel("z"), 7)]
    );
    let next = say(&again, &app, "x", &["next"]).await[0];
    assert!(next.serial == 6 && next.id > 90, "{next:?}");
    assert_eq!(say(&again, &app, "z", &["next"]).await[0].serial, 8);
    let other = Event {
        new: event(&app, "x", "other"),
        ..events[0].clone()
    };
    let refused = again.archive.put_events(&app.ident, &[], &[other]).await;
    assert!(
        matches!(refused, Err(StorageError::Conflict("serial"))),
        "{refused:?}"
    );
    let moved = Event {
        position: Position { id: 95, serial: 9 },
        ..events[0].clone()
    };
    let refused = again.archive.put_events(&app.ident, &[], &[moved]).await;
    assert!(
        matches!(refused, Err(StorageError::Conflict("mid"))),
        "{refused:?}"
    );
    let nobody = again
        .archive
        .put_events(&AppIdent::trusted("nobody"), &[(x, 1)], &[])
        .await;
    assert!(matches!(nobody, Err(StorageError::NotFound)), "{nobody:?}");
}

pub(crate) async fn events_come_by_number_and_are_paged(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (a, b) = (app(&stores, "a").await, app(&stores, "b").await);
    for name in ["x", "y", "x"] {
        say(&stores, &a, name, &["1", "2"]).await;
        say(&stores, &b, name, &["other"]).await;
    }
    let all = stores.archive.events(&a.ident, 0, 9).await.unwrap();
    assert_eq!(
        (serials(&all), said(&all)),
        (vec![1, 2, 1, 2, 3, 4], vec!["1", "2", "1", "2", "1", "2"])
    );
    let mut newest_first = stores
        .events
        .recent(&a.ident, None, ReadLimit::events(9))
        .await
        .unwrap();
    newest_first.reverse();
    assert_eq!(all, newest_first);
    let page = stores
        .archive
        .events(&a.ident, all[1].position.id, 3)
        .await
        .unwrap();
    assert_eq!(page, all[2..5]);
    assert_eq!(
        stores
            .archive
            .events(&a.ident, all[5].position.id, 3)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        stores
            .archive
            .events(&AppIdent::trusted("nobody"), 0, 3)
            .await
            .unwrap(),
        []
    );
}

/// More than go into one statement or one command, some of which are there.
pub(crate) async fn many_events_are_put_around_those_that_are_there(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let at = |id: u64| {
        let (name, serial) = (["x", "y", "z"][id as usize % 3], id / 3 + 1);
        Event {
            new: event(&app, name, &id.to_string()),
            position: Position { id: id + 1, serial },
        }
    };
    let events: Vec<Event> = (0..1300).map(at).collect();
    stores
        .archive
        .put_events(&app.ident, &[], &events[..7])
        .await
        .unwrap();
    stores
        .archive
        .put_events(&app.ident, &[], &events[20..41])
        .await
        .unwrap();
    stores
        .archive
        .put_events(&app.ident, &[], &events)
        .await
        .unwrap();
    assert_eq!(
        stores.archive.events(&app.ident, 0, 2000).await.unwrap(),
        events
    );
}

pub(crate) async fn channels_come_by_name_and_are_paged(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for name in ["b", "a", "é", "c"] {
        say(&stores, &app, name, &["1", "2"]).await;
    }
    say(&stores, &app, "b", &["more"; 250]).await;
    stores
        .subscriptions
        .add(&app.ident, &user("u"), &channel("silent"), NOW)
        .await
        .unwrap();
    let first = stores.archive.channels(&app.ident, None, 3).await.unwrap();
    assert_eq!(
        first,
        [("a", 2), ("b", 252), ("c", 2)].map(|(name, head)| (channel(name), head))
    );
    assert_eq!(
        stores
            .archive
            .channels(&app.ident, Some(&channel("a")), 1)
            .await
            .unwrap(),
        [(channel("b"), 252)]
    );
    assert_eq!(
        stores
            .archive
            .channels(&app.ident, Some(&channel("c")), 3)
            .await
            .unwrap(),
        [(channel("é"), 2)]
    );
    assert_eq!(
        stores
            .archive
            .channels(&app.ident, Some(&channel("é")), 3)
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn cached_events_are_read_by_channel(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let cached = |name: &str| {
        let new = event(&app, name, name);
        let (event, data) = (new.payload.event, new.payload.data);
        CachedEvent {
            app: new.app,
            channel: new.channel,
            mid: new.mid,
            event,
            data,
            timestamp: NOW,
            serial: Some(3),
            expires: NOW,
        }
    };
    let events = [cached("cache-a"), cached("cache-b")];
    stores.cache.keep(&events).await.unwrap();
    assert_eq!(
        stores.archive.cached(&app.ident, None, 9).await.unwrap(),
        events
    );
    assert_eq!(
        stores
            .archive
            .cached(&app.ident, Some(&events[0].channel), 9)
            .await
            .unwrap(),
        events[1..]
    );
}

pub(crate) async fn targets_are_put_and_read_by_kind(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let target = |kind, id| NotificationTarget {
        kind,
        id,
        channel: channel("x"),
        address: Secret::new("https://example.com/"),
        p256dh: (kind == TargetKind::WebPush).then(|| Secret::new("p")),
        auth: (kind == TargetKind::WebPush).then(|| Secret::new("a")),
        away: (kind == TargetKind::Smtp).then(|| Away {
            delay: Duration::from_secs(30),
            user: UserId::parse("ann"),
        }),
        digest: DigestWindow::parse("15m").filter(|_| kind == TargetKind::Smtp),
        created: NOW,
    };
    let targets: Vec<NotificationTarget> = TargetKind::NAMES
        .iter()
        .flat_map(|(kind, _)| [target(*kind, 1), target(*kind, 5)])
        .collect();
    for _ in 0..2 {
        stores
            .archive
            .put_targets(&app.ident, &targets)
            .await
            .unwrap();
    }
    for (kind, _) in TargetKind::NAMES {
        assert_eq!(
            stores
                .archive
                .targets(&app.ident, kind, 0, 9)
                .await
                .unwrap(),
            [target(kind, 1), target(kind, 5)]
        );
        assert_eq!(
            stores
                .archive
                .targets(&app.ident, kind, 1, 9)
                .await
                .unwrap(),
            [target(kind, 5)]
        );
    }
    assert_eq!(
        stores
            .archive
            .targets(&app.ident, TargetKind::Web, 0, 1)
            .await
            .unwrap(),
        [target(TargetKind::Web, 1)]
    );
    let nobody = stores
        .archive
        .put_targets(&AppIdent::trusted("nobody"), &targets)
        .await;
    assert!(matches!(nobody, Err(StorageError::NotFound)), "{nobody:?}");
    stores.apps.delete(&app.ident).await.unwrap();
    assert_eq!(
        stores
            .archive
            .targets(&app.ident, TargetKind::Web, 0, 9)
            .await
            .unwrap(),
        []
    );
}
