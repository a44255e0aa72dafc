//! Direct writes: the publishing task writes to idle connections itself.

use std::fmt::Debug;
use std::ops::AddAssign;
#[cfg(unix)]
use std::os::fd::BorrowedFd;

/// The socket of a connection, for writes by other tasks while the connection's own task is idle.
pub trait DirectWriter: Send + Sync + Debug {
    /// Writes what the socket takes without blocking, and returns the number of bytes. `None`: the
    /// connection is broken.
    fn try_write(&self, bytes: &[u8]) -> Option<usize>;

    /// The socket's file descriptor, for a [`BatchWriter`]; `None`: it can be written only by
    /// [`DirectWriter::try_write`].
    #[cfg(unix)]
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// One of several writes.
#[derive(Debug)]
pub struct BatchedWrite<'a> {
    /// The socket.
    pub writer: &'a dyn DirectWriter,
    /// One or more whole frames, or the end of one.
    pub bytes: &'a [u8],
    /// The result, as [`DirectWriter::try_write`] returns it; `None` before the write.
    pub written: Option<usize>,
}

/// Writes to many connections: one system call costs less than one per connection.
pub trait BatchWriter: Send + Sync {
    /// Does each write as [`DirectWriter::try_write`] would, and sets [`BatchedWrite::written`].
    fn write(&self, writes: &mut [BatchedWrite<'_>]);
}

/// Frames and bytes that were written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WriteStats {
    /// Frames of which the last byte was written.
    pub frames: u64,
    /// Bytes, also of frames that were written in part.
    pub bytes: u64,
}

impl AddAssign for WriteStats {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
}
