//! What clients, publishers and receivers have seen, for the invariants.

use std::collections::{BTreeMap, BTreeSet};

/// A persisted event's place: app, channel, serial.
pub(crate) type Place = (String, String, u64);

/// An acknowledged publish.
pub(crate) struct Acknowledged {
    pub app: String,
    pub channel: String,
    pub data: String,
    /// As far as the acknowledgement states it.
    pub serial: Option<u64>,
}

/// A serial that a connection did not receive: it must be that of its own event without echo.
pub(crate) struct Skipped {
    pub place: Place,
    pub socket: String,
    /// Without `since` it may also be a copy of an event that the connection received in another channel.
    pub may_be_copy: bool,
}

/// A client event that was acknowledged, of an app whose webhooks receive them.
pub(crate) struct AcceptedClientEvent {
    pub app: String,
    pub data: String,
    /// The process that accepted it.
    pub node: u64,
}

/// What one app's webhook has received.
#[derive(Default)]
pub(crate) struct Received {
    /// Channel, kind and data by the event's number.
    pub events: BTreeMap<u64, (String, HookEvent)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookEvent {
    /// A user, or (without) the channel, became present or absent.
    Presence(Option<String>, bool),
    ClientEvent(String),
    Other,
}

#[derive(Default)]
pub(crate) struct Truth {
    /// The data of each persisted event that somebody has received.
    pub seen: BTreeMap<Place, String>,
    pub acknowledged: Vec<Acknowledged>,
    pub skipped: Vec<Skipped>,
    pub client_events: Vec<AcceptedClientEvent>,
    pub hooks: BTreeMap<String, Received>,
    /// The processes that crashed.
    pub crashed: BTreeSet<u64>,
    /// The apps whose deletion was begun; their events are gone.
    pub deleted: BTreeSet<String>,
    /// The apps of which somebody began to end the use, by deleting or disabling them.
    pub ended: BTreeSet<String>,
    /// Those of them where it was acknowledged.
    pub confirmed_ends: BTreeSet<String>,
    /// The users of the clients that are subscribed, by app, channel and client.
    pub subscribed: BTreeMap<(String, String), BTreeMap<usize, String>>,
}

impl Truth {
    /// Records what somebody has received; `Err`: somebody else has received another event there.
    pub(crate) fn see(&mut self, place: Place, data: &str) -> Result<(), String> {
        let known = self
            .seen
            .entry(place.clone())
            .or_insert_with(|| data.to_owned());
        match known == data {
            true => Ok(()),
            false => Err(format!("{place:?} is {known} and {data}")),
        }
    }
}
