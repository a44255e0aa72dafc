//! Writes to many connections with one system call, through io_uring.
//!
//! Used for broadcasts: with one `send` per subscriber, system calls are most of the cost of a
//! small frame. The `unsafe` here is the only one of the crate: io_uring cannot check that the
//! buffers outlive the writes.

use crate::core::hub::{BatchWriter, BatchedWrite};

/// Writes to several connections at once through one io_uring per thread. Falls back to one `send`
/// per connection where io_uring is unavailable: on other systems, on Linux before 5.6, and in
/// containers whose seccomp profile blocks it, such as Docker's default.
#[derive(Debug)]
pub struct IoUringWriter;

impl BatchWriter for IoUringWriter {
    fn write(&self, writes: &mut [BatchedWrite<'_>]) {
        // For a single write, `send` costs less than io_uring.
        for batch in writes
            .chunks_mut(RING_ENTRIES)
            .filter(|batch| batch.len() > 1)
        {
            kernel::write(batch);
        }
        // Everything that io_uring did not write. A write to a broken connection fails again here.
        for write in writes.iter_mut().filter(|write| write.written.is_none()) {
            write.written = write.writer.try_write(write.bytes);
        }
    }
}

/// Writes of one system call at most.
const RING_ENTRIES: usize = 64;

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::BatchedWrite;

