//! The last event of a cache channel.

use std::sync::Arc;
use std::time::Duration;

use super::app::AppIdent;
use super::channel::ChannelName;
use super::ids::Mid;
use super::time::Timestamp;

/// The last event of a cache channel, as a new subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedEvent {
    /// The app it belongs to.
    pub app: AppIdent,
    /// The channel it was published to.
    pub channel: ChannelName,
    /// Its id.
    pub mid: Mid,
    /// Its name.
    pub event: Arc<str>,
    /// Its data.
    pub data: Arc<str>,
    /// When it was accepted.
    pub timestamp: Timestamp,
    /// Its serial, where it is persisted.
    pub serial: Option<u64>,
    /// Until when (not included) it is given to new subscribers.
    pub expires: Timestamp,
}

impl CachedEvent {
    /// How long the last event of a cache channel is kept (the Pusher documentation).
    pub const KEPT: Duration = Duration::from_secs(30 * 60);
}
