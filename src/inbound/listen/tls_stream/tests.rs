use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client;

use super::*;

/// After this time something hangs.
const BROKEN: Duration = Duration::from_secs(60);

struct Pair {
    server: Box<TlsStream>,
    client: client::TlsStream<DuplexStream>,
}

impl Pair {
    /// The client's bytes reach the server in parts of at most `part` bytes.
    async fn connect(version: &'static SupportedProtocolVersion, part: usize) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let (tcp, theirs) = sockets().await;
        let (ours, far) = duplex(64 * 1024);
        pump(far, theirs, part);
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let (server, client) = tokio::join!(
            TlsStream::accept(Arc::new(server), tcp),
            connector.connect(name, ours)
        );
        Self {
            server: server.unwrap(),
            client: client.unwrap(),
        }
    }

    /// Both sides send `bytes` at once.
    async fn exchange(&mut self, bytes: &[u8]) {
        let (mut from_client, mut from_server) = (vec![0; bytes.len()], vec![0; bytes.len()]);
        let (mut server_in, mut server_out) = tokio::io::split(&mut self.server);
        let (mut client_in, mut client_out) = tokio::io::split(&mut self.client);
        let all = async {
            tokio::try_join!(
                async {
                    server_out.write_all(bytes).await?;
                    server_out.flush().await
                },
                async {
                    client_out.write_all(bytes).await?;
                    client_out.flush().await
                },
                server_in.read_exact(&mut from_client),
                client_in.read_exact(&mut from_server),
            )
        };
        timeout(BROKEN, all).await.unwrap().unwrap();
        assert!(from_client == bytes && from_server == bytes);
    }

    fn holds_no_buffer(&self) -> bool {
        let Self { server, .. } = self;
        [&server.incoming, &server.decrypted, &server.outgoing]
            .iter()
            .all(|buffer| buffer.capacity() == 0)
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    (listener.accept().await.unwrap().0, theirs)
}

/// Copies in both directions, to the socket in parts.
fn pump(client: DuplexStream, server: TcpStream, part: usize) {
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        let mut buffer = vec![0; part];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            if to_server.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    });
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn bytes_arrive_in_both_directions_however_they_are_cut() {
    for (version, part, length) in [
        (&TLS13, 1, 20_000),
        (&TLS12, 1, 2_000),
        (&TLS13, 1_000, 300_000),
        (&TLS12, 1_000, 300_000),
        (&TLS13, 100_000, 3_000_000),
    ] {
        let mut pair = Pair::connect(version, part).await;
        pair.exchange(&text(length)).await;
        pair.exchange(b"x").await;
        assert!(pair.holds_no_buffer(), "parts of {part} bytes");
    }
}

#[tokio::test]
async fn slices_share_records_and_none_is_lost() {
    let mut pair = Pair::connect(&TLS13, 1_000).await;
    let parts: Vec<_> = (0..200).map(|n| text(n * 5)).collect();
    let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let whole = parts.concat();
    let written = pair.server.write_vectored(&slices).await.unwrap();
    assert_eq!(written, MAX_WRITE.min(whole.len()));
    pair.server.write_all(&whole[written..]).await.unwrap();
    pair.server.flush().await.unwrap();
    let mut received = vec![0; whole.len()];
    let read = timeout(BROKEN, pair.client.read_exact(&mut received));
    read.await.unwrap().unwrap();
    assert!(received == whole);
}

#[tokio::test]
async fn traffic_goes_on_after_new_keys() {
    let mut pair = Pair::connect(&TLS13, 1).await;
    for _ in 0..3 {
        pair.client.get_mut().1.refresh_traffic_keys().unwrap();
        pair.exchange(&text(100)).await;
    }
    assert!(pair.holds_no_buffer());
}

#[tokio::test]
async fn either_side_ends_the_connection_with_close_notify() {
    for version in [&TLS12, &TLS13] {
        let mut pair = Pair::connect(version, 1_000).await;
        pair.server.write_all(b"last").await.unwrap();
        pair.server.shutdown().await.unwrap();
        let mut received = Vec::new();
        let read = timeout(BROKEN, pair.client.read_to_end(&mut received));
        read.await.unwrap().unwrap();
        assert_eq!(received, b"last");
        pair.client.shutdown().await.unwrap();
        assert_eq!(
            timeout(BROKEN, pair.server.read(&mut [0; 9]))
                .await
                .unwrap()
                .unwrap(),
            0
        );

        // What the client sent before its end is read, and it can still be answered.
        let mut pair = Pair::connect(version, 1_000).await;
        pair.client.write_all(b"last").await.unwrap();
        pair.client.shutdown().await.unwrap();
        let mut received = Vec::new();
        let read = timeout(BROKEN, pair.server.read_to_end(&mut received));
        read.await.unwrap().unwrap();
        assert_eq!(received, b"last");
        pair.server.write_all(b"answer").await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_without_close_notify_was_cut() {
    let Pair { mut server, client } = Pair::connect(&TLS13, 1_000).await;
    drop(client);
    let error = timeout(BROKEN, server.read(&mut [0; 9])).await.unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn bytes_that_are_no_tls_are_answered_with_an_alert() {
    let mut pair = Pair::connect(&TLS13, 1_000).await;
    let forged = [23, 3, 3, 0, 32].into_iter().chain([0; 32]);
    let forged: Vec<u8> = forged.collect();
    let client = pair.client.get_mut().0;
    client.write_all(&forged).await.unwrap();
    let error = timeout(BROKEN, pair.server.read(&mut [0; 9]))
        .await
        .unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidData);
    let error = timeout(BROKEN, pair.client.read(&mut [0; 9]))
        .await
        .unwrap();
    let text = error.unwrap_err().to_string();
    assert!(text.contains("BadRecordMac"), "{text}");
}
