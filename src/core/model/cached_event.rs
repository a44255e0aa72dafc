//! The last event of a cache channel.

use std::sync::Arc;
use std::time::Duration;

use super::app::AppIdent;
use super::channel::ChannelName;
use super::ids::Mid;
use super::time::Timestamp;

/// The last event of a cache channel, as a new subscriber receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedEvent {
    /// The app it belongs to.
    pub app: AppIdent,
    /// The channel it was published to.
    pub channel: ChannelName,
    /// The event's id.
    pub mid: Mid,
    /// The event's name.
    pub event: Arc<str>,
    /// The event's data.
    pub data: Arc<str>,
    /// The time at which it was accepted.
    pub timestamp: Timestamp,
    /// The serial; `None`: the event is not persisted.
    pub serial: Option<u64>,
    /// The time at which it expires.
    pub expires: Timestamp,
}

impl CachedEvent {
    /// How long the last event of a cache channel is kept (the Pusher documentation).
    pub const KEPT: Duration = Duration::from_secs(30 * 60);
}
