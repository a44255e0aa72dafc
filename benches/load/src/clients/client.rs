//! A WebSocket client: connects, upgrades, subscribes, and receives.

use std::io::{self, ErrorKind};

use mio::event::Event;

use super::FrameHandler;
use super::stats::{ABNORMAL_CLOSURE, PoolStats};
use crate::net::connection::Connection;
use crate::net::{frame, http};
use crate::protocol::{Protocol, ServerMessage, member};

const PUSHER_PONG: &[u8] = br#"{"event":"pusher:pong","data":{}}"#;

/// The progress of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientState {
    /// Not started, or ended.
    Disconnected,
    /// Waits for the TCP connection.
    Connecting,
    /// Waits for the TLS handshake and the HTTP upgrade.
    Upgrading,
    /// Waits for `connection_established` with the socket id.
    Greeting,
    /// Waits for the confirmation of this many subscriptions.
    Subscribing(usize),
    /// Subscribed to all its channels.
    Ready,
}

/// A WebSocket client of the pool.
pub(crate) struct Client {
    pub(crate) state: ClientState,
    /// When it started to connect, in nanoseconds of the pool's clock.
    connect_started: u64,
    /// When it received its socket id, by the same clock.
    greeted: u64,
    /// Does not read once it is ready, like a slow consumer.
    pub(crate) stalled: bool,
    /// Its channels, as indexes into [`RunContext::channels`].
    pub(crate) channels: Vec<u32>,
    /// Its number as a presence member of its channels.
    member: Option<usize>,
    connection: Option<Connection>,
    /// The start of an incomplete frame.
    partial: Vec<u8>,
}

/// The state of the pool that a client needs while it handles an event.
pub(crate) struct RunContext<'a> {
    /// The read buffer that all clients share.
    pub(crate) buffer: &'a mut [u8],
    pub(crate) protocol: &'a Protocol,
    /// The names of all channels.
    pub(crate) channels: &'a [String],
    /// The upgrade request.
    pub(crate) upgrade_request: &'a [u8],
    /// The `Sec-WebSocket-Accept` that the upgrade request must be answered with.
    pub(crate) accept: &'a str,
    /// The mask of the frames that clients send.
    pub(crate) mask: [u8; 4],
    pub(crate) stats: &'a mut PoolStats,
    /// The index of the client in the pool.
    pub(crate) index: usize,
    /// Nanoseconds of the pool's clock.
    pub(crate) now: u64,
}

/// Why a client ends.
struct Disconnect {
    /// A close code, or the HTTP status of a rejected upgrade.
    code: u16,
    reason: Option<String>,
}

impl From<io::Error> for Disconnect {
    fn from(error: io::Error) -> Self {
        Self::abnormal(error.to_string())
    }
}

impl Disconnect {
    fn abnormal(reason: String) -> Self {
        Self {
            code: ABNORMAL_CLOSURE,
            reason: Some(reason),
        }
    }
}

impl Client {
    /// A client that will subscribe to these channels, on presence channels as the given member.
    pub(crate) fn new(channels: Vec<u32>, member: Option<usize>) -> Self {
        Self {
            state: ClientState::Disconnected,
            connect_started: 0,
            greeted: 0,
            stalled: false,
            channels,
            member,
            connection: None,
            partial: Vec::new(),
        }
    }

    /// Its number as a presence member, if it is one.
    pub(crate) fn member(&self) -> Option<usize> {
        self.member
    }

    /// Starts over a connection that is being established.
    pub(crate) fn start(&mut self, connection: Connection, now: u64) {
        self.connection = Some(connection);
        self.partial.clear();
        self.connect_started = now;
        self.state = ClientState::Connecting;
    }

    /// Closes the TCP connection without a close frame.
    pub(crate) fn abort(&mut self) {
        self.connection = None;
        self.state = ClientState::Disconnected;
    }

    /// Queues a text frame for the next flush.
    pub(crate) fn queue(&mut self, text: &[u8], mask: [u8; 4]) {
        self.queue_frame(frame::TEXT, text, mask);
    }

