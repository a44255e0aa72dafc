//! Many clients on one thread, with one poll and one read buffer.

mod client;
mod http_connection;
mod stats;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use self::client::RunContext;
pub(crate) use self::client::{Client, ClientState};
use self::http_connection::{HttpConnection, HttpEvent};
use self::stats::{ABNORMAL_CLOSURE, PoolStats};
use crate::error::BenchError;
use crate::measure::progress::Progress;
use crate::net::connection::{ConnectOptions, Connection};
use crate::target::{ServerAddress, Target};

/// Size of the read buffer in bytes.
const BUFFER_SIZE: usize = 256 * 1024;
/// The first token of HTTP connections; those of clients are below.
const FIRST_HTTP_TOKEN: usize = usize::MAX / 2;
/// Open files that the process needs besides its connections.
const SPARE_FILES: u64 = 64;
/// The kernel's receive buffer of a stalled client in bytes: small, so that the server soon has to
/// queue for it.
const STALLED_RECEIVE_BUFFER: usize = 4096;
/// The longest wait of one poll where nothing is due.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Receives what the clients and the HTTP connections of a pool receive.
pub(crate) trait FrameHandler {
    /// Handles a text frame of a ready client. `now`: nanoseconds of the pool's clock. Returns
    /// whether it was a frame that the run counts; any other is handled as a message of the
    /// protocol.
    fn on_frame(&mut self, payload: &[u8], now: u64) -> bool;
    /// Handles the response to the request on an HTTP connection. Status 0: the connection failed
    /// before.
    fn on_response(&mut self, connection: usize, status: u16, now: u64);
}

/// Ignores all frames.
impl FrameHandler for () {
    fn on_frame(&mut self, _payload: &[u8], _now: u64) -> bool {
        false
    }

    fn on_response(&mut self, _connection: usize, _status: u16, _now: u64) {}
}

/// All connections of a run.
pub(crate) struct ClientPool {
    pub(crate) target: Target,
    /// The names of all channels; [`Client::channels`] are indexes into it.
    pub(crate) channels: Vec<String>,
    pub(crate) clients: Vec<Client>,
    pub(crate) http_connections: Vec<HttpConnection>,
    pub(crate) stats: PoolStats,
    /// The mask of the frames that clients send.
    pub(crate) mask: [u8; 4],
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    upgrade_request: Vec<u8>,
    /// The `Sec-WebSocket-Accept` that belongs to the key of the upgrade request.
    accept: String,
    started: Instant,
    /// The number of connections so far, which selects the next source address.
    connections: usize,
}

impl ClientPool {
    /// A pool without clients.
    ///
    /// # Errors
    ///
    /// The operating system provides no poll or no random bytes.
    pub(crate) fn new(target: Target, channels: Vec<String>) -> Result<Self, BenchError> {
        let mut mask = [0; 4];
        getrandom::fill(&mut mask).map_err(BenchError::run)?;
        let key = generate_key();
        let (path, host) = (&target.address.path, &target.address.host);
        let upgrade_request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        Ok(Self {
            channels,
            clients: Vec::new(),
            http_connections: Vec::new(),
            stats: PoolStats::new()?,
            mask,
            poll: Poll::new().map_err(BenchError::run)?,
            events: Events::with_capacity(1024),
            buffer: vec![0; BUFFER_SIZE],
            upgrade_request: upgrade_request.into_bytes(),
            accept: derive_accept_key(key.as_bytes()),
            started: Instant::now(),
            connections: 0,
            target,
        })
    }

    /// Nanoseconds since the pool was created.
    pub(crate) fn now(&self) -> u64 {
        nanoseconds_since(self.started)
    }

