//! The actions that the session's state requests from its loop.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::core::model::{ChannelName, Secret};
use crate::core::service::{ClientEvent, ClientPublish, SignIn, Subscribe};
use crate::inbound::websocket::dialect::RequestContext;

/// What the loop does for a command.
#[derive(Debug)]
pub(super) enum Action {
    /// Sends these, and nothing else.
    Reply(Replies),
    /// Subscribes; then the dialect's `on_subscribed`.
    Subscribe(Box<Subscribe>, RequestContext),
    /// Unsubscribes; then the dialect's `on_unsubscribed`.
    Unsubscribe(ChannelName),
    /// Reads past events; then `pushi::on_history`.
    ReadHistory {
        /// The channel.
        channel: ChannelName,
        /// The number of newest events to leave out.
        skip: u64,
        /// The number of events to read.
        count: u64,
        /// For an error.
        request: RequestContext,
    },
    /// Publishes; then `pushi::on_published`.
    Publish(Box<ClientPublish>, RequestContext),
    /// Sends a client event; then `pusher::on_client_event_sent`.
    SendClientEvent(Box<ClientEvent>),
    /// Signs in; then `pusher::on_signed_in`. `true`: the watchlist was cut.
    SignIn(Box<SignIn>, bool),
    /// Holds a token; then the answer of `ClientSession::hold_token`.
    HoldToken(Secret, RequestContext),
    /// Reads the aliases of a personal channel again; then `SessionState::on_aliases_reloaded`.
    ReloadAliases(Box<AliasReload>),
}

/// One thing that is sent to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A frame.
    Frame(Bytes),
    /// A frame in parts.
    Parts(Vec<Bytes>),
    /// An error frame, with the code that the metrics count.
    Error(u16, Bytes),
    /// The close frame: the session ends.
    Close(u16, &'static str),
}

/// Replies to the client, in order. Mostly none or one.
pub(super) type Replies = SmallVec<[Reply; 1]>;

/// A personal channel whose aliases are read again.
#[derive(Debug)]
pub(super) struct AliasReload {
    /// The personal channel.
    pub channel: ChannelName,
    /// Whether the client receives a new answer if they have changed.
    pub(super) follow: bool,
    /// The aliases before.
    pub(super) known: Vec<ChannelName>,
    /// The client has been sent an error for an earlier attempt.
    pub(super) error_sent: bool,
}
