//! Connections without a socket, for routes that list them.

use pushi::core::hub::{Connection, SubscribedVia};
use pushi::core::model::ChannelName;
use pushi::core::ports::DialectId;
use pushi::core::service::{Connecting, Encryption};

use super::Api;

/// A connection of the Pushi protocol, subscribed to these channels.
pub(super) async fn connect(api: &Api, key: &str, channels: &[&str]) -> Connection {
    connect_from(api, key, None, DialectId::Pushi, channels).await
}

/// The same from an address, in a dialect.
pub(super) async fn connect_from(
    api: &Api,
    key: &str,
    address: Option<&str>,
    dialect: DialectId,
    channels: &[&str],
) -> Connection {
    let connecting = Connecting {
        address: address.map(|address| address.parse().unwrap()),
        key,
        origin: None,
        encryption: Encryption::Plain,
        dialect,
    };
    let connection = api.service.connect(connecting).await.unwrap();
    for channel in channels {
        let channel = ChannelName::parse(channel, 200).unwrap();
        connection.subscribe(&channel, SubscribedVia::Client, None);
    }
    connection
}
