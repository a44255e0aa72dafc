//! How a session ends, and why.

use smallvec::smallvec;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;

use super::action::{Replies, Reply};
use super::state::SessionContext;
use crate::core::ports::ClosedBy;
use crate::inbound::websocket::dialect::ErrorFrame;

/// How a session ends.
#[derive(Debug)]
pub(super) enum SessionEnd {
    /// The stream is broken or closed.
    Gone,
    /// With our close frame.
    Close(Option<CloseFrame>),
    /// With the client's close frame.
    Closed(Option<CloseFrame>),
}

impl SessionEnd {
    /// A close by the server.
    pub(super) fn close(code: u16, reason: impl Into<String>) -> Self {
        Self::Close(Some(CloseFrame {
            code: code.into(),
            reason: reason.into().into(),
        }))
    }

    /// The code, the reason and who closed, for the record of closed connections.
    pub(super) fn record(&self) -> (u16, &str, ClosedBy) {
        let (frame, by) = match self {
            Self::Gone => return (1006, "the network connection ended", ClosedBy::Lost),
            Self::Close(frame) => (frame, ClosedBy::Server),
            Self::Closed(frame) => (frame, ClosedBy::Client),
        };
        match frame {
            Some(frame) => (frame.code.into(), frame.reason.as_str(), by),
            None => (1005, "", by),
        }
    }

    /// The `reason` label of the metric for closed connections.
    pub(super) fn metric_label(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Close(frame) | Self::Closed(frame) => {
                close_label(frame.as_ref().map(|frame| frame.code.into()))
            }
        }
    }
}

/// The same for a connection that was closed with this code.
pub(crate) fn close_label(code: Option<u16>) -> &'static str {
    match code {
        Some(1002 | 1007) => "protocol",
        Some(1009) => "too_large",
        Some(4001) => "app_deleted",
        Some(4003) => "app_disabled",
        Some(4009) => "not_authorised",
        Some(4100) => "slow_reader",
        Some(4200) => "stopping",
        Some(4201) => "no_pong",
        Some(4202) => "idle",
        _ => "client",
    }
}

/// The replies to a failed read, the last of which is a close; `None`: the stream is closed.
pub(super) fn on_read_error(context: &SessionContext<'_>, error: &Error) -> Option<Replies> {
    Some(match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            let message = format!(
                "the message has more than {max_size} bytes (max_message_bytes): send smaller messages"
            );
            smallvec![
                context.error(&ErrorFrame::new(4318, message)),
                Reply::Close(1009, "message too large")
            ]
        }
        Error::Utf8(_) => smallvec![Reply::Close(1007, "text frames must be UTF-8")],
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::Io(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => return None,
        _ => smallvec![Reply::Close(
            1002,
            "not a WebSocket frame that a client may send"
        )],
    })
}
