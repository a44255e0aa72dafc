//! Sample values.

use std::sync::atomic::{AtomicU64, Ordering};

use pushi::core::model::{
    App, AppIdent, AppSettings, ChannelName, Event, Mid, NewEvent, Payload, Position,
    PushCredentials, Secret, Timestamp, UserId,
};
use pushi::core::ports::{CreateApp, Stores};

/// A time like any other.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_795_337_089_420_001);

pub(crate) fn app_to_create(ident: &str) -> CreateApp {
    CreateApp {
        ident: AppIdent::trusted(ident),
        name: format!("The app {ident}"),
        description: None,
        key: format!("key-{ident}"),
        secret: Secret::new(format!("secret-{ident}")),
        push: PushCredentials::default(),
        settings: AppSettings::default(),
        now: NOW,
        first: false,
    }
}

/// Creates an app.
pub(crate) async fn app(stores: &Stores, ident: &str) -> App {
    stores.apps.create(app_to_create(ident)).await.unwrap()
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name, 200).unwrap()
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// A `mid` like no other.
pub(crate) fn mid() -> Mid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Mid(format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed)).into())
}

/// An event with this data and no optional fields.
pub(crate) fn event(app: &App, name: &str, data: &str) -> NewEvent {
    NewEvent {
        app: app.ident.clone(),
        mid: mid(),
        channel: channel(name),
        owner_id: None,
        timestamp: NOW,
        publish: None,
        payload: Payload {
            event: "message".into(),
            data: data.into(),
            extra: Default::default(),
        },
    }
}

/// Stores events, each of which must be taken.
pub(crate) async fn append(stores: &Stores, events: &[NewEvent]) -> Vec<Position> {
    let stored = stores.events.append(events).await;
    stored
        .into_iter()
        .map(|position| position.unwrap())
        .collect()
}

/// Stores one event a text, in order.
pub(crate) async fn say(stores: &Stores, app: &App, name: &str, texts: &[&str]) -> Vec<Position> {
    let events: Vec<NewEvent> = texts.iter().map(|text| event(app, name, text)).collect();
    append(stores, &events).await
}

/// The data of events.
pub(crate) fn said(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .map(|event| &*event.new.payload.data)
        .collect()
}

pub(crate) fn serials(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.position.serial).collect()
}
