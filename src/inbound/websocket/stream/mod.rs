//! The WebSocket over a byte stream.
//!
//! tungstenite's state machine reads the frames and answers pings and closes; the rest is our own,
//! because `tokio_tungstenite::WebSocketStream` holds a read and a write buffer per connection and
//! writes one frame at a time. Here an idle connection owns no buffer and no state machine, and all
//! queued frames leave in one write.

mod closing;
mod frame;
mod frame_tracker;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod reader;
mod vectored;
mod write_buffers;

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Error, Message};

pub(super) use closing::close;
pub(super) use frame::{text_frame, text_frame_of_parts};
use reader::Reader;
use vectored::VectoredFrames;

/// The most bytes of one read from the stream; the buffer is shared by all connections of a thread.
const READ_BYTES: usize = 32 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// A WebSocket over a byte stream. Frames to the client are queued ready for the wire, in a pooled
/// buffer that one write flushes.
pub(super) struct WebSocketStream<S> {
    stream: S,
    /// The largest accepted message, in bytes.
    limit: usize,
    /// `None`: the client has sent whole messages, and all of them were taken.
    reader: Option<Box<Reader>>,
    /// Large frames, and what was queued before them; written before the output.
    vectored: Option<Box<VectoredFrames>>,
    /// Whole frames to write.
    output: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// Wraps a stream whose upgrade has been answered. A message of more than `limit` bytes is an
    /// error.
    pub(super) fn new(stream: S, limit: usize) -> Self {
        Self {
            stream,
            limit,
            reader: None,
            vectored: None,
            output: Vec::new(),
            written: 0,
        }
    }

    /// Changes the largest accepted message, in bytes.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        if let Some(reader) = &mut self.reader {
            reader.set_limit(limit);
        }
    }

    /// The next message. Answers to pings and closes are queued.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        let limit = self.limit;
        let reader = self.reader.get_or_insert_with(|| Reader::new(limit));
        let message = reader.poll_message(cx, &mut self.stream, &mut self.output);
        if message.is_pending() && reader.is_unused() {
            self.reader.take().into_iter().for_each(Reader::release);
        }
        message
    }

    /// Queues bytes that form whole frames.
    pub(super) fn queue(&mut self, frames: &[u8]) {
        write_buffers::append(&mut self.output, frames);
    }

    /// Queues frames in parts; large ones are not copied.
    pub(super) fn queue_parts(&mut self, frame: Vec<Bytes>) {
        if frame.iter().map(Bytes::len).sum::<usize>() <= READ_BYTES {
            return frame.iter().for_each(|part| self.queue(part));
        }
        let mut before = Bytes::from(std::mem::take(&mut self.output));
        before.advance(std::mem::take(&mut self.written));
        let frames = self.vectored.get_or_insert_default();
        frames.extend(std::iter::once(before).chain(frame));
    }

    /// The number of bytes that are queued and not yet written.
    pub(super) fn queued(&self) -> usize {
        self.vectored.as_ref().map_or(0, |frames| frames.len()) + self.output.len() - self.written
    }

    /// Queues a ping without a payload.
    pub(super) fn queue_ping(&mut self) {
        let ping = Frame::ping(Bytes::new());
        // Writing to a vector cannot fail.
        let _ = ping.format(&mut OutputOnly(&mut self.output));
    }

    /// Queues the close frame; nothing can be queued after it.
    pub(super) fn queue_close(&mut self, frame: Option<CloseFrame>) {
        let mut output = OutputOnly(&mut self.output);
        match &mut self.reader {
            Some(reader) => reader.queue_close(&mut output, frame),
            None => {
                // Writing to a vector cannot fail.
                let _ = Frame::close(frame).format(&mut output);
            }
        }
    }

    /// Writes everything that is queued.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(frames) = &mut self.vectored {
            ready!(frames.poll_write(&mut self.stream, cx))?;
            self.vectored = None;
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
            write_buffers::release(&mut self.output);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes the write side of the stream.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Reads and discards; `Ok(0)` is the end of the stream.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }
}

impl<S> Drop for WebSocketStream<S> {
    fn drop(&mut self) {
        write_buffers::release(&mut self.output);
    }
}

/// The blocking stream that tungstenite expects, for writes alone: a read finds nothing.
struct OutputOnly<'a>(&'a mut Vec<u8>);

impl Read for OutputOnly<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for OutputOnly<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_buffers::append(self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Checked with streams that accept different numbers of bytes at once.
    #[tokio::test]
    async fn a_large_frame_in_parts_is_written_whole_and_in_order() {
        for room in [1, 700, READ_BYTES, 10 * READ_BYTES] {
            let (ours, mut theirs) = tokio::io::duplex(room);
            let mut socket = WebSocketStream::new(ours, 1000);
            let parts = |letter: &str| {
                (0..300_usize)
                    .map(|n| Bytes::from(letter.repeat(1 + n % 250)))
                    .collect::<Vec<_>>()
            };
            let (first, second) = (parts("a"), parts("b"));
            let expected = [
                first.concat(),
                b"between".to_vec(),
                second.concat(),
                text_frame("last").to_vec(),
            ]
            .concat();
            socket.queue_parts(first);
            socket.queue(b"between");
            socket.queue_parts(second);
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

    /// It has one from the first byte of a message to the last.
    #[tokio::test]
    async fn an_idle_stream_has_no_reader() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        let mut socket = WebSocketStream::new(ours, 1000);
        let whole: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'a', b'b'];
        let parts: [&[u8]; 2] = [
            &[0x01, 0x81, 0, 0, 0, 0, b'a'],
            &[0x80, 0x81, 0, 0, 0, 0, b'b'],
        ];
        for cut in [
            &[&whole[..1], &whole[1..]],
            &[&whole[..7], &whole[7..]],
            &parts,
        ] {
            for (bytes, is_last) in [(cut[0], false), (cut[1], true)] {
                theirs.write_all(bytes).await.unwrap();
                let polled = poll_fn(|cx| Poll::Ready(socket.poll_message(cx))).await;
                assert_eq!(
                    (polled.is_ready(), socket.reader.is_some()),
                    (is_last, true)
                );
                if let Poll::Ready(message) = polled {
                    assert_eq!(message.unwrap().to_text().unwrap(), "ab");
                }
            }
            let polled = poll_fn(|cx| Poll::Ready(socket.poll_message(cx))).await;
            assert!(polled.is_pending() && socket.reader.is_none());
        }
    }
}
