//! A kept-alive HTTP connection with at most one request on it.

use std::io::{self, ErrorKind};

use mio::event::Event;

use crate::cli::bench::wire::answer;
use crate::cli::bench::wire::line::Line;

/// How it stands with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Free,
    Busy,
}

/// A connection of a publishing back end.
pub struct Post {
    stage: Stage,
    line: Option<Line>,
    rest: Vec<u8>,
}

/// What has happened on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Nothing to tell.
    Nothing,
    /// The answer came, with this status; with `true` the connection is gone.
    Answer(u16, bool),
    /// The connection is gone, and why.
    Gone(String),
}

impl Post {
    /// One that connects.
    pub fn new(line: Line) -> Self {
        Self {
            stage: Stage::Connecting,
            line: Some(line),
            rest: Vec::new(),
        }
    }

    /// One that could not even begin.
    pub fn broken() -> Self {
        Self {
            stage: Stage::Connecting,
            line: None,
            rest: Vec::new(),
        }
    }

    /// Whether it takes a request.
    pub fn is_free(&self) -> bool {
        self.stage == Stage::Free && self.line.is_some()
    }

    /// Whether it can be used no more, or never could.
    pub fn is_dead(&self) -> bool {
        self.line.is_none()
    }

    /// Whether a request waits for its answer.
    pub fn is_busy(&self) -> bool {
        self.stage == Stage::Busy
    }

    /// Sends a request; what a broken connection says is heard when it is read.
    pub fn send(&mut self, request: &[u8]) {
        self.stage = Stage::Busy;
        if let Some(line) = &mut self.line {
            line.queue(|out| out.extend_from_slice(request));
            let _ = line.flush();
        }
    }

    /// Does what can be done now.
    pub fn event(&mut self, event: &Event, scratch: &mut [u8]) -> Happened {
        match self.proceed(event, scratch) {
            Ok(happened) => happened,
            Err(error) => {
                self.line = None;
                Happened::Gone(error.to_string())
            }
        }
    }

    fn proceed(&mut self, event: &Event, scratch: &mut [u8]) -> io::Result<Happened> {
        let Some(line) = &mut self.line else {
            return Ok(Happened::Nothing);
        };
        if event.is_writable() {
            if self.stage == Stage::Connecting {
                line.check()?;
                self.stage = Stage::Free;
            }
            line.flush()?;
        }
        if !event.is_readable() && !event.is_read_closed() {
            return Ok(Happened::Nothing);
        }
        let mut ended = false;
        loop {
            match line.read(scratch) {
                Ok(0) => ended = true,
                Ok(read) => {
                    self.rest.extend_from_slice(&scratch[..read]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => line.flush()?,
                Err(error) => return Err(error),
            }
            break;
        }
        let Some(answer) = answer::first(&self.rest).map_err(io::Error::other)? else {
            return if ended {
                Err(ErrorKind::UnexpectedEof.into())
            } else {
                Ok(Happened::Nothing)
            };
        };
        self.rest.drain(..answer.length);
        self.stage = Stage::Free;
        let last = answer.last || ended;
        if last {
            self.line = None;
        }
        Ok(Happened::Answer(answer.status, last))
    }
}
