//! The commands of a Pusher client.

use crate::core::model::{ChannelName, Secret};
use crate::core::service::{SignIn, Subscribe};

/// A decoded frame: the names in it are valid.
#[derive(Debug, Clone)]
pub enum PusherCommand {
    /// `pusher:subscribe`.
    Subscribe(Box<Subscribe>),
    /// `pusher:unsubscribe`.
    Unsubscribe(ChannelName),
    /// `pusher:signin`; `true`: the watchlist was too long and has been cut.
    SignIn(Box<SignIn>, bool),
    /// `pusher:token`: a token in place of signatures.
    Token(Secret),
    /// `client-…`: an event for the other subscribers of a channel.
    ClientEvent(Box<ClientEventFrame>),
    /// `pusher:ping`.
    Ping,
    /// `pusher:pong`, the answer to the server's ping.
    Pong,
}

/// A client event as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEventFrame {
    /// The channel that it is sent to.
    pub channel: ChannelName,
    /// The event's name, which begins with `client-`.
    pub event: String,
    /// The text of a string, or any other value as JSON.
    pub data: String,
}
