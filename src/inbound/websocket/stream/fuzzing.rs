//! The target `websocket_frames`.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::WebSocketStream;

/// The largest accepted message: small, so that inputs reach it.
const LIMIT: usize = 300;

/// A stream that gives its bytes in parts, waits once before each, and takes everything.
struct Parts<'a> {
    rest: &'a [u8],
    /// The sizes of the parts, in turn.
    sizes: Vec<usize>,
    turn: usize,
    waits: bool,
}

impl AsyncRead for Parts<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.waits = !self.waits;
        if self.waits {
            return Poll::Pending;
        }
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        let (part, rest) = self
            .rest
            .split_at(size.min(self.rest.len()).min(buffer.remaining()));
        buffer.put_slice(part);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Parts<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The messages in bytes that arrive in parts of these sizes, the error that ends them, and what is answered.
fn received(bytes: &[u8], sizes: Vec<usize>) -> (Vec<String>, Vec<u8>) {
    let parts = Parts {
        rest: bytes,
        sizes,
        turn: 0,
        waits: false,
    };
    let mut stream = WebSocketStream::new(parts, LIMIT);
    let mut context = Context::from_waker(Waker::noop());
    let mut messages = Vec::new();
    loop {
        match stream.poll_message(&mut context) {
            Poll::Pending => {}
            Poll::Ready(Ok(message)) => {
                assert!(message.len() <= LIMIT, "a message is larger than the limit");
                messages.push(format!("{message:?}"));
            }
            Poll::Ready(Err(error)) => {
                messages.push(error.to_string());
                return (messages, stream.output.clone());
            }
        }
    }
}

/// The same bytes, cut differently, are the same messages, and get the same answers. The first three bytes are sizes.
pub(crate) fn websocket_frames(bytes: &[u8]) {
    let Some((sizes, bytes)) = bytes.split_at_checked(3) else {
        return;
    };
    let sizes = sizes.iter().map(|size| usize::from(*size).max(1)).collect();
    let whole = received(bytes, vec![usize::MAX]);
    assert_eq!(received(bytes, vec![1]), whole);
    assert_eq!(received(bytes, sizes), whole);
}
