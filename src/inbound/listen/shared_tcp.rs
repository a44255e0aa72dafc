//! A TCP stream to which other tasks than its owner may write.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::core::hub::DirectWriter;

/// A TCP stream to which other tasks than its owner may write. The callers make sure that only one
/// task writes at a time.
#[derive(Debug)]
pub(super) struct SharedTcpStream(Arc<TcpStream>);

impl SharedTcpStream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    /// The handle for writes by other tasks.
    pub(super) fn direct_writer(&self) -> Arc<dyn DirectWriter> {
        Arc::clone(&self.0) as Arc<dyn DirectWriter>
    }

    /// Reads once, into memory that need not be initialized. A read that does not fill the buffer has
    /// emptied the socket: readiness is cleared, which saves a second system call that only returns
    /// `WouldBlock`. tokio's own `poll_read` does the same.
    fn read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut read = None;
        let result = self.0.try_io(Interest::READABLE, || {
            let room = buffer.remaining();
            let count = self.0.try_read_buf(buffer)?;
            read = Some(count);
            if cfg!(unix) && 0 < count && count < room {
                Err(ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            }
        });
        if read.is_some() { Ok(()) } else { result }
    }
}

impl DirectWriter for TcpStream {
    // Bypasses tokio's readiness, which only records whether the socket was full at the owner's
    // last write.
    fn try_write(&self, bytes: &[u8]) -> Option<usize> {
        match SockRef::from(self).send(bytes) {
            Ok(count) => Some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    #[cfg(unix)]
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(AsFd::as_fd(self))
    }
}

impl AsyncRead for SharedTcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.read(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

/// Repeats `write` until it succeeds, fails, or the socket is full.
fn poll_write(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        match write() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready!(stream.poll_write_ready(cx))?
            }
            result => return Poll::Ready(result),
        }
    }
}

impl AsyncWrite for SharedTcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write(&self.0, cx, || TcpStream::try_write(&self.0, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write(&self.0, cx, || self.0.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}
