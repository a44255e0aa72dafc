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
    /// Further members of the body: the text of a JSON object without its braces (empty where there is none), free of
    /// [`RESERVED_MEMBERS`] and of `event`, `channel`, `data` and `persist`.
    pub extra: Arc<str>,
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
