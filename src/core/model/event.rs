//! Events.

use std::sync::Arc;

use super::app::AppIdent;
use super::channel::ChannelName;
use super::ids::{Mid, PublishId};
use super::time::Timestamp;

/// Members of an event that only the server sets; in a request body or a frame they are ignored.
pub const RESERVED_MEMBERS: [&str; 8] = [
    "mid",
    "serial",
    "timestamp",
    "publish",
    "user_id",
    "owner_id",
    "instance",
    "id",
];

/// The content of an event, as subscribers receive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The event's name.
    pub event: Arc<str>,
    /// The data: a text, which is JSON where the publisher sent something other than a string.
    pub data: Arc<str>,
    /// Further members of the body, free of [`RESERVED_MEMBERS`] and of `event`, `channel`, `data` and `persist`.
    pub extra: FurtherMembers,
}

/// Members of a JSON object as text: `"name":value`, separated by commas, so that an edge appends them to an object of its
/// own. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FurtherMembers(Arc<str>);

impl FurtherMembers {
    /// The text that [`FurtherMembers::as_str`] returned before (to a store, another node).
    pub fn trusted(text: &str) -> Self {
        Self(text.into())
    }

    /// Members in their order: names and values, both of them valid JSON text.
    pub fn of<N: AsRef<str>, V: AsRef<str>>(members: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut text = String::new();
        for (name, value) in members {
            if !text.is_empty() {
                text.push(',');
            }
            text.extend([name.as_ref(), ":", value.as_ref()]);
        }
        Self(text.into())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members as text, for the inside of an object.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON object of these members alone.
    pub fn to_object(&self) -> String {
        ["{", &self.0, "}"].concat()
    }
}

/// A published event; where it is stored, the store assigns `id` and `serial`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The app it belongs to.
    pub app: AppIdent,
    /// A unique id, assigned by the publisher's node.
    pub mid: Mid,
    /// The channel it was published to.
    pub channel: ChannelName,
    /// The socket that published it; `None` for the REST API.
    pub owner_id: Option<Arc<str>>,
    /// The time at which it was accepted.
    pub timestamp: Timestamp,
    /// Shared by the copies of one publish to several channels.
    pub publish: Option<PublishId>,
    /// The event's name and data.
    pub payload: Payload,
}

impl NewEvent {
    /// The bytes of its texts.
    pub fn bytes(&self) -> usize {
        let Payload { event, data, extra } = &self.payload;
        self.channel.as_str().len() + event.len() + data.len() + extra.as_str().len()
    }
}

/// The numbers of a stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// A number that is unique in the app, and grows with `serial` within a channel.
    pub id: u64,
    /// The number in the channel, contiguous from 1.
    pub serial: u64,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event as published.
    pub new: NewEvent,
    /// The numbers that the store assigned.
    pub position: Position,
}

impl Event {
    /// About the bytes that the event takes in memory, and at least in an answer.
    pub fn size(&self) -> usize {
        /// Ids, times and the names of members.
        const FIXED: usize = 200;
        let payload = &self.new.payload;
        FIXED
            + self.new.channel.as_str().len()
            + payload.event.len()
            + payload.data.len()
            + payload.extra.as_str().len()
    }
}
