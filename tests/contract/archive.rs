use pushi::core::error::StorageError;
use pushi::core::model::{AppIdent, CachedEvent, Event, Interval, Position, Secret, Subscription, SubscriptionFilter, Target, TargetKind};

use crate::fixture::Fixture;
use crate::samples::{NOW, app, channel, event, said, say, serials, user};

pub async fn events_are_put_at_their_places_and_new_ones_follow(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let at = |serial: u64, id: u64| Event { new: event(&app, "x", &serial.to_string()), position: Position { id, serial } };
    let (x, events) = (channel("x"), [at(2, 70), at(3, 90)]);
    for _ in 0..2 {
        stores.archive.put_events(&app.ident, &x, 3, &events[..1]).await.unwrap();
        stores.archive.put_events(&app.ident, &x, 5, &events).await.unwrap();
    }
    let again = fixture.open().await;
    assert_eq!(again.events.replay(&app.ident, &x, 0, 9, 9).await.unwrap(), events);
    assert_eq!(again.archive.channels(&app.ident, None, 9).await.unwrap(), [(x.clone(), 5)]);
    assert_eq!(again.archive.channels(&app.ident, Some(&x), 9).await.unwrap(), []);
    let next = say(&again, &app, "x", &["next"]).await[0];
    assert!(next.serial == 6 && next.id > 90, "{next:?}");
    let other = Event { new: event(&app, "x", "other"), ..events[0].clone() };
    let refused = again.archive.put_events(&app.ident, &x, 0, &[other]).await;
    assert!(matches!(refused, Err(StorageError::Conflict("serial"))), "{refused:?}");
    let moved = Event { position: Position { id: 95, serial: 9 }, ..events[0].clone() };
    let refused = again.archive.put_events(&app.ident, &x, 0, &[moved]).await;
    assert!(matches!(refused, Err(StorageError::Conflict("mid"))), "{refused:?}");
    let nobody = again.archive.put_events(&AppIdent::trusted("nobody"), &x, 1, &[]).await;
    assert!(matches!(nobody, Err(StorageError::NotFound)), "{nobody:?}");
}

pub async fn channels_come_by_name_and_are_paged(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for name in ["b", "a", "é", "c"] {
        say(&stores, &app, name, &["1", "2"]).await;
    }
    stores.subscriptions.add(&app.ident, &user("u"), &channel("silent"), NOW).await.unwrap();
    let first = stores.archive.channels(&app.ident, None, 3).await.unwrap();
    assert_eq!(first, ["a", "b", "c"].map(|name| (channel(name), 2)));
    assert_eq!(stores.archive.channels(&app.ident, Some(&channel("c")), 3).await.unwrap(), [(channel("é"), 2)]);
}

pub async fn subscriptions_are_put_with_their_intervals(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "x", &["1", "2", "3", "4"]).await;
    let (u, x) = (user("u"), channel("x"));
    let open = Subscription {
        id: 77,
        app: app.ident.clone(),
        user_id: u.clone(),
        channel: x.clone(),
        start: 3,
        end: None,
        created: NOW,
        modified: NOW,
    };
    let ended = Interval { user_id: u.clone(), channel: x.clone(), start: 0, end: 2 };
    for _ in 0..2 {
        stores.archive.put_subscriptions(&app.ident, std::slice::from_ref(&open), std::slice::from_ref(&ended)).await.unwrap();
    }
    let again = fixture.open().await;
    assert_eq!(again.subscriptions.list(&app.ident, &SubscriptionFilter::default(), 0, 9).await.unwrap(), [open]);
    assert_eq!(again.archive.former_subscribers(&app.ident, None, 9).await.unwrap(), std::slice::from_ref(&u));
    assert_eq!(again.archive.former_subscribers(&app.ident, Some(&u), 9).await.unwrap(), []);
    assert_eq!(again.archive.intervals(&app.ident, &u).await.unwrap(), [ended]);
    let inbox = again.events.inbox(&app.ident, &u, 0, 9).await.unwrap();
    assert_eq!((serials(&inbox), said(&inbox)), (vec![4, 2, 1], vec!["4", "2", "1"]));
    let (next, new) = again.subscriptions.add(&app.ident, &u, &channel("y"), NOW).await.unwrap();
    assert!(new && next.id > 77, "{next:?}");
}

pub async fn cached_events_are_read_by_channel(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let cached = |name: &str| {
        let new = event(&app, name, name);
        let (event, data) = (new.payload.event, new.payload.data);
        CachedEvent { app: new.app, channel: new.channel, mid: new.mid, event, data, timestamp: NOW, serial: Some(3), expires: NOW }
    };
    let events = [cached("cache-a"), cached("cache-b")];
    stores.cache.keep(&events).await.unwrap();
    assert_eq!(stores.archive.cached(&app.ident, None, 9).await.unwrap(), events);
    assert_eq!(stores.archive.cached(&app.ident, Some(&events[0].channel), 9).await.unwrap(), events[1..]);
}

pub async fn targets_are_put_and_read_by_kind(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let target = |kind, id| Target {
        kind,
        id,
        channel: channel("x"),
        address: Secret::new("https://example.com/"),
        p256dh: (kind == TargetKind::WebPush).then(|| Secret::new("p")),
        auth: (kind == TargetKind::WebPush).then(|| Secret::new("a")),
        created: NOW,
    };
    let targets: Vec<Target> = TargetKind::NAMES.iter().flat_map(|(kind, _)| [target(*kind, 1), target(*kind, 5)]).collect();
    for _ in 0..2 {
        stores.archive.put_targets(&app.ident, &targets).await.unwrap();
    }
    for (kind, _) in TargetKind::NAMES {
        assert_eq!(stores.archive.targets(&app.ident, kind, 0, 9).await.unwrap(), [target(kind, 1), target(kind, 5)]);
        assert_eq!(stores.archive.targets(&app.ident, kind, 1, 9).await.unwrap(), [target(kind, 5)]);
    }
    stores.apps.delete(&app.ident).await.unwrap();
    assert_eq!(stores.archive.targets(&app.ident, TargetKind::Web, 0, 9).await.unwrap(), []);
}
