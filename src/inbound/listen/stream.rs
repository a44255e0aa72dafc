//! The stream of a client's connection, plain or TLS.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::shared_tcp::SharedTcpStream;
use super::tls_stream::TlsStream;
use crate::core::hub::DirectWriter;

/// How many bytes a lingering close discards at most. They are not kept: the limit bounds the work
/// for a client that sends without end.
const MAX_LINGER_BYTES: usize = 64 * 1024 * 1024;

/// The stream of a client's connection, plain or TLS, with the bytes that were pushed back. TLS
/// state and pushed-back bytes are boxed, so that an idle plain connection is small.
#[derive(Debug)]
pub struct ClientStream {
    io: Io,
    /// Pushed-back bytes; `None` when all of them are read again.
    pushed_back: Option<Box<PushedBack>>,
}

#[derive(Debug)]
enum Io {
    Plain(SharedTcpStream),
    Tls(Box<TlsStream>),
}

#[derive(Debug)]
struct PushedBack {
    bytes: Vec<u8>,
    consumed: usize,
}

impl ClientStream {
    /// How long the close after an error response to a first head lingers; the handshake timeout
    /// limits it, too.
    pub(super) const ERROR_LINGER: Duration = Duration::from_secs(5);

    /// A stream without TLS.
    pub fn plain(stream: TcpStream) -> Self {
        Self {
            io: Io::Plain(SharedTcpStream::new(stream)),
            pushed_back: None,
        }
    }

    /// A TLS stream whose handshake is complete.
    pub(super) fn tls(stream: Box<TlsStream>) -> Self {
        Self {
            io: Io::Tls(stream),
            pushed_back: None,
        }
    }

    /// Whether the connection uses TLS to this server; a proxy may add TLS in front of it.
    pub fn is_tls(&self) -> bool {
        matches!(self.io, Io::Tls(_))
    }

    /// The handle for writes by other tasks while the owner does not write. `None` with TLS, whose
    /// records only the owner can encrypt.
    pub fn direct_writer(&self) -> Option<Arc<dyn DirectWriter>> {
        match &self.io {
            Io::Plain(stream) => Some(stream.direct_writer()),
            Io::Tls(_) => None,
        }
    }

    /// Pushes bytes back: the next reads return them, before older pushed-back bytes.
    pub fn push_back(&mut self, mut bytes: Vec<u8>) {
        if let Some(pushed_back) = self.pushed_back.take() {
            bytes.extend_from_slice(&pushed_back.bytes[pushed_back.consumed..]);
        }
        if !bytes.is_empty() {
            self.pushed_back = Some(Box::new(PushedBack { bytes, consumed: 0 }));
        }
    }

    /// Shuts down writing, then reads and discards until the client closes, for at most `limit` and
    /// 64 MiB, before the connection is dropped. TCP resets a connection that is dropped with unread
    /// bytes, and the reset can make the client lose the response that was just sent.
    pub async fn lingering_close(mut self, limit: Duration) {
        let closing = async {
            self.shutdown().await?;
            self.discard().await
        };
        let _ = timeout(limit, closing).await;
    }

    async fn discard(&mut self) -> io::Result<()> {
        let mut remaining = MAX_LINGER_BYTES;
        while remaining > 0 {
            let read = poll_fn(|cx| {
                // On the stack, so that no connection's task keeps it.
                let mut buffer = [MaybeUninit::uninit(); 4096];
                let mut buffer = ReadBuf::uninit(&mut buffer);
                let polled = Pin::new(&mut *self).poll_read(cx, &mut buffer);
                polled.map_ok(|()| buffer.filled().len())
            })
            .await?;
            if read == 0 {
                break;
            }
            remaining = remaining.saturating_sub(read);
        }
        Ok(())
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(pushed_back) = &mut this.pushed_back {
            let rest = &pushed_back.bytes[pushed_back.consumed..];
            let taken = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..taken]);
            pushed_back.consumed += taken;
            if pushed_back.consumed == pushed_back.bytes.len() {
                this.pushed_back = None;
            }
            return Poll::Ready(Ok(()));
        }
        match &mut this.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (ClientStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (
            ClientStream::plain(listener.accept().await.unwrap().0),
            client,
        )
    }

    /// A server holds tens of thousands of these.
    #[test]
    fn the_size_is_limited() {
        assert!(
            size_of::<ClientStream>() <= 48,
            "{}",
            size_of::<ClientStream>()
        );
    }

    #[tokio::test]
    async fn pushed_back_bytes_are_read_first_and_then_freed() {
        let (mut stream, mut client) = pair().await;
        stream.push_back(b"cdef".to_vec());
        stream.push_back(b"ab".to_vec());
        client.write_all(b"gh").await.unwrap();
        let mut bytes = [0; 3];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.push_back(bytes.to_vec());
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"abcdefgh");
        assert!(stream.pushed_back.is_none());
    }

    #[tokio::test]
    async fn a_lingering_close_delivers_the_response_despite_unread_input() {
        let (mut stream, mut client) = pair().await;
        client.write_all(&[0; 100_000]).await.unwrap();
        stream.write_all(b"bye").await.unwrap();
        let closing = tokio::spawn(stream.lingering_close(Duration::from_secs(1)));
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"bye");
        drop(client);
        closing.await.unwrap();
    }
}
