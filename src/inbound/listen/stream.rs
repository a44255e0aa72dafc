//! A client's connection, whatever it came through.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::plain::Plain;
use crate::core::hub::DirectWriter;

/// How long a connection is read on after our last word.
const LINGER: Duration = Duration::from_secs(1);
/// … and how many bytes are thrown away meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;

/// A client's connection, plain or TLS, with what was already read from it. Small: what it is made of is only as large
/// as a plain connection needs.
#[derive(Debug)]
pub struct ClientStream {
    io: Io,
    /// Read before its reader was known; `None` once it is consumed.
    ahead: Option<Box<Ahead>>,
}

#[derive(Debug)]
enum Io {
    Plain(Plain),
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Debug)]
struct Ahead {
    bytes: Vec<u8>,
    consumed: usize,
}

impl ClientStream {
    /// A plain connection.
    pub fn plain(stream: TcpStream) -> Self {
        Self {
            io: Io::Plain(Plain::new(stream)),
            ahead: None,
        }
    }

    /// A TLS connection after its handshake.
    pub fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self {
            io: Io::Tls(Box::new(stream)),
            ahead: None,
        }
    }

    /// Whether it is TLS, from us to whoever is at the other end.
    pub fn is_tls(&self) -> bool {
        matches!(self.io, Io::Tls(_))
    }

    /// The way out that others may use while nobody polls this; TLS has none.
    pub fn outlet(&self) -> Option<Arc<dyn DirectWriter>> {
        match &self.io {
            Io::Plain(stream) => Some(stream.outlet()),
            Io::Tls(_) => None,
        }
    }

    /// Puts bytes back: they are read next.
    pub fn unread(&mut self, mut bytes: Vec<u8>) {
        if let Some(ahead) = self.ahead.take() {
            bytes.extend_from_slice(&ahead.bytes[ahead.consumed..]);
        }
        if !bytes.is_empty() {
            self.ahead = Some(Box::new(Ahead { bytes, consumed: 0 }));
        }
    }

    /// Says that nothing more will be written, and reads on for a moment (at most a second and 1 MiB) before the
    /// connection is dropped. A connection that is dropped with unread bytes is reset, and the reset can overtake our
    /// last words on their way to the client.
    pub async fn close_gently(mut self) {
        if self.shutdown().await.is_ok() {
            let _ = timeout(LINGER, self.discard()).await;
        }
    }

    async fn discard(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut left = LINGER_BYTES;
        loop {
            let read = self.read(&mut buffer).await?;
            left = left.saturating_sub(read);
            if read == 0 || left == 0 {
                return Ok(());
            }
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(ahead) = &mut this.ahead {
            let rest = &ahead.bytes[ahead.consumed..];
            let taken = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..taken]);
            ahead.consumed += taken;
            if ahead.consumed == ahead.bytes.len() {
                this.ahead = None;
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

    /// Ten thousands of these are idle at a time.
    #[test]
    fn it_is_small() {
        assert!(
            size_of::<ClientStream>() <= 48,
            "{}",
            size_of::<ClientStream>()
        );
    }

    #[tokio::test]
    async fn what_was_put_back_is_read_first_and_then_forgotten() {
        let (mut stream, mut client) = pair().await;
        stream.unread(b"cdef".to_vec());
        stream.unread(b"ab".to_vec());
        client.write_all(b"gh").await.unwrap();
        let mut bytes = [0; 3];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.unread(bytes.to_vec());
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"abcdefgh");
        assert!(stream.ahead.is_none());
    }

    #[tokio::test]
    async fn the_last_words_arrive_although_the_client_still_talks() {
        let (mut stream, mut client) = pair().await;
        client.write_all(&[0; 100_000]).await.unwrap();
        stream.write_all(b"bye").await.unwrap();
        let closing = tokio::spawn(stream.close_gently());
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"bye");
        drop(client);
        closing.await.unwrap();
    }
}
