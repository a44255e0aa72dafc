//! A keep-alive HTTP connection with at most one request in flight.

use std::io::{self, ErrorKind};

use mio::event::Event;

use crate::net::connection::Connection;
use crate::net::http;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Idle,
    /// A request is in flight.
    Busy,
}

/// A connection of a publishing back end.
pub(crate) struct HttpConnection {
    state: State,
    /// `None`: closed, or never opened.
    connection: Option<Connection>,
    /// The start of an incomplete response.
    received: Vec<u8>,
}

/// The outcome of an I/O event on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HttpEvent {
    /// No response is complete.
    None,
    /// A response, and whether the connection is closed after it.
    Response { status: u16, closed: bool },
    /// The connection failed, with the reason.
    Failed(String),
}

impl HttpConnection {
    /// `None`: the connection could not be opened.
    pub(crate) fn new(connection: Option<Connection>) -> Self {
        Self {
            state: State::Connecting,
            connection,
            received: Vec::new(),
        }
    }

    /// Whether a request can be sent now.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle && self.connection.is_some()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_none()
    }

    /// Whether a request is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.state == State::Busy
    }

    /// Sends a request. An error of a broken connection is reported by the next read.
    pub(crate) fn send(&mut self, request: &[u8]) {
        self.state = State::Busy;
        if let Some(connection) = &mut self.connection {
            connection.queue(|out| out.extend_from_slice(request));
            let _ = connection.flush();
        }
    }

    /// Handles an I/O event. `buffer` is the shared read buffer.
    pub(crate) fn handle(&mut self, event: &Event, buffer: &mut [u8]) -> HttpEvent {
        match self.try_handle(event, buffer) {
            Ok(event) => event,
            Err(error) => {
                self.connection = None;
                HttpEvent::Failed(error.to_string())
            }
        }
    }

    fn try_handle(&mut self, event: &Event, buffer: &mut [u8]) -> io::Result<HttpEvent> {
        let Some(connection) = &mut self.connection else {
            return Ok(HttpEvent::None);
        };
        if event.is_writable() {
            if self.state == State::Connecting {
                connection.connect_result()?;
                self.state = State::Idle;
            }
            connection.flush()?;
        }
        if !event.is_readable() && !event.is_read_closed() {
            return Ok(HttpEvent::None);
        }
        let mut ended = false;
        loop {
            match connection.read(buffer) {
                Ok(0) => ended = true,
                Ok(read) => {
                    self.received.extend_from_slice(&buffer[..read]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => connection.flush()?,
                Err(error) => return Err(error),
            }
            break;
        }
        let response = http::parse_response(&self.received).map_err(io::Error::other)?;
        let Some(response) = response else {
            return if ended {
                Err(ErrorKind::UnexpectedEof.into())
            } else {
                Ok(HttpEvent::None)
            };
        };
        self.received.drain(..response.length);
        self.state = State::Idle;
        let closed = response.closes || ended;
        if closed {
            self.connection = None;
        }
        Ok(HttpEvent::Response {
            status: response.status,
            closed,
        })
    }
}
