//! The loop that owns one socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use std::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Gateway;
use super::dialect::{self, Complaint};
use super::link::{Link, Turn};
use super::socket::Socket;
use crate::core::hub::{CloseReason, Connection, DirectWriter};
use crate::core::limit::TokenBucket;
use crate::core::model::ChannelName;
use crate::core::ports::DialectId;
use crate::core::service::{ChannelData, ConnectError, Connecting};

/// Publishes of one socket that may be on their way into the store; with more it is not read.
const MOST_IN_FLIGHT: usize = 64;

/// How long a client may take to read the last frames.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long, and how much, is read after the close frame: dropping a socket with unread bytes resets it, and the reset
/// can swallow the close code.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// The largest message where no limit is configured: a header must not make the server reserve all memory.
const LARGEST_MESSAGE: usize = 256 * 1024 * 1024;

/// One connected client.
pub(super) struct Session<S> {
    pub gateway: Arc<Gateway>,
    pub connection: Connection,
    pub link: Link<S>,
    /// The personal channels that the client subscribed to, with the channel data for their presence channels.
    pub personal: Vec<(ChannelName, Option<ChannelData>)>,
    /// Channels with publishes on their way into the store, and how many.
    pub in_flight: Vec<(ChannelName, usize)>,
    /// How fast the client may publish; made at the first publish.
    pub pace: Option<Box<TokenBucket>>,
    /// Personal channels whose aliases changed while something else was being done.
    pub stale: Vec<ChannelName>,
    /// Personal channels whose aliases changed, and could not be read.
    pub unread: Vec<ChannelName>,
    /// When to read them again.
    pub read_again: Option<Instant>,
}

/// How a session ends.
pub(super) enum End {
    /// The socket is gone.
    Gone,
    /// With the client's close, or ours.
    Close(Option<CloseFrame>),
}

impl End {
    /// The reason as it is counted.
    fn reason(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Close(frame) => match frame.as_ref().map(|frame| frame.code.into()) {
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
            },
        }
    }
}

pub(super) fn close(code: u16, reason: &'static str) -> End {
    End::Close(Some(CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }))
}

/// A message limit as the socket takes it; 0 means none.
fn message_limit(limit: u64) -> usize {
    match usize::try_from(limit) {
        Ok(0) | Err(_) => LARGEST_MESSAGE,
        Ok(limit) => limit.min(LARGEST_MESSAGE),
    }
}

/// Takes a client in; `None`: it was turned away.
pub(super) async fn begin<S: AsyncRead + AsyncWrite + Unpin + Send>(
    gateway: Arc<Gateway>,
    connecting: Connecting<'_>,
    outlet: Option<Arc<dyn DirectWriter>>,
    stream: S,
) -> Option<Box<Session<S>>> {
    let limits = &gateway.service.rules().limits;
    let mut socket = Socket::new(stream, message_limit(limits.message_bytes));
    let connection = match gateway.service.connect(connecting).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(code = error.code(), "a connection was refused");
            if let ConnectError::Storage(cause) = &error {
                tracing::error!(error = cause.chain(), "an app could not be looked up");
            }
            refuse(socket, connecting.dialect, error.code(), error.to_string()).await;
            return None;
        }
    };
    tracing::debug!(socket = %connection.id(), "connected");
    socket.queue(&dialect::greeting(
        connecting.dialect,
        connection.id(),
        gateway.activity(),
    ));
    let shares = outlet.is_some();
    if let Some(outlet) = outlet {
        connection.mailbox().set_writer(outlet);
    }
    let link = Link::new(
        socket,
        limits.pending_bytes,
        shares,
        Arc::clone(gateway.service.hub().metrics()),
    );
    Some(Box::new(Session {
        gateway: Arc::clone(&gateway),
        connection,
        link,
        personal: Vec::new(),
        in_flight: Vec::new(),
        pace: None,
        stale: Vec::new(),
        unread: Vec::new(),
        read_again: None,
    }))
}

/// Closes a connection that has not got as far as an app.
pub(super) async fn turn_away<S>(
    gateway: Arc<Gateway>,
    dialect: DialectId,
    code: u16,
    message: String,
    stream: S,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let limit = message_limit(gateway.service.rules().limits.message_bytes);
    refuse(Socket::new(stream, limit), dialect, code, message).await;
}

/// Says why a client may not stay.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: Socket<S>,
    dialect: DialectId,
    code: u16,
    message: String,
) {
    let complaint = Complaint {
        code,
        message: message.clone(),
        channel: String::new(),
        event: String::new(),
        reference: None,
    };
    socket.queue(&dialect::complaint(dialect, &complaint));
    Box::pin(farewell(
        socket,
        Some(CloseFrame {
            code: code.into(),
            reason: message.into(),
        }),
    ))
    .await;
}

