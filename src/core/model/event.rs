//! What is published.

use std::sync::Arc;

use super::app::AppIdent;
use super::channel::ChannelName;
use super::ids::{Mid, PublishId};
use super::time::Timestamp;

/// Members that are never taken from a request body or a frame: only the server says these.
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

/// What a publisher sent, as it travels to subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The event's name.
    pub event: Arc<str>,
    /// Its data: a text, which is JSON where the publisher gave something other than a string.
    pub data: Arc<str>,
    /// Further members of the body: the text of a JSON object without its braces (empty where there is none), free of
    /// [`RESERVED_MEMBERS`] and of `event`, `channel`, `data` and `persist`.
    pub extra: Arc<str>,
}

/// An event that is to be stored; the store gives it `id` and `serial`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The app it belongs to.
    pub app: AppIdent,
    /// Unique id, made by the publisher's node.
    pub mid: Mid,
    /// The channel it was published to.
    pub channel: ChannelName,
    /// The socket that published it; `None` for the REST API.
    pub owner_id: Option<Arc<str>>,
    /// When it was accepted.
    pub timestamp: Timestamp,
    /// Shared by the copies of one publish to several channels.
    pub publish: Option<PublishId>,
    /// What it says.
    pub payload: Payload,
}

/// Where an event stands once it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// A number unique in the app; grows with `serial` within a channel.
    pub id: u64,
    /// Contiguous from 1 in the channel.
    pub serial: u64,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What was stored.
    pub new: NewEvent,
    /// Where it stands.
    pub position: Position,
}
