//! The only table from the core's errors to what a Pusher client is told.

use super::super::super::dialect::pusher::SubscriptionRefused;
use crate::core::model::ChannelName;
use crate::core::service::{ClientEventError, SubscribeError};

/// A subscription that failed.
pub fn subscription(channel: &ChannelName, error: &SubscribeError) -> SubscriptionRefused {
    use SubscribeError as E;
    let (kind, status) = match error {
        E::Signature(_) | E::NotUser | E::NotPeer(_) => ("AuthError", 401),
        E::NoUser | E::PeerId => ("InvalidChannelData", 400),
        E::MemberBytes(_) => ("InvalidChannelData", 413),
        E::Channels(_) | E::Members(_) => ("LimitReached", 403),
        E::Since => ("InvalidSince", 400),
        E::Storage(_) | E::Presence => ("Unavailable", 503),
    };
    SubscriptionRefused {
        channel: channel.to_string(),
        kind,
        message: error.to_string(),
        status,
    }
}

/// A client event that was not passed on: the code of its error frame.
pub fn client_event(error: &ClientEventError) -> u16 {
    match error {
        ClientEventError::Off => 4313,
        ClientEventError::Kind => 4315,
        ClientEventError::NotOnChannel => 4317,
        ClientEventError::Storage(_) => 4320,
    }
}
