use std::time::Duration;

use pushi::core::model::{App, AppIdent, CachedEvent, Timestamp};

use crate::fixture::Fixture;
use crate::samples::{NOW, app, app_to_create, channel, mid};

fn cached(app: &App, name: &str, data: &str) -> CachedEvent {
    CachedEvent {
        app: app.ident.clone(),
        channel: channel(name),
        mid: mid(),
        event: "state".into(),
        data: data.into(),
        timestamp: NOW,
        serial: None,
        expires: NOW.plus(CachedEvent::KEPT),
    }
}

pub(crate) async fn the_last_event_of_a_channel_is_there_for_every_instance<F: Fixture>(
    fixture: &F,
) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let first = cached(&app, "cache-x", "1");
    let second = CachedEvent {
        serial: Some(i64::MAX as u64),
        ..cached(&app, "cache-x", "2")
    };
    let other = CachedEvent {
        event: "é\0".into(),
        ..cached(&app, "cache-y", "a\0b\u{1a}")
    };
    assert_eq!(
        stores.cache.last(&app.ident, &first.channel).await.unwrap(),
        None
    );
    stores
        .cache
        .keep(std::slice::from_ref(&first))
        .await
        .unwrap();
    assert_eq!(
        fixture
            .open()
            .await
            .cache
            .last(&app.ident, &first.channel)
            .await
            .unwrap(),
        Some(first.clone())
    );
    stores
        .cache
        .keep(&[second.clone(), other.clone()])
        .await
        .unwrap();
    if F::LASTING {
        stores.database.close().await;
    }
    let again = fixture.open().await;
    assert_eq!(
        again.cache.last(&app.ident, &first.channel).await.unwrap(),
        Some(second)
    );
    assert_eq!(
        again.cache.last(&app.ident, &other.channel).await.unwrap(),
        Some(other)
    );
}

pub(crate) async fn the_last_event_of_a_channel_wins(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let events = ["1", "2", "3"].map(|data| cached(&app, "cache-x", data));
    let order = [
        &events[2],
        &events[0],
        &cached(&app, "cache-w", ""),
        &events[1],
    ]
    .map(Clone::clone);
    stores.cache.keep(&order).await.unwrap();
    assert_eq!(
        stores
            .cache
            .last(&app.ident, &events[1].channel)
            .await
            .unwrap(),
        Some(events[1].clone())
    );
    stores.cache.keep(&[]).await.unwrap();
}

pub(crate) async fn expired_events_are_got_until_they_are_pruned(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    let events: Vec<CachedEvent> = (0..4)
        .map(|second| CachedEvent {
            expires: at(second),
            ..cached(&app, &format!("cache-{second}"), "")
        })
        .collect();
    stores.cache.keep(&events).await.unwrap();
    assert_eq!(
        stores
            .cache
            .last(&app.ident, &events[0].channel)
            .await
            .unwrap()
            .as_ref(),
        Some(&events[0])
    );
    assert_eq!(stores.cache.prune(at(1)).await.unwrap(), 2);
    assert_eq!(
        stores
            .cache
            .last(&app.ident, &events[1].channel)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        stores
            .cache
            .last(&app.ident, &events[2].channel)
            .await
            .unwrap()
            .as_ref(),
        Some(&events[2])
    );
    assert_eq!(
        stores.cache.prune(Timestamp::from_micros(0)).await.unwrap(),
        0
    );
}

pub(crate) async fn events_of_an_app_that_is_not_there_are_not_kept(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let stray = CachedEvent {
        app: AppIdent::trusted("nobody"),
        ..cached(&app, "cache-x", "stray")
    };
    let own = cached(&app, "cache-x", "own");
    stores
        .cache
        .keep(&[stray.clone(), own.clone()])
        .await
        .unwrap();
    assert_eq!(
        stores.cache.last(&app.ident, &own.channel).await.unwrap(),
        Some(own)
    );
    stores.apps.create(app_to_create("nobody")).await.unwrap();
    assert_eq!(
        stores.cache.last(&stray.app, &stray.channel).await.unwrap(),
        None
    );
}

pub(crate) async fn a_deleted_app_takes_its_cached_events_with_it(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (gone, stays) = (app(&stores, "a").await, app(&stores, "b").await);
    let events = [
        cached(&gone, "cache-x", "a"),
        cached(&stays, "cache-x", "b"),
    ];
    stores.cache.keep(&events).await.unwrap();
    stores.apps.delete(&gone.ident).await.unwrap();
    stores.apps.create(app_to_create("a")).await.unwrap();
    assert_eq!(
        stores
            .cache
            .last(&gone.ident, &events[0].channel)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        stores
            .cache
            .last(&stays.ident, &events[1].channel)
            .await
            .unwrap()
            .as_ref(),
        Some(&events[1])
    );
}
