//! The target `request_head`.

#![expect(clippy::unwrap_used, reason = "a panic is how a target fails")]

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

use super::head::{self, MAX_HEAD};

/// A stream that gives its bytes in parts of a size, without ever waiting.
struct Parts<'a> {
    rest: &'a [u8],
    size: usize,
}

impl AsyncRead for Parts<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let size = self.size.min(self.rest.len()).min(buffer.remaining());
        let (part, rest) = self.rest.split_at(size);
        buffer.put_slice(part);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// The length of the head as far as [`head::read`] needs to read; `None`: incomplete.
fn read_in_parts(bytes: &[u8], size: usize) -> Option<Result<usize, ()>> {
    let mut stream = Parts { rest: bytes, size };
    let mut received = Vec::new();
    let complete = {
        let mut reading = pin!(head::read(&mut stream, &mut received));
        match reading
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(outcome) => outcome.unwrap(),
            Poll::Pending => panic!("the stream never waits"),
        }
    };
    assert!(received.len() <= MAX_HEAD);
    match head::parse(&received) {
        Ok(Some(head)) => Some(Ok(head.length)),
        Ok(None) => {
            assert!(!complete, "a complete head has no end");
            None
        }
        Err(_) => Some(Err(())),
    }
}

/// A head ends at the same byte however it arrives and whatever follows it, and none of its beginnings is a head.
pub(crate) fn request_head(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    let whole = read_in_parts(bytes, bytes.len().max(1));
    assert_eq!(read_in_parts(bytes, 1), whole);
    assert_eq!(read_in_parts(bytes, 7), whole);
    let Ok(Some(head)) = head::parse(bytes) else {
        return;
    };
    let alone = head::parse(&bytes[..head.length]).ok().flatten();
    let alone = alone.unwrap();
    assert_eq!(alone.length, head.length);
    assert_eq!((&alone.method, &alone.uri), (&head.method, &head.uri));
    assert_eq!(alone.version, head.version);
    for name in [
        "host",
        "upgrade",
        "connection",
        "content-length",
        "x-forwarded-for",
    ] {
        assert!(alone.headers.all(name).eq(head.headers.all(name)));
    }
    for shorter in [head.length - 1, head.length / 2] {
        assert!(!matches!(head::parse(&bytes[..shorter]), Ok(Some(_))));
    }
}
