//! The tables from the core's errors to the codes of both protocols.

use crate::core::hub::CloseReason;
use crate::core::model::ChannelName;
use crate::core::service::{ClientEventError, HistoryError, PublishError, SubscribeError};
use crate::inbound::websocket::dialect::pusher::SubscriptionErrorFrame;

/// A code of the protocol page with the message for the client.
pub(super) type CodedError = (u16, String);

/// A failed subscription in the Pushi dialect.
pub(super) fn subscribe(error: &SubscribeError) -> CodedError {
    use SubscribeError as E;
    let code = match error {
        E::Signature(_) | E::NotPeer(_) | E::NotUser | E::NotCovered => 4009,
        E::NoUser | E::NoTokenUser | E::PeerId => 4316,
        E::MemberBytes(_) => 4318,
        E::Channels(_) | E::Members(_) | E::Aliases(_) => 4319,
        E::Busy(_) => 4301,
        E::Since => 4314,
        E::Storage(_) | E::Presence => 4320,
    };
    (code, error.to_string())
}

/// A failed subscription in the Pusher dialect.
pub(super) fn pusher_subscription(
    channel: &ChannelName,
    error: &SubscribeError,
) -> SubscriptionErrorFrame {
    use SubscribeError as E;
    let (kind, status) = match error {
        E::Signature(_) | E::NotUser | E::NotPeer(_) | E::NotCovered => ("AuthError", 401),
        E::NoUser | E::NoTokenUser | E::PeerId => ("InvalidChannelData", 400),
        E::MemberBytes(_) => ("InvalidChannelData", 413),
        E::Channels(_) | E::Members(_) | E::Aliases(_) => ("LimitReached", 403),
        E::Busy(_) => ("Busy", 429),
        E::Since => ("InvalidSince", 400),
        E::Storage(_) | E::Presence => ("Unavailable", 503),
    };
    SubscriptionErrorFrame {
        channel: channel.to_string(),
        kind,
        message: error.to_string(),
        status,
    }
}

/// A failed publish of a Pushi client.
pub(super) fn publish(error: &PublishError) -> CodedError {
    let code = match error {
        PublishError::NotOnChannel => 4317,
        PublishError::ClientPublishOff | PublishError::NotCovered => 4009,
        PublishError::QueueFull => 4301,
        PublishError::Storage(_) => 4320,
    };
    (code, error.to_string())
}

/// A rejected client event of a Pusher client.
pub(super) fn client_event(error: &ClientEventError) -> CodedError {
    let code = match error {
        ClientEventError::Publish(error) => return publish(error),
        ClientEventError::Off => 4313,
        ClientEventError::Kind => 4315,
        ClientEventError::NotOnChannel => 4317,
    };
    (code, error.to_string())
}

/// A failed read of the history.
pub(super) fn history(error: &HistoryError) -> CodedError {
    let code = match error {
        HistoryError::Storage(_) => 4320,
        HistoryError::Busy(_) => 4301,
    };
    (code, error.to_string())
}

/// A request about a channel that the socket is not subscribed to.
pub(super) fn not_on_channel() -> CodedError {
    (
        4317,
        "the socket is not subscribed to the channel: subscribe first".to_owned(),
    )
}

/// Too many publishes in a second; `setting` is the limit's name.
pub(super) fn rate_limited(rate: u64, what: &str, setting: &str) -> CodedError {
    (
        4301,
        format!("rate limit exceeded: at most {rate} {what} per second ({setting})"),
    )
}

/// The close code and reason with which the server ends a connection.
pub(crate) fn close(reason: CloseReason) -> (u16, &'static str) {
    match reason {
        CloseReason::SlowReader => (
            4100,
            "frames were not read in time: read faster, or connect again",
        ),
        CloseReason::Stopping => (4200, "the server is stopping: connect again"),
        CloseReason::AppDisabled => (4003, "the app is disabled"),
        CloseReason::AppDeleted => (4001, "the app was deleted"),
        CloseReason::NoPong => (4201, "the ping was not answered"),
        CloseReason::Idle => (4202, "the connection was idle for too long"),
        CloseReason::NotSignedIn => (
            4009,
            "the app requires a sign-in (pusher:signin of the Pusher protocol), and none was received in time",
        ),
        CloseReason::Terminated => (4009, "the user's connections were terminated"),
        CloseReason::Administrator => (4009, "the connection was closed by the administrator"),
    }
}
