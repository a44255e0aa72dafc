//! The whole server in process behind its listener, and clients of plain bytes.

mod bodies;
mod early_answers;
mod prefix;
mod streams;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use pushi::config::{Raw, Variable, resolve, variables};
use pushi::core::model::{App, AppIdent, AppSettings, NewApp, Secret};
use pushi::core::service::{AppError, Service};
use pushi::inbound::listen::{ListenerRole, TlsFiles, TlsSource, bind};
use pushi::outbound::metrics::PrometheusMetrics;
use pushi::server::{Listening, Server};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::listen::BROKEN;
use crate::listen::tls::{connector, renew_in};

pub(crate) const ADMIN: &str = "administrators-token";

/// A server with the app `shop` in memory, listening on one port, with TLS on a second.
pub(crate) struct Whole {
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    connector: tokio_rustls::TlsConnector,
    pub service: Arc<Service>,
    metrics: Arc<PrometheusMetrics>,
    _stop: DropGuard,
    _folder: TempDir,
}

impl Whole {
    pub(crate) async fn start(settings: &[(Variable, &str)]) -> Self {
        let given = [
            (variables::DATABASE_URL, "sqlite::memory:"),
            (variables::PUSHI_ADMIN_TOKEN, ADMIN),
        ];
        let pairs = given.into_iter().chain(settings.iter().copied());
        let settings = resolve(&Raw::from_pairs(pairs)).unwrap().settings;
        let server = Server::open(&settings).await.unwrap();
        let service = Arc::clone(server.service());
        let metrics = Arc::clone(server.metrics());
        let folder = tempfile::tempdir().unwrap();
        let (files, certificate): (TlsFiles, _) = renew_in(&folder);
        let tls = TlsSource::load(files).unwrap();
        let (first, second) = (
            bind("127.0.0.1", 0).await.unwrap(),
            bind("127.0.0.1", 0).await.unwrap(),
        );
        let (plain, secure) = (first.local_addr(), second.local_addr());
        let listening = |bound, tls| Listening {
            bound,
            role: ListenerRole::Api,
            tls,
        };
        let stop = CancellationToken::new();
        let listeners = vec![listening(first, None), listening(second, Some(tls))];
        tokio::spawn(server.serve(listeners, stop.clone()));
        let shop = NewApp {
            name: "The shop".into(),
            ident: Some(AppIdent::parse("shop").unwrap()),
            key: Some("shop-key".into()),
            secret: Some(Secret::new("shop-secret")),
            ..NewApp::default()
        };
        let _: Arc<App> = service.create_app(shop).await.unwrap();
        Self {
            plain,
            tls: secure,
            service,
            metrics,
            connector: connector(&certificate),
            _stop: stop.drop_guard(),
            _folder: folder,
        }
    }

    pub(crate) async fn connect(&self) -> Conn {
        let stream = TcpStream::connect(self.plain).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Conn::over(stream)
    }

    pub(crate) async fn connect_tls(&self) -> Conn {
        let stream = TcpStream::connect(self.tls).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = "localhost".try_into().unwrap();
        Conn::over(self.connector.connect(name, stream).await.unwrap())
    }
}

/// The head of a WebSocket upgrade.
pub(crate) fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n{headers}\r\n"
    )
}

/// A session token of the app.
pub(crate) async fn login(whole: &Whole) -> String {
    let ident = AppIdent::parse("shop").unwrap();
    whole.service.create_session(&ident).await.unwrap().text
}

impl Whole {
    /// The metrics in the Prometheus text format.
    pub(crate) fn metrics(&self) -> String {
        self.metrics.render(self.service.gauges())
    }

    /// Opens a WebSocket, which is greeted.
    pub(crate) async fn greeted(&self) {
        let mut conn = self.connect().await;
        conn.send(handshake("/shop-key", "")).await;
        assert_eq!(conn.answer().await.status, 101);
        conn.until("pusher:connection_established").await;
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut conn = self.connect().await;
        conn.send(request).await;
        conn.answer().await
    }

    /// Changes the settings of the app.
    pub(crate) async fn set(&self, change: impl Fn(&mut AppSettings) + Sync) {
        let ident = AppIdent::parse("shop").unwrap();
        let change = |app: &mut App| {
            change(&mut app.settings);
            Ok::<(), AppError>(())
        };
        self.service.update_app(&ident, &change).await.unwrap();
    }
}

trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// A client's connection.
pub(crate) struct Conn {
    stream: Box<dyn Bytes>,
    received: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            (key == name).then_some(value)
        })
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.ends_with("close"))
    }
}

impl Conn {
    fn over(stream: impl Bytes + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            received: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Reads one response, which must be complete.
    pub(crate) async fn answer(&mut self) -> Answer {
        timeout(BROKEN, self.read_answer()).await.unwrap()
    }

    async fn read_answer(&mut self) -> Answer {
        let end = loop {
            let found = self.received.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(at) = found {
                break at + 4;
            }
            self.receive().await;
        };
        let head = String::from_utf8(self.received.drain(..end).collect())
            .unwrap()
            .to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: String::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        while self.received.len() < length {
            self.receive().await;
        }
        answer.body = String::from_utf8(self.received.drain(..length).collect()).unwrap();
        answer
    }

    async fn receive(&mut self) {
        let read = self.stream.read_buf(&mut self.received).await.unwrap();
        let received = String::from_utf8_lossy(&self.received).into_owned();
        assert!(read > 0, "closed behind {received:?}");
    }

    /// Reads until a text has been received.
    pub(crate) async fn until(&mut self, text: &str) {
        let found = |received: &[u8]| received.windows(text.len()).any(|w| w == text.as_bytes());
        while !found(&self.received) {
            timeout(BROKEN, self.receive()).await.unwrap();
        }
    }

    /// Reads up to and with a text, and returns what was read.
    pub(crate) async fn take(&mut self, text: &str) -> String {
        self.until(text).await;
        let found = self.received.windows(text.len());
        let at = found.clone().position(|w| w == text.as_bytes()).unwrap();
        String::from_utf8(self.received.drain(..at + text.len()).collect()).unwrap()
    }

    /// Reads to the end of the stream, which is no reset.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.received);
        timeout(BROKEN, self.stream.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(rest).unwrap()
    }

    /// The server closes in order: the end of the stream, and no reset.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.rest().await, "");
    }
}
