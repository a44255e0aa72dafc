//! The signed HTTP API of Pusher Channels, which its official server libraries use.
//!
//! An operation's first argument is the app that signed the request ([`signed`]): the signature is verified before anything else
//! is parsed. Paths, members and answers are those of the public documentation.

mod channels;
mod events;
mod info;
mod message;
mod signed;
mod users;

pub(super) use channels::PusherChannelRoutes;
pub(super) use events::PusherEventRoutes;
pub(super) use signed::SCHEME;
pub(super) use users::PusherUserRoutes;

use super::problem::Problem;
use crate::core::model::{ChannelName, Limits, NameError};

/// A channel name as the libraries send it.
const CHANNEL: &str = "^[A-Za-z0-9_=@,.;-]+$";

/// Reads a channel's name, within the configured limit.
fn read_channel(name: &str, limits: &Limits) -> Result<ChannelName, NameError> {
    ChannelName::parse_pusher(name, bound(limits.channel_name))
}

fn bound(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The empty answer, `{}`.
const NOTHING: &str = "{}";

/// A channel that is none of those that an operation is for.
fn not_presence(what: &str) -> Problem {
    Problem::bad_request(format!(
        "{what} is valid only for presence channels: their names begin with presence-"
    ))
}