    /// Connects every client that is not connected, at most `in_flight` at a time, until all are
    /// ready or have failed, or the timeout expires.
    ///
    /// # Errors
    ///
    /// No client became ready, or the process may not open enough files.
    pub(crate) fn connect_all(
        &mut self,
        handler: &mut impl FrameHandler,
        in_flight: usize,
        timeout: Duration,
        progress: &mut Progress,
    ) -> Result<(), BenchError> {
        self.raise_file_limit()?;
        let count = self.clients.len();
        progress.start_phase("connecting", count as u64);
        let deadline = Instant::now() + timeout;
        let mut next = 0;
        while (next < count || self.stats.opening > 0) && Instant::now() < deadline {
            while next < count && self.stats.opening < in_flight.max(1) {
                if self.clients[next].state == ClientState::Disconnected {
                    self.connect(next);
                }
                next += 1;
            }
            self.poll(handler, POLL_INTERVAL)?;
            progress.update(|| self.stats.ready as u64);
        }
        if self.stats.ready == 0 {
            return Err(self.no_client_connected());
        }
        Ok(())
    }

    /// The error for a run in which no client became ready, with the first reason.
    pub(crate) fn no_client_connected(&self) -> BenchError {
        let url = &self.target.url;
        let reason = self.stats.first_error.clone().or_else(|| {
            let code = self.stats.refused.keys().next()?;
            Some(format!("closed with code {code}"))
        });
        let reason = reason.unwrap_or_else(|| "no response in time".to_owned());
        BenchError::Run(format!("{url}: no client connected: {reason}"))
    }

    /// Raises the process's limit of open files, as far as the pool needs it.
    ///
    /// # Errors
    ///
    /// The hard limit is too low.
    pub(crate) fn raise_file_limit(&self) -> Result<(), BenchError> {
        let connections = self.clients.len() + self.http_connections.len();
        let needed = connections as u64 + SPARE_FILES;
        match rlimit::increase_nofile_limit(u64::MAX) {
            Ok(limit) if limit < needed => Err(BenchError::Run(format!(
                "{connections} connections need {needed} open files, but the limit is {limit}: see ulimit -n"
            ))),
            // Where the limit is unknown, opening the connections shows whether it suffices.
            _ => Ok(()),
        }
    }

    /// Starts to connect one client.
    pub(crate) fn connect(&mut self, index: usize) {
        let now = self.now();
        let client = &mut self.clients[index];
        let options = ConnectOptions {
            server: self.target.address.socket,
            source: next_source(&self.target, &self.target.address, &mut self.connections),
            tls: self.target.address.tls.as_ref(),
            receive_buffer: client.stalled.then_some(STALLED_RECEIVE_BUFFER),
        };
        match open(&self.poll, &options, Token(index)) {
            Ok(connection) => {
                self.stats.opening += 1;
                client.start(connection, now);
            }
            Err(error) => {
                *self.stats.refused.entry(ABNORMAL_CLOSURE).or_default() += 1;
                self.stats.ended.push((index, ABNORMAL_CLOSURE));
                self.stats.record_error(|| error.to_string());
            }
        }
    }

    /// Closes one client's TCP connection without a close frame. The client does not count as
    /// closed.
    pub(crate) fn abort(&mut self, index: usize) {
        match self.clients[index].state {
            ClientState::Disconnected => {}
            ClientState::Ready => self.stats.ready -= 1,
            _ => self.stats.opening -= 1,
        }
        self.clients[index].abort();
    }

    /// Opens HTTP connections to the API of the target.
    pub(crate) fn open_http_connections(&mut self, count: usize) {
        for index in 0..count {
            let connection = self.open_http_connection(index);
            self.http_connections.push(connection);
        }
    }

    fn open_http_connection(&mut self, index: usize) -> HttpConnection {
        let Some(api) = &self.target.api else {
            return HttpConnection::new(None);
        };
        let options = ConnectOptions {
            server: api.address.socket,
            source: next_source(&self.target, &api.address, &mut self.connections),
            tls: api.address.tls.as_ref(),
            receive_buffer: None,
        };
        let opened = open(&self.poll, &options, Token(FIRST_HTTP_TOKEN + index));
        let connection = opened.map_err(|error| self.stats.record_error(|| error.to_string()));
        HttpConnection::new(connection.ok())
    }

