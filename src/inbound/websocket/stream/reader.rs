//! What a connection needs while a message of its client is read, and a pool of it per thread.

#![expect(
    clippy::vec_box,
    reason = "a reader moves between the pool and connections as one pointer"
)]

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::frame_tracker::FrameTracker;
use super::{OutputOnly, SCRATCH, write_buffers};

/// The size of the buffer that a frame is read into: enough for most frames of a client.
const READ_BUFFER: usize = 256;

/// The most readers that a thread keeps.
const MAX_POOLED: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<Box<Reader>>> = const { RefCell::new(Vec::new()) };
}

/// tungstenite's state machine, with the bytes that it has not parsed. A connection has one from a
/// read to the next one that finds nothing, unless that is within a message.
pub(super) struct Reader {
    context: WebSocketContext,
    input: Input,
}

/// The bytes of the client between the stream and the state machine.
#[derive(Default)]
struct Input {
    /// Bytes that were read and not yet parsed.
    unparsed: Vec<u8>,
    parsed: usize,
    frames: FrameTracker,
}

impl Reader {
    /// A reader that accepts messages of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Box<Self> {
        let pooled = POOL.with_borrow_mut(Vec::pop);
        let mut reader = pooled.unwrap_or_else(|| {
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .write_buffer_size(0);
            Box::new(Self {
                context: WebSocketContext::new(Role::Server, Some(config)),
                input: Input::default(),
            })
        });
        reader.set_limit(limit);
        reader
    }

    /// Changes the largest accepted message, in bytes.
    pub(super) fn set_limit(&mut self, limit: usize) {
        if self.context.get_config().max_message_size != Some(limit) {
            self.context.set_config(|config| {
                config.max_message_size = Some(limit);
                config.max_frame_size = Some(limit);
            });
        }
    }

    /// The next message. Answers to pings and closes are appended to `output`.
    pub(super) fn poll_message<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        output: &mut Vec<u8>,
    ) -> Poll<Result<Message, Error>> {
        let mut adapter = SyncAdapter {
            stream,
            input: &mut self.input,
            output,
            cx,
        };
        match self.context.read(&mut adapter) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    /// Queues the close frame, or the answer to that of the client.
    pub(super) fn queue_close(&mut self, output: &mut OutputOnly<'_>, frame: Option<CloseFrame>) {
        // Writing to a vector cannot fail; an error means that a close frame was queued before.
        let _ = self.context.close(output, frame);
    }

    /// Whether nothing of a message has been read, and the state is that of a new reader.
    pub(super) fn is_unused(&self) -> bool {
        self.input.unparsed.is_empty() && self.input.frames.is_at_start()
    }

    /// Returns it to the pool, without a large buffer; only where [`Reader::is_unused`].
    pub(super) fn release(self: Box<Self>) {
        if self.input.frames.is_large() {
            return;
        }
        POOL.with_borrow_mut(|pool| {
            if pool.len() < MAX_POOLED {
                pool.push(self);
            }
        });
    }
}

/// The blocking stream that tungstenite expects: reads through the thread's scratch buffer, writes
/// into the output.
struct SyncAdapter<'a, 'b, S> {
    stream: &'a mut S,
    input: &'a mut Input,
    output: &'a mut Vec<u8>,
    cx: &'a mut Context<'b>,
}

impl<S: AsyncRead + Unpin> SyncAdapter<'_, '_, S> {
    fn read_bytes(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = &mut *self.input;
        if let Some(rest) = input
            .unparsed
            .get(input.parsed..)
            .filter(|rest| !rest.is_empty())
        {
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            input.parsed += count;
            if input.parsed == input.unparsed.len() {
                input.unparsed = Vec::new();
                input.parsed = 0;
            }
            return Ok(count);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            match Pin::new(&mut *self.stream).poll_read(self.cx, &mut read) {
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                Poll::Ready(Err(error)) => Err(error),
                Poll::Ready(Ok(())) => {
                    let filled = read.filled();
                    let count = filled.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&filled[..count]);
                    input.unparsed.extend_from_slice(&filled[count..]);
                    Ok(count)
                }
            }
        })
    }
}

impl<S: AsyncRead + Unpin> Read for SyncAdapter<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_bytes(buffer)?;
        self.input.frames.advance(&buffer[..count]);
        Ok(count)
    }
}

impl<S> Write for SyncAdapter<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_buffers::append(self.output, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
