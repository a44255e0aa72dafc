//! Sample messages.

use std::sync::Arc;

use pushi::core::model::{
    App, AppIdent, AppSettings, ChannelName, Mid, NewEvent, Payload, PushCredentials, Secret,
    SocketId, Timestamp,
};

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_795_337_089_420_001);

pub(crate) const SOCKET: SocketId = SocketId {
    process: 4711,
    counter: 90210,
};

pub(crate) fn app() -> Arc<App> {
    Arc::new(App {
        id: 1,
        ident: AppIdent::trusted("bench"),
        name: "Bench".to_owned(),
        description: None,
        key: "278d425bdf160c739803".to_owned(),
        secret: Secret::new("7ad3773142a6692b25b8"),
        previous_secret: None,
        push: PushCredentials::default(),
        settings: AppSettings::default(),
        created: NOW,
        modified: NOW,
    })
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name, 200).unwrap()
}

/// Data of the given size in bytes.
pub(crate) fn data(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// An event with data of the given size in bytes.
pub(crate) fn event(bytes: usize) -> NewEvent {
    NewEvent {
        app: AppIdent::trusted("bench"),
        mid: Mid("0123456789abcdef0123456789abcdef".into()),
        channel: channel("bench"),
        owner_id: None,
        timestamp: NOW,
        publish: None,
        payload: Payload {
            event: "message".into(),
            data: data(bytes).into(),
            extra: Default::default(),
        },
    }
}
