//! Many writes by one system call, where the kernel offers that.

use crate::core::hub::{BatchWriter, BatchedWrite};

/// Writes by a ring of the thread's own (Linux's io_uring), several connections at once. Where there is none (another
/// system, a kernel before 5.6, a container whose profile forbids it, as Docker's does), one after the other.
#[derive(Debug)]
pub struct Rings;

impl BatchWriter for Rings {
    fn write(&self, writes: &mut [BatchedWrite<'_>]) {
        // One alone costs less without.
        for several in writes
            .chunks_mut(ENTRIES)
            .filter(|several| several.len() > 1)
        {
            kernel::write(several);
        }
        // What no ring wrote; to a broken connection it fails once more.
        for write in writes.iter_mut().filter(|write| write.written.is_none()) {
            write.written = write.writer.try_write(write.bytes);
        }
    }
}

/// Writes of one call at most.
const ENTRIES: usize = 64;

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

    use super::{BatchedWrite, ENTRIES};

    enum Ring {
        /// Nothing was written on this thread yet.
        Unasked,
        There(Box<IoUring>),
        /// The kernel offers none.
        Refused,
    }

    thread_local! {
        static RING: RefCell<Ring> = const { RefCell::new(Ring::Unasked) };
    }

    /// Does what a ring can, at most [`ENTRIES`] writes; the others stay as they are.
    pub fn write(writes: &mut [BatchedWrite<'_>]) {
        RING.with_borrow_mut(|ring| {
            if let Ring::Unasked = ring {
                *ring = open().map_or(Ring::Refused, |ring| Ring::There(Box::new(ring)));
            }
            let Ring::There(open) = ring else { return };
            if submit(open, writes).is_err() {
                // Never closed, so that nothing of it can be taken up again.
                mem::forget(mem::replace(ring, Ring::Refused));
            }
        });
    }

    fn open() -> io::Result<IoUring> {
        // The second for kernels before 6.1.
        let entries = ENTRIES as u32;
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

    /// Does the writes that the kernel knows by number. They do not wait: once the call has returned, all are done.
    fn submit(ring: &mut IoUring, writes: &mut [BatchedWrite<'_>]) -> io::Result<()> {
        let mut open = 0;
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
            // SAFETY: the bytes and the descriptor are borrowed until this function returns, and the loop below waits
            // until all writes are done. Where it gives up, no write can begin any more: the ring is not entered again.
            unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
            open += 1;
        }
        while open > 0 {
            match ring.submit_and_wait(open) {
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::EINTR | libc::EAGAIN | libc::EBUSY)
                    ) => {}
                Err(error) => return Err(error),
            }
            for done in ring.completion() {
                open = open.saturating_sub(1);
                let Some(write) = usize::try_from(done.user_data())
                    .ok()
                    .and_then(|index| writes.get_mut(index))
                else {
                    continue;
                };
                write.written = match done.result() {
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

    /// Ours, and the client's end of it.
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

    fn write(to: &[(&dyn DirectWriter, &[u8])]) -> Vec<Option<usize>> {
        let mut writes: Vec<_> = to
            .iter()
            .map(|&(writer, bytes)| BatchedWrite {
                writer,
                bytes,
                written: None,
            })
            .collect();
        Rings.write(&mut writes);
        writes.iter().map(|write| write.written).collect()
    }

    fn read(mut client: &std::net::TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[tokio::test]
    async fn each_client_gets_its_own_in_its_order() {
        let pairs = futures_util::future::join_all((0..150).map(|_| pair())).await;
        for turn in ["first", "second"] {
            let texts: Vec<_> = (0..pairs.len())
                .map(|index| format!("{turn} {index:3}"))
                .collect();
            let writes: Vec<_> = pairs
                .iter()
                .zip(&texts)
                .map(|((ours, _), text)| (&**ours as &dyn DirectWriter, text.as_bytes()))
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
    async fn nobody_waits_for_one_who_does_not_read_and_a_broken_one_is_told_apart() {
        let ((full, slow), (good, client), (broken, gone)) =
            (pair().await, pair().await, pair().await);
        let much = vec![b'x'; 64 * 1024];
        while DirectWriter::try_write(&*full, &much).unwrap() > 0 {}
        drop(gone);
        while DirectWriter::try_write(&*broken, b"x").is_some() {}
        let written = write(&[(&*full, b"late"), (&*broken, b"late"), (&*good, b"here")]);
        assert_eq!(written, [Some(0), None, Some(4)]);
        assert_eq!(read(&client, 4), b"here");
        drop(slow);
    }

    #[derive(Debug)]
    struct Nowhere;

    impl DirectWriter for Nowhere {
        fn try_write(&self, bytes: &[u8]) -> Option<usize> {
            Some(bytes.len() - 1)
        }
    }

    #[tokio::test]
    async fn an_outlet_that_the_kernel_does_not_know_is_written_too() {
        let (good, client) = pair().await;
        assert_eq!(
            write(&[(&*good, b"one"), (&Nowhere, b"two"), (&*good, b"three")]),
            [Some(3), Some(2), Some(5)]
        );
        assert_eq!(read(&client, 8), b"onethree");
        assert_eq!(
            write(&[(&*good, b"again"), (&*good, b"and")]),
            [Some(5), Some(3)]
        );
    }
}
