//! A TLS stream that holds no buffer while it is idle.
//!
//! `tokio_rustls` keeps the 4 KiB that rustls reads into for as long as a connection lives. Here
//! rustls processes records in a buffer that all connections of a thread share, and a connection
//! owns only what it cannot process or write at once.

mod records;

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use self::records::{encode, fill};

/// The most bytes of one read from the socket.
const READ_BYTES: usize = 32 * 1024;

/// The most bytes that wait for the rest of a message: rustls accepts handshake messages of 64 KiB.
const MAX_INCOMING: usize = 128 * 1024;

/// The most bytes that are encrypted for one write.
const MAX_WRITE: usize = 64 * 1024;

/// The most bytes in one record (RFC 8446, section 5.1).
const RECORD_BYTES: usize = 16 * 1024;

/// More than the bytes that a record adds to them.
const RECORD_OVERHEAD: usize = 64;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
    static WRITE_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static JOIN_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The server's side of a TLS connection.
pub(super) struct TlsStream {
    tcp: TcpStream,
    session: UnbufferedServerConnection,
    /// The beginning of a record or of a message, at most [`MAX_INCOMING`] bytes.
    incoming: Vec<u8>,
    /// Decrypted bytes that are not read yet: those of one read from the socket and of the record
    /// that it completed.
    decrypted: Vec<u8>,
    read: usize,
    /// Records that the socket has not taken: those of one write, and answers of the protocol.
    outgoing: Vec<u8>,
    /// The client has sent its last record.
    is_ended: bool,
    /// The last record is queued.
    is_closed: bool,
    /// An error ended the session: rustls must not process anything more.
    is_broken: bool,
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

impl TlsStream {
    /// Performs the handshake.
    pub(super) async fn accept(config: Arc<ServerConfig>, tcp: TcpStream) -> io::Result<Box<Self>> {
        let session = UnbufferedServerConnection::new(config).map_err(invalid)?;
        let mut stream = Box::new(Self {
            tcp,
            session,
            incoming: Vec::new(),
            decrypted: Vec::new(),
            read: 0,
            outgoing: Vec::new(),
            is_ended: false,
            is_closed: false,
            is_broken: false,
        });
        loop {
            poll_fn(|cx| stream.poll_outgoing(cx)).await?;
            if !stream.session.is_handshaking() {
                return Ok(stream);
            }
            if poll_fn(|cx| stream.poll_receive(cx)).await? == 0 {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the client has closed the connection within the TLS handshake",
                ));
            }
        }
    }

    /// Reads from the socket once and processes the records. Returns the number of bytes; 0 is the
    /// end of the connection.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut read))?;
            let received = read.filled_mut();
            let count = received.len();
            let result = if self.incoming.is_empty() {
                self.process(received).map(|used| {
                    self.incoming.extend_from_slice(&received[used..]);
                })
            } else {
                self.incoming.extend_from_slice(received);
                let mut incoming = mem::take(&mut self.incoming);
                self.process(&mut incoming).map(|used| {
                    incoming.drain(..used);
                    if !incoming.is_empty() {
                        self.incoming = incoming;
                    }
                })
            };
            if let Err(error) = result {
                // The alert that names the error.
                let _ = self.poll_outgoing(cx);
                return Poll::Ready(Err(error));
            }
            if self.incoming.len() > MAX_INCOMING {
                let error = io::Error::new(ErrorKind::InvalidData, "a TLS message is too large");
                return Poll::Ready(Err(error));
            }
            Poll::Ready(Ok(count))
        })
    }

    /// Processes records and returns the number of bytes that are not needed any more. After an
    /// error, the alert that names it is queued.
    fn process(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.is_broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(&mut bytes[used..]);
            let is_done = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        self.decrypted.extend_from_slice(record.payload);
                    }
                    false
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(&mut self.outgoing, data)?;
                    false
                }
                // They are written before anything else.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    false
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.is_ended = true;
                    false
                }
                Ok(_) => true,
                Err(error) => {
                    self.is_broken = true;
                    if self.session.wants_write()
                        && let Ok(ConnectionState::EncodeTlsData(alert)) =
                            self.session.process_tls_records(&mut bytes[used..]).state
                    {
                        encode(&mut self.outgoing, alert)?;
                    }
                    return Err(invalid(error));
                }
            };
            used += discard;
            if is_done {
                return Ok(used);
            }
        }
    }

    /// Processes what is due before a write; answers of the protocol are queued.
    fn process_rest(&mut self) -> io::Result<()> {
        let mut incoming = mem::take(&mut self.incoming);
        let used = self.process(&mut incoming)?;
        incoming.drain(..used);
        self.incoming = incoming;
        Ok(())
    }

    /// Writes the queued records.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let count = ready!(Pin::new(&mut self.tcp).poll_write(cx, &self.outgoing))?;
            if count == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.outgoing.drain(..count);
        }
        self.outgoing = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Encrypts bytes and writes the records as far as the socket takes them; the others are queued.
    fn poll_encrypt(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_outgoing(cx))?;
            self.process_rest()?;
            if self.outgoing.is_empty() {
                break;
            }
        }
        let bytes = &bytes[..bytes.len().min(MAX_WRITE)];
        WRITE_BUFFER.with_borrow_mut(|buffer| {
            let room = bytes.len() + (bytes.len() / RECORD_BYTES + 1) * RECORD_OVERHEAD;
            let end = match self.session.process_tls_records(&mut self.incoming).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    fill(buffer, 0, room, |out| traffic.encrypt(bytes, out))?
                }
                Ok(_) => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
                Err(error) => {
                    self.is_broken = true;
                    return Poll::Ready(Err(invalid(error)));
                }
            };
            let records = &buffer[..end];
            let count = match Pin::new(&mut self.tcp).poll_write(cx, records) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            self.outgoing.extend_from_slice(&records[count..]);
            Poll::Ready(Ok(bytes.len()))
        })
    }

    /// Queues the last record.
    fn close(&mut self) -> io::Result<()> {
        if self.is_broken {
            return Ok(());
        }
        self.process_rest()?;
        let state = self.session.process_tls_records(&mut self.incoming).state;
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            let begin = self.outgoing.len();
            let write = |out: &mut [u8]| traffic.queue_close_notify(out);
            let end = fill(&mut self.outgoing, begin, RECORD_OVERHEAD, write)?;
            self.outgoing.truncate(end);
        }
        Ok(())
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let rest = this.decrypted.get(this.read..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..count]);
                this.read += count;
                if this.read == this.decrypted.len() {
                    (this.decrypted, this.read) = (Vec::new(), 0);
                }
                return Poll::Ready(Ok(()));
            }
            if this.is_ended {
                return Poll::Ready(Ok(()));
            }
            if ready!(this.poll_receive(cx))? == 0 {
                return Poll::Ready(Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the client has closed the connection without a TLS close_notify",
                )));
            }
            if let Poll::Ready(result) = this.poll_outgoing(cx) {
                result?;
            }
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut().poll_encrypt(cx, bytes)
    }

    /// Joins the slices, so that small ones share records.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        JOIN_BUFFER.with_borrow_mut(|joined| {
            joined.clear();
            for slice in slices {
                let room = MAX_WRITE - joined.len();
                joined.extend_from_slice(&slice[..slice.len().min(room)]);
            }
            self.poll_write(cx, joined)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_outgoing(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !mem::replace(&mut this.is_closed, true) {
            this.close()?;
        }
        ready!(this.poll_outgoing(cx))?;
        match ready!(Pin::new(&mut this.tcp).poll_shutdown(cx)) {
            Err(error) if error.kind() != ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
