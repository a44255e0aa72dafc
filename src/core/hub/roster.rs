//! Who is connected, for those who ask.

use super::connection::Place;
use crate::core::model::{ChannelName, SocketId};

/// A live connection and its channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketInfo {
    /// The connection.
    pub id: SocketId,
    /// Its channels, in the order of their names; peer channels that follow from presence are not listed.
    pub channels: Vec<ChannelName>,
}

impl SocketInfo {
    pub(super) fn new(id: SocketId, places: &[Place]) -> Self {
        Self { id, channels: places.iter().map(|place| place.channel.clone()).collect() }
    }
}
