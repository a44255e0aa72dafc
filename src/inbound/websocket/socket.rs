//! A WebSocket over any stream, small while it is idle.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::buffers;
use super::long::LongFrame;

/// What one read from the stream takes at most; shared by all connections of a thread.
const READ: usize = 32 * 1024;

/// Of a connection's own read buffer, which it keeps: enough for most frames from a client.
const KEPT: usize = 256;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// A WebSocket over any stream. Frames are read with tungstenite's state machine; frames to the client come ready for the
/// wire and gather in a pooled buffer until they are flushed in one write. An idle connection owns no buffer but a small one.
pub struct Socket<S> {
    stream: S,
    context: WebSocketContext,
    /// What was read and not yet parsed.
    input: Vec<u8>,
    parsed: usize,
    /// A long frame that is to be written before the output.
    long: Option<Box<LongFrame>>,
    /// What is to be written.
    output: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over a stream whose upgrade has been answered. A message of more than `limit` bytes is an error.
    pub fn new(stream: S, limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(KEPT)
            .write_buffer_size(0)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let context = WebSocketContext::new(Role::Server, Some(config));
        Self {
            stream,
            context,
            input: Vec::new(),
            parsed: 0,
            long: None,
            output: Vec::new(),
            written: 0,
        }
    }

    /// Changes what a message may have at most.
    pub fn set_limit(&mut self, limit: usize) {
        if self.context.get_config().max_message_size != Some(limit) {
            self.context.set_config(|config| {
                config.max_message_size = Some(limit);
                config.max_frame_size = Some(limit);
            });
        }
    }

    /// The next message. Answers to pings and closes gather in the output.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        let mut pipe = Pipe {
            stream: &mut self.stream,
            input: &mut self.input,
            parsed: &mut self.parsed,
            output: &mut self.output,
            cx,
        };
        match self.context.read(&mut pipe) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    /// Adds bytes that form whole frames.
    pub fn queue(&mut self, frames: &[u8]) {
        buffers::append(&mut self.output, frames);
    }

    /// Adds a whole frame in pieces: a long one goes out from where its pieces are.
    pub fn queue_pieces(&mut self, frame: Vec<Bytes>) {
        if self.queued() == 0 && frame.iter().map(Bytes::len).sum::<usize>() > READ {
            self.long = Some(Box::new(LongFrame::new(frame)));
        } else {
            frame.iter().for_each(|piece| self.queue(piece));
        }
    }

    /// How many bytes wait to be written.
    pub fn queued(&self) -> usize {
        self.long.as_ref().map_or(0, |long| long.len()) + self.output.len() - self.written
    }

    /// Adds a ping.
    pub fn queue_ping(&mut self) {
        self.queue(&[0x89, 0]);
    }

    /// Adds the close frame; nothing can be sent after it.
    pub fn queue_close(&mut self, frame: Option<CloseFrame>) {
        let mut sink = Sink(&mut self.output);
        // The sink takes everything; an error means that the close was sent before.
        let _ = self.context.close(&mut sink, frame);
    }

    /// Writes what has gathered.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(long) = &mut self.long {
            ready!(long.poll_write(&mut self.stream, cx))?;
            self.long = None;
        }
        while let Some(rest) = self
            .output
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        if self.written > 0 {
            self.written = 0;
            buffers::give_back(&mut self.output);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends our side of the stream.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Reads and forgets; `Ok(0)` is the end.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }
}

impl<S> Drop for Socket<S> {
    fn drop(&mut self) {
        buffers::give_back(&mut self.output);
    }
}

/// The stream as tungstenite sees it: reads by way of the thread's scratch buffer, writes into the output.
struct Pipe<'a, 'b, S> {
    stream: &'a mut S,
    input: &'a mut Vec<u8>,
    parsed: &'a mut usize,
    output: &'a mut Vec<u8>,
    cx: &'a mut Context<'b>,
}

impl<S: AsyncRead + Unpin> Read for Pipe<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(rest) = self
            .input
            .get(*self.parsed..)
            .filter(|rest| !rest.is_empty())
        {
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            *self.parsed += count;
            if *self.parsed == self.input.len() {
                *self.input = Vec::new();
                *self.parsed = 0;
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
                    self.input.extend_from_slice(&filled[count..]);
                    Ok(count)
                }
            }
        })
    }
}

impl<S> Write for Pipe<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        buffers::append(self.output, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes what is written and has nothing to read.
struct Sink<'a>(&'a mut Vec<u8>);

impl Read for Sink<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        buffers::append(self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::inbound::websocket::frame::text_frame;

    /// However little the stream takes at once.
    #[tokio::test]
    async fn a_long_frame_in_pieces_goes_out_whole_and_in_its_place() {
        for room in [1, 700, READ, 10 * READ] {
            let (ours, mut theirs) = tokio::io::duplex(room);
            let mut socket = Socket::new(ours, 1000);
            let pieces = |letter: &str| {
                (0..300_usize)
                    .map(|n| Bytes::from(letter.repeat(1 + n % 250)))
                    .collect::<Vec<_>>()
            };
            let (first, second) = (pieces("a"), pieces("b"));
            let expected = [
                first.concat(),
                b"between".to_vec(),
                second.concat(),
                text_frame("last").to_vec(),
            ]
            .concat();
            socket.queue_pieces(first);
            socket.queue(b"between");
            socket.queue_pieces(second);
            socket.queue(&text_frame("last"));
            assert_eq!(socket.queued(), expected.len());
            let mut read = vec![0; expected.len()];
            let (flushed, reading) = tokio::join!(
                poll_fn(|cx| socket.poll_flush(cx)),
                theirs.read_exact(&mut read)
            );
            flushed.unwrap();
            reading.unwrap();
            assert_eq!(
                (socket.queued(), read == expected),
                (0, true),
                "room for {room}"
            );
        }
    }
}
