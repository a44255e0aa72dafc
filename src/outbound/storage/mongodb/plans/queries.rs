//! All queries that a client can cause, on a store with data of every kind.

use mongodb::bson::{Bson, doc};

use crate::core::model::{
    App, AppIdent, AppSettings, CachedEvent, ChannelName, CredentialDigest, Mid, NewEvent,
    OutboxEvent, OutboxEventKind, Payload, PushCredentials, Secret, Session, SubscriptionFilter,
    Timestamp, TokenHash, UserId,
};
use crate::core::ports::{
    AppStore, CacheStore, CreateApp, DeliveryLog, EventStore, Outbox, ReadLimit, SessionStore,
    SubscriptionStore,
};
use crate::outbound::storage::mongodb::MongoStore;

const NOW: Timestamp = Timestamp::from_micros(1_795_337_089_420_001);

fn channel(name: &str) -> ChannelName {
    ChannelName::trusted(name)
}

fn user() -> UserId {
    UserId::parse("ann").unwrap()
}

fn cached(app: &App) -> CachedEvent {
    CachedEvent {
        app: app.ident.clone(),
        channel: channel("cache-room"),
        mid: Mid("c".into()),
        event: "message".into(),
        data: "".into(),
        timestamp: NOW,
        serial: None,
        expires: NOW,
    }
}

/// Creates an app with data of every kind.
pub(super) async fn fill(store: &MongoStore) -> App {
    let (push, settings) = (PushCredentials::default(), AppSettings::default());
    let (ident, secret) = (AppIdent::trusted("a"), Secret::new("s"));
    let app = CreateApp {
        ident,
        name: "a".into(),
        description: None,
        key: "k".into(),
        secret,
        push,
        settings,
        now: NOW,
        first: false,
    };
    let app = store.create(app).await.unwrap();
    for name in ["ended", "open"] {
        store
            .add(&app.ident, &user(), &channel(name), NOW)
            .await
            .unwrap();
    }
    let event = |name: &str, number: usize| NewEvent {
        app: app.ident.clone(),
        mid: Mid(format!("{name}-{number}").into()),
        channel: channel(name),
        owner_id: None,
        timestamp: NOW,
        publish: None,
        payload: Payload {
            event: "message".into(),
            data: "".into(),
            extra: Default::default(),
        },
    };
    let events: Vec<NewEvent> = (0..30)
        .flat_map(|number| ["ended", "open", "personal-ann"].map(|name| event(name, number)))
        .collect();
    assert!(store.append(&events).await.iter().all(Result::is_ok));
    store
        .remove(&app.ident, &user(), &channel("ended"), NOW)
        .await
        .unwrap()
        .unwrap();
    // An association as the original writes it.
    let association = doc! { "instance": app.ident.as_str(), "user_id": "ann", "mid": "open-1", "event_id": Bson::Null };
    store
        .collections
        .associations
        .insert_one(association)
        .await
        .unwrap();
    SessionStore::put(
        store,
        &Session {
            hash: TokenHash([7; 32]),
            app: app.ident.clone(),
            credential: CredentialDigest([7; 32]),
            expires: NOW,
        },
    )
    .await
    .unwrap();
    store.keep(&[cached(&app)]).await.unwrap();
    let addresses = ["http://hook".into()].into();
    let event = OutboxEvent {
        app: app.ident.clone(),
        channel: channel("open"),
        at: NOW,
        kind: OutboxEventKind::CacheMiss,
        addresses,
    };
    Outbox::put(store, &[event]).await.unwrap();
    app
}

/// Runs all queries, without the backfill cache.
pub(super) async fn run(store: &MongoStore, app: &App) {
    let store = &MongoStore {
        backfill_cache: std::sync::Arc::default(),
        ..store.clone()
    };
    let (ident, user) = (&app.ident, &user());
    assert!(store.by_ident(ident).await.unwrap().is_some());
    assert!(store.by_key("k").await.unwrap().is_some());
    assert_eq!(AppStore::list(store, 0, 10).await.unwrap().len(), 1);
    store.revision().await.unwrap();

    let open = &channel("open");
    assert_eq!(
        store
            .history(ident, open, None, ReadLimit::events(10))
            .await
            .unwrap()
            .len(),
        10
    );
    assert_eq!(
        store
            .history(ident, open, Some(5), ReadLimit::events(10))
            .await
            .unwrap()
            .len(),
        4
    );
    assert_eq!(
        EventStore::replay(store, ident, open, 10, 30, ReadLimit::events(100))
            .await
            .unwrap()
            .len(),
        20
    );
    assert_eq!(
        store
            .recent(ident, None, ReadLimit::events(7))
            .await
            .unwrap()
            .len(),
        7
    );
    assert_eq!(
        store
            .inbox(ident, user, 0, ReadLimit::events(100))
            .await
            .unwrap()
            .len(),
        90
    );
    assert_eq!(
        store
            .heads(ident, &[open.clone(), channel("none")])
            .await
            .unwrap(),
        [30, 0]
    );
    let mids = [Mid("open-1".into()), Mid("none".into())];
    assert!(matches!(
        store.positions(ident, &mids).await.unwrap()[..],
        [Some(_), None]
    ));

    for user_id in [None, Some(user.clone())] {
        for channel in [None, Some(open.clone())] {
            let filter = SubscriptionFilter {
                user_id: user_id.clone(),
                channel,
            };
            assert_eq!(
                SubscriptionStore::list(store, ident, &filter, 0, 10)
                    .await
                    .unwrap()
                    .len(),
                1
            );
        }
    }
    assert_eq!(
        store.channels_of(ident, user, 1000).await.unwrap(),
        std::slice::from_ref(open)
    );
    assert!(!store.add(ident, user, open, NOW).await.unwrap().1);

    assert!(store.get(&TokenHash([7; 32])).await.unwrap().is_some());
    assert!(
        store
            .last(ident, &channel("cache-room"))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(store.waiting(ident).await.unwrap().len(), 1);
    store.deliveries(ident, None, 10).await.unwrap();
}
