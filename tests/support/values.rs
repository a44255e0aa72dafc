//! Values of the domain, from texts.

use pushi::core::model::{ChannelName, Payload, UserId};
use pushi::core::service::Publishing;

pub fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name, 0).unwrap()
}

pub fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub fn publishing(channels: &[&str], event: &str, data: &str, persist: bool) -> Publishing {
    let payload = Payload {
        event: event.into(),
        data: data.into(),
        extra: Default::default(),
    };
    Publishing {
        channels: channels.iter().map(|name| channel(name)).collect(),
        payload,
        persist,
        idempotency_key: None,
    }
}
