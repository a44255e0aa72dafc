//! The only table from the core's errors to the protocol's codes.

use crate::core::service::{HistoryError, PublishError, SubscribeError};

/// A code of the protocol page with the text for the client.
pub type Coded = (u16, String);

/// A subscription that failed.
pub fn subscribe(error: &SubscribeError) -> Coded {
    use SubscribeError as E;
    let code = match error {
        E::Signature(_) | E::NotPeer(_) | E::NotUser => 4009,
        E::NoUser | E::PeerId => 4316,
        E::MemberBytes(_) => 4318,
        E::Channels(_) | E::Members(_) => 4319,
        E::Since => 4314,
        E::Storage(_) | E::Presence => 4320,
    };
    (code, error.to_string())
}

/// A publish that failed.
pub fn publish(error: &PublishError) -> Coded {
    let code = match error {
        PublishError::NotOnChannel => 4317,
        PublishError::ClientPublishOff => 4009,
        PublishError::Storage(_) => 4320,
    };
    (code, error.to_string())
}

/// History that could not be read.
pub fn history(error: &HistoryError) -> Coded {
    (4320, error.to_string())
}

/// Something was asked of a channel that the socket is not on.
pub fn not_on_channel() -> Coded {
    (
        4317,
        "the socket is not on the channel: subscribe to it first".to_owned(),
    )
}