    /// Waits for I/O events, at most `timeout` (which is rounded up to milliseconds), and handles
    /// them.
    ///
    /// # Errors
    ///
    /// The poll itself fails. Errors of connections are counted in the statistics.
    pub(crate) fn poll(
        &mut self,
        handler: &mut impl FrameHandler,
        timeout: Duration,
    ) -> Result<(), BenchError> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(BenchError::run(error));
            }
            _ => {}
        }
        let mut closed = Vec::new();
        for event in &self.events {
            let (Token(index), now) = (event.token(), nanoseconds_since(self.started));
            if let Some(index) = index.checked_sub(FIRST_HTTP_TOKEN) {
                let Some(connection) = self.http_connections.get_mut(index) else {
                    continue;
                };
                let was_busy = connection.is_busy();
                match connection.handle(event, &mut self.buffer) {
                    HttpEvent::None => {}
                    HttpEvent::Response {
                        status,
                        closed: is_closed,
                    } => {
                        handler.on_response(index, status, now);
                        closed.extend(is_closed.then_some(index));
                    }
                    HttpEvent::Failed(reason) => {
                        self.stats.record_error(|| reason);
                        if was_busy {
                            handler.on_response(index, 0, now);
                            closed.push(index);
                        }
                    }
                }
            } else if let Some(client) = self.clients.get_mut(index) {
                let mut context = RunContext {
                    buffer: &mut self.buffer,
                    protocol: &self.target.protocol,
                    channels: &self.channels,
                    upgrade_request: &self.upgrade_request,
                    accept: &self.accept,
                    mask: self.mask,
                    stats: &mut self.stats,
                    index,
                    now,
                };
                client.handle(event, &mut context, handler);
            }
        }
        for index in closed {
            self.http_connections[index] = self.open_http_connection(index);
        }
        Ok(())
    }

    /// Lets the stalled clients read until the server has closed them or the timeout expires.
    /// Returns how many were closed.
    ///
    /// # Errors
    ///
    /// As [`ClientPool::poll`].
    pub(crate) fn drain_stalled(
        &mut self,
        handler: &mut impl FrameHandler,
        timeout: Duration,
    ) -> Result<usize, BenchError> {
        let deadline = Instant::now() + timeout;
        let stalled: Vec<_> = (0..self.clients.len())
            .filter(|index| self.clients[*index].stalled)
            .collect();
        loop {
            for index in &stalled {
                let mut context = RunContext {
                    buffer: &mut self.buffer,
                    protocol: &self.target.protocol,
                    channels: &self.channels,
                    upgrade_request: &self.upgrade_request,
                    accept: &self.accept,
                    mask: self.mask,
                    stats: &mut self.stats,
                    index: *index,
                    now: nanoseconds_since(self.started),
                };
                self.clients[*index].resume_reading(&mut context, handler);
            }
            let closed = stalled
                .iter()
                .filter(|index| self.clients[**index].state == ClientState::Disconnected)
                .count();
            if closed == stalled.len() || Instant::now() >= deadline {
                return Ok(closed);
            }
            self.poll(handler, POLL_INTERVAL)?;
        }
    }
}

fn nanoseconds_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The source address of the next connection; `None`: the kernel chooses.
fn next_source(
    target: &Target,
    server: &ServerAddress,
    connections: &mut usize,
) -> Option<SocketAddr> {
    *connections = connections.wrapping_add(1);
    let source = target
        .sources
        .get(*connections % target.sources.len().max(1))?;
    // The sources are loopback addresses, and the API may be elsewhere.
    let local = server.socket.ip().is_loopback() && server.socket.is_ipv4();
    local.then(|| SocketAddr::new(*source, 0))
}

/// Starts to connect and registers the stream with the poll.
fn open(poll: &Poll, options: &ConnectOptions<'_>, token: Token) -> io::Result<Connection> {
    let mut connection = Connection::open(options)?;
    poll.registry().register(
        connection.stream_mut(),
        token,
        Interest::READABLE | Interest::WRITABLE,
    )?;
    Ok(connection)
}
