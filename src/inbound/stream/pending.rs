//! A stream before its answer.

use std::net::IpAddr;
use std::sync::Arc;

use super::positions::Positions;
use super::request::{StreamRequest, StreamTexts};
use crate::core::hub::Connection;
use crate::core::model::ChannelName;
use crate::core::service::Encryption;
use crate::inbound::websocket::Gateway;

/// A request for a stream that is not answered yet.
pub(super) struct PendingStream {
    pub gateway: Arc<Gateway>,
    /// The app's public key.
    pub key: String,
    pub texts: StreamTexts,
    pub origin: Option<String>,
    pub is_browser: bool,
    pub ip: Option<IpAddr>,
    pub encryption: Encryption,
}

/// A stream whose client is subscribed and not answered yet.
pub(super) struct Opened {
    pub connection: Connection,
    pub request: StreamRequest,
    pub positions: Arc<Positions>,
    /// Channels that cannot continue where the client stopped.
    pub gap: Vec<ChannelName>,
}