/// Writes the last frames and lets the client read them.
async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: Socket<S>,
    frame: Option<CloseFrame>,
) {
    socket.queue_close(frame);
    if !matches!(
        timeout(FAREWELL, poll_fn(|cx| socket.poll_flush(cx))).await,
        Ok(Ok(()))
    ) {
        return;
    }
    let linger = async {
        if poll_fn(|cx| socket.poll_shutdown(cx)).await.is_err() {
            return;
        }
        let mut read = 0;
        while let Ok(count) = poll_fn(|cx| socket.poll_discard(cx)).await {
            read += count;
            if count == 0 || read > LINGER_BYTES {
                return;
            }
        }
    };
    let _ = timeout(LINGER, linger).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Serves the client to its end.
    pub async fn run(mut self: Box<Self>) {
        // Whoever closes the others on the way out may have been past this one.
        if self.gateway.stopping.load(Ordering::Relaxed) {
            self.connection.mailbox().close(CloseReason::Stopping);
        }
        let end = self.serve().await;
        Box::pin(self.leave(end)).await;
    }

    async fn leave(self: Box<Self>, end: End) {
        let Self {
            gateway,
            connection,
            link,
            ..
        } = *self;
        gateway.service.hub().metrics().closed(end.reason());
        gateway.service.disconnect(&connection).await;
        tracing::debug!(socket = %connection.id(), "disconnected");
        // Its place is free before the farewell, which a client can draw out.
        drop(connection);
        if let End::Close(frame) = end {
            farewell(link.socket, frame).await;
        }
    }

    async fn serve(&mut self) -> End {
        self.adopt_limit();
        loop {
            let listen =
                self.in_flight.iter().map(|(_, count)| count).sum::<usize>() < MOST_IN_FLIGHT;
            let end = match self.turn(listen).await {
                // Boxed, so that an idle connection's task has no room for it.
                Some(Turn::Message(Ok(message))) => Box::pin(self.message(message)).await,
                Some(Turn::Message(Err(error))) => Some(self.broken(&error)),
                Some(Turn::Close(reason)) => Some(self.closed(reason)),
                Some(Turn::Broken) => Some(End::Gone),
                Some(turn) => {
                    self.later(turn);
                    None
                }
                None => {
                    self.read_again = None;
                    self.stale.extend(self.unread.iter().cloned());
                    None
                }
            };
            if let Some(end) = end {
                return end;
            }
            if !self.stale.is_empty()
                && let Some(end) = Box::pin(self.refresh_stale()).await
            {
                return end;
            }
        }
    }

    /// What comes next; `None`: the time to read again.
    async fn turn(&mut self, listen: bool) -> Option<Turn> {
        let turn = self.link.turn(&self.connection, listen);
        match self.read_again {
            None => Some(turn.await),
            // Boxed, since hardly any session ever needs a timer.
            Some(at) => Box::pin(timeout_at(at, turn)).await.ok(),
        }
    }

    /// Takes the app's message limit as it is now.
    pub fn adopt_limit(&mut self) {
        let server = self.gateway.service.rules().limits.message_bytes;
        let limit = self
            .connection
            .app()
            .settings
            .limits
            .max_message_bytes
            .unwrap_or(server);
        self.link.socket.set_limit(message_limit(limit));
    }

    async fn message(&mut self, message: Message) -> Option<End> {
        self.gateway.service.hub().metrics().received(message.len());
        self.connection.mailbox().record_received();
        // Many messages can stand in one read; others want to run, too.
        tokio::task::coop::consume_budget().await;
        match message {
            Message::Text(text) => return self.text(text.as_str()).await,
            Message::Binary(_) => {
                self.complain(
                    4321,
                    "binary frames mean nothing here: send text frames with JSON".to_owned(),
                    String::new(),
                    String::new(),
                    None,
                );
            }
            Message::Close(frame) => return Some(End::Close(frame)),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        None
    }

    /// What the client speaks.
    pub fn dialect(&self) -> DialectId {
        self.connection.mailbox().dialect()
    }

    /// Queues an error frame.
    pub fn complain(
        &mut self,
        code: u16,
        message: String,
        channel: String,
        event: String,
        reference: Option<String>,
    ) {
        self.gateway.service.hub().metrics().error_sent(code);
        let complaint = Complaint {
            code,
            message,
            channel,
            event,
            reference,
        };
        self.link
            .socket
            .queue(&dialect::complaint(self.dialect(), &complaint));
    }

    /// What can no longer be read from.
    fn broken(&mut self, error: &Error) -> End {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
                let message = format!(
                    "the message has more than {max_size} bytes (max_message_bytes): send less at once"
                );
                self.complain(4318, message, String::new(), String::new(), None);
                close(1009, "message too large")
            }
            Error::Utf8(_) => close(1007, "text frames must be UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => End::Gone,
            _ => close(1002, "not a WebSocket frame that a client may send"),
        }
    }

    /// How a connection ends that ended while something else was being done.
    pub fn ended(&mut self, reason: Option<CloseReason>) -> End {
        reason.map_or(End::Gone, |reason| self.closed(reason))
    }

    fn closed(&mut self, reason: CloseReason) -> End {
        let (code, text) = match reason {
            CloseReason::SlowReader => (
                4100,
                "too much waits to be read: read faster, or connect again",
            ),
            CloseReason::Stopping => (4200, "the server is stopping: connect again"),
            CloseReason::AppDisabled => (4003, "the app is disabled"),
            CloseReason::AppDeleted => (4001, "the app is gone"),
            CloseReason::NoPong => (4201, "no pong came"),
            CloseReason::Idle => (4202, "nothing was said for too long"),
            CloseReason::NotSignedIn => (
                4009,
                "this app wants its clients signed in, and this one was not in time",
            ),
            CloseReason::Terminated => (4009, "the user's connections were ended"),
        };
        tracing::debug!(socket = %self.connection.id(), code, "closing");
        if reason != CloseReason::Stopping || self.dialect() == DialectId::Pusher {
            self.complain(code, text.to_owned(), String::new(), String::new(), None);
        }
        close(code, text)
    }
}