    fn queue_frame(&mut self, opcode: u8, payload: &[u8], mask: [u8; 4]) {
        if let Some(connection) = &mut self.connection {
            connection.queue(|out| frame::push_masked(out, opcode, payload, mask));
        }
    }

    /// Writes the queued frames. An error of a broken connection is reported by the next read.
    pub(crate) fn flush(&mut self) {
        let _ = self.connection.as_mut().map(Connection::flush);
    }

    /// Handles an I/O event.
    pub(crate) fn handle(
        &mut self,
        event: &Event,
        context: &mut RunContext<'_>,
        handler: &mut impl FrameHandler,
    ) {
        let outcome = self.try_handle(event, context, handler);
        self.finish(outcome, context);
    }

    /// Reads everything that is available, and ends the stall of a stalled client.
    pub(crate) fn resume_reading(
        &mut self,
        context: &mut RunContext<'_>,
        handler: &mut impl FrameHandler,
    ) {
        self.stalled = false;
        let outcome = self.read(true, context, handler);
        self.finish(outcome, context);
    }

    /// Counts the client as refused or closed where the outcome ends it.
    fn finish(&mut self, outcome: Result<(), Disconnect>, context: &mut RunContext<'_>) {
        let Err(Disconnect { code, reason }) = outcome else {
            return;
        };
        let stats = &mut *context.stats;
        let counts = if self.state == ClientState::Ready {
            stats.ready -= 1;
            &mut stats.closed
        } else {
            stats.opening -= 1;
            &mut stats.refused
        };
        *counts.entry(code).or_default() += 1;
        if let Some(reason) = reason {
            stats.record_error(|| reason);
        }
        stats.ended.push((context.index, code));
        self.abort();
    }