    pub fn write(_: &mut [BatchedWrite<'_>]) {}
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::cell::RefCell;
    use std::io;
    use std::mem;
    use std::os::fd::AsRawFd;

    use io_uring::types::Fd;
    use io_uring::{IoUring, Probe, opcode};

    use super::{BatchedWrite, RING_ENTRIES};

    enum Ring {
        /// Not opened yet: nothing was written on this thread.
        Uninitialized,
        Open(Box<IoUring>),
        /// The kernel does not support it, or it has failed.
        Unavailable,
    }

    thread_local! {
        static RING: RefCell<Ring> = const { RefCell::new(Ring::Uninitialized) };
    }

    /// Performs at most [`RING_ENTRIES`] writes. Leaves `written` of the others at `None`: all of
    /// them without io_uring, and those without a file descriptor.
    pub(super) fn write(writes: &mut [BatchedWrite<'_>]) {
        RING.with_borrow_mut(|ring| {
            if let Ring::Uninitialized = ring {
                *ring = open().map_or(Ring::Unavailable, |ring| Ring::Open(Box::new(ring)));
            }
            let Ring::Open(opened) = ring else { return };
            if submit(opened, writes).is_err() {
                // Leaked, not closed: submissions that remain in its queue are never executed.
                mem::forget(mem::replace(ring, Ring::Unavailable));
            }
        });
    }

    fn open() -> io::Result<IoUring> {
        // Kernels before 6.1 do not support the two flags.
        let entries = RING_ENTRIES as u32;
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(entries)
            .or_else(|_| IoUring::new(entries))?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if probe.is_supported(opcode::Send::CODE) {
            Ok(ring)
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Performs the writes of connections with a file descriptor, and returns when all are
    /// complete. They are non-blocking: a full socket completes with `EAGAIN`.
    #[expect(
        unsafe_code,
        reason = "io_uring cannot check that buffers outlive their writes"
    )]
    fn submit(ring: &mut IoUring, writes: &mut [BatchedWrite<'_>]) -> io::Result<()> {
        let mut pending = 0;
        for (index, write) in writes.iter().enumerate() {
            let (Some(descriptor), Ok(length)) =
                (write.writer.as_fd(), u32::try_from(write.bytes.len()))
            else {
                continue;
            };
            let entry = opcode::Send::new(Fd(descriptor.as_raw_fd()), write.bytes.as_ptr(), length)
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build()
                .user_data(index as u64);
            // SAFETY: the kernel reads the buffer and uses the descriptor until the write
            // completes. Both stay valid until then: `writes` borrows the buffer and the writer,
            // whose `BorrowedFd` keeps the descriptor open, and the loop below waits for all completions. If this
            // function fails, submissions that the kernel has not begun are never executed,
            // because the ring is never entered again (see `write`).
            unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
            pending += 1;
        }
        while pending > 0 {
            match ring.submit_and_wait(pending) {
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::EINTR | libc::EAGAIN | libc::EBUSY)
                    ) => {}
                Err(error) => return Err(error),
            }
            for completion in ring.completion() {
                pending = pending.saturating_sub(1);
                let Some(write) = usize::try_from(completion.user_data())
                    .ok()
                    .and_then(|index| writes.get_mut(index))
                else {
                    continue;
                };
                write.written = match completion.result() {
                    error if -error == libc::EAGAIN || -error == libc::EINTR => Some(0),
                    count => usize::try_from(count).ok(),
                };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::core::hub::DirectWriter;

    /// The server's and the client's end of a connection.
    async fn pair() -> (Arc<TcpStream>, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap()
            .into_std()
            .unwrap();
        client.set_nonblocking(false).unwrap();
        (Arc::new(listener.accept().await.unwrap().0), client)
    }

    fn write(batch: &[(&dyn DirectWriter, &[u8])]) -> Vec<Option<usize>> {
        let mut writes: Vec<_> = batch
            .iter()
            .map(|&(writer, bytes)| BatchedWrite {
                writer,
                bytes,
                written: None,
            })
            .collect();
        IoUringWriter.write(&mut writes);
        writes.iter().map(|write| write.written).collect()
    }

    fn read(mut client: &std::net::TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[tokio::test]
    async fn each_client_receives_its_own_bytes_in_order() {
        let pairs = futures_util::future::join_all((0..150).map(|_| pair())).await;
        for round in ["first", "second"] {
            let texts: Vec<_> = (0..pairs.len())
                .map(|index| format!("{round} {index:3}"))
                .collect();
            let writes: Vec<_> = pairs
                .iter()
                .zip(&texts)
                .map(|((server, _), text)| (&**server as &dyn DirectWriter, text.as_bytes()))
                .collect();
            assert_eq!(
                write(&writes),
                texts
                    .iter()
                    .map(|text| Some(text.len()))
                    .collect::<Vec<_>>()
            );
        }
        for (index, (_, client)) in pairs.iter().enumerate() {
            let expected = format!("first {index:3}second {index:3}");
            assert_eq!(read(client, expected.len()), expected.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_full_socket_does_not_block_others_and_a_broken_one_is_reported() {
        let ((full, slow), (good, client), (broken, closed)) =
            (pair().await, pair().await, pair().await);
        let much = vec![b'x'; 64 * 1024];
        while DirectWriter::try_write(&*full, &much).unwrap() > 0 {}
        drop(closed);
        while DirectWriter::try_write(&*broken, b"x").is_some() {}
        let written = write(&[(&*full, b"late"), (&*broken, b"late"), (&*good, b"here")]);
        assert_eq!(written, [Some(0), None, Some(4)]);
        assert_eq!(read(&client, 4), b"here");
        drop(slow);
    }

    #[derive(Debug)]
    struct WithoutDescriptor;

    impl DirectWriter for WithoutDescriptor {
        fn try_write(&self, bytes: &[u8]) -> Option<usize> {
            Some(bytes.len() - 1)
        }
    }

    #[tokio::test]
    async fn a_writer_without_a_descriptor_is_written_too() {
        let (good, client) = pair().await;
        assert_eq!(
            write(&[
                (&*good, b"one"),
                (&WithoutDescriptor, b"two"),
                (&*good, b"three")
            ]),
            [Some(3), Some(2), Some(5)]
        );
        assert_eq!(read(&client, 8), b"onethree");
        assert_eq!(
            write(&[(&*good, b"again"), (&*good, b"and")]),
            [Some(5), Some(3)]
        );
    }
}