    fn try_handle(
        &mut self,
        event: &Event,
        context: &mut RunContext<'_>,
        handler: &mut impl FrameHandler,
    ) -> Result<(), Disconnect> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        if event.is_writable() {
            if self.state == ClientState::Connecting {
                connection.connect_result()?;
                connection.queue(|out| out.extend_from_slice(context.upgrade_request));
                self.state = ClientState::Upgrading;
            }
            connection.flush()?;
        }
        if (event.is_readable() || event.is_read_closed()) && !self.is_stalled() {
            self.read(event.is_read_closed(), context, handler)?;
        }
        Ok(())
    }

    fn is_stalled(&self) -> bool {
        self.stalled && self.state == ClientState::Ready
    }

    /// Reads until nothing is available. `read_closed`: the server may have closed the stream, so a
    /// short read is not the end.
    fn read(
        &mut self,
        read_closed: bool,
        context: &mut RunContext<'_>,
        handler: &mut impl FrameHandler,
    ) -> Result<(), Disconnect> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Ok(());
            };
            let read = match connection.read(context.buffer) {
                Ok(0) => {
                    return Err(Disconnect {
                        code: ABNORMAL_CLOSURE,
                        reason: None,
                    });
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(connection.flush()?);
                }
                Err(error) => return Err(error.into()),
            };
            let drained = connection.short_read_means_drained() && read < context.buffer.len();
            context.stats.bytes += read as u64;
            self.process_read(read, context, handler)?;
            if drained && !read_closed || self.is_stalled() {
                return Ok(self.connection.as_mut().map_or(Ok(()), Connection::flush)?);
            }
        }
    }

    /// Processes the first `read` bytes of the buffer, after the partial frame of earlier reads.
    fn process_read(
        &mut self,
        read: usize,
        context: &mut RunContext<'_>,
        handler: &mut impl FrameHandler,
    ) -> Result<(), Disconnect> {
        // Moved out of the context, so that the frames can be borrowed from it while the context is
        // mutable.
        let buffer = std::mem::take(&mut context.buffer);
        let outcome = if self.partial.is_empty() {
            self.process(&buffer[..read], context, handler)
                .map(|done| self.partial.extend_from_slice(&buffer[done..read]))
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(&buffer[..read]);
            self.process(&bytes, context, handler).map(|done| {
                bytes.drain(..done);
                self.partial = bytes;
            })
        };
        context.buffer = buffer;
        outcome
    }

    /// Handles the upgrade response and all complete frames; returns the number of processed bytes.
    fn process(
        &mut self,
        bytes: &[u8],
        context: &mut RunContext<'_>,
        handler: &mut impl FrameHandler,
    ) -> Result<usize, Disconnect> {
        let mut done = 0;
        if matches!(self.state, ClientState::Connecting | ClientState::Upgrading) {
            let response = http::parse_upgrade(bytes, context.accept)
                .map_err(|error| Disconnect::abnormal(error.to_string()))?;
            let Some(response) = response else {
                return Ok(0);
            };
            if !response.accepted {
                let status = response.status;
                return Err(Disconnect {
                    code: status,
                    reason: Some(format!("the upgrade was answered with status {status}")),
                });
            }
            done = response.length;
            self.state = ClientState::Greeting;
        }
        while let Some(frame) = frame::parse(&bytes[done..]) {
            done += frame.length;
            match frame.opcode {
                frame::TEXT
                    if frame.fin
                        && self.state == ClientState::Ready
                        && handler.on_frame(frame.payload, context.now) => {}
                frame::TEXT if frame.fin => self.on_message(frame.payload, context)?,
                frame::PING => self.queue_frame(frame::PONG, frame.payload, context.mask),
                frame::PONG => {}
                frame::CLOSE => {
                    self.queue_frame(frame::CLOSE, frame.payload, context.mask);
                    self.flush();
                    return Err(Disconnect {
                        code: frame::close_code(frame.payload),
                        reason: None,
                    });
                }
                _ => {
                    return Err(Disconnect::abnormal(
                        "the server sent a fragmented or binary message".to_owned(),
                    ));
                }
            }
        }
        Ok(done)
    }

    /// Handles a frame that the handler did not count. A client whose subscription fails is of no
    /// use and ends.
    fn on_message(
        &mut self,
        payload: &[u8],
        context: &mut RunContext<'_>,
    ) -> Result<(), Disconnect> {
        match (ServerMessage::parse(payload), self.state) {
            (ServerMessage::ConnectionEstablished(socket_id), ClientState::Greeting) => {
                self.greeted = context.now;
                self.queue_subscriptions(&socket_id, context);
                self.set_missing(self.channels.len(), context);
            }
            (ServerMessage::SubscriptionSucceeded, ClientState::Subscribing(missing)) => {
                self.set_missing(missing.saturating_sub(1), context);
            }
            (ServerMessage::Ping, _) => self.queue(PUSHER_PONG, context.mask),
            (
                ServerMessage::Error(code, reason),
                ClientState::Greeting | ClientState::Subscribing(_),
            ) => {
                return Err(Disconnect {
                    code: code.unwrap_or(ABNORMAL_CLOSURE),
                    reason: Some(reason),
                });
            }
            (ServerMessage::Error(_, reason), _) => context.stats.record_error(|| reason),
            _ => {}
        }
        Ok(())
    }

    fn queue_subscriptions(&mut self, socket_id: &str, context: &RunContext<'_>) {
        let member = self.member.map(member);
        let Some(connection) = &mut self.connection else {
            return;
        };
        for channel in &self.channels {
            let Some(name) = context.channels.get(*channel as usize) else {
                continue;
            };
            let text = context
                .protocol
                .subscribe(socket_id, name, member.as_deref());
            connection
                .queue(|out| frame::push_masked(out, frame::TEXT, text.as_bytes(), context.mask));
        }
    }

    /// Sets the number of unconfirmed subscriptions; with 0 the client is ready.
    fn set_missing(&mut self, missing: usize, context: &mut RunContext<'_>) {
        if missing > 0 {
            self.state = ClientState::Subscribing(missing);
            return;
        }
        self.state = ClientState::Ready;
        let stats = &mut *context.stats;
        stats.opening -= 1;
        stats.ready += 1;
        stats
            .connect_times
            .record(context.now.saturating_sub(self.connect_started));
        stats
            .subscribe_times
            .record(context.now.saturating_sub(self.greeted));
    }
}
