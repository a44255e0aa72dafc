//! A listener with a few test routes, and a client that sends raw bytes.

mod http;
mod stop;
pub(crate) mod tls;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::make;
use poem::http::StatusCode;
use poem::{EndpointExt, Request, Response};
use pushi::core::service::Encryption;
use pushi::inbound::listen::{
    AcceptedStream, AcceptedUpgrade, AddressCheck, ClientInfo, ClientStream, Handlers,
    HttpConnections, ListenerRole, SessionFuture, StreamHandler, StreamHead, TlsSource,
    TrustedProxies, UpgradeCheck, UpgradeHandler, UpgradeHead, UpgradeRefusal, bind, serve,
};
use pushi::outbound::metrics::PrometheusMetrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Nothing that is waited for takes so long unless it is broken.
pub(crate) const BROKEN: Duration = Duration::from_secs(20);

/// Options of a listener; the default suits most tests.
pub(crate) struct Setup {
    pub tls: Option<TlsSource>,
    pub role: ListenerRole,
    pub handshake: Duration,
    pub http_idle: Duration,
    pub body: Duration,
    pub dropped_body_bytes: u64,
    pub drain: Duration,
    pub proxies: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tls: None,
            role: ListenerRole::Api,
            handshake: BROKEN,
            http_idle: BROKEN,
            body: BROKEN,
            dropped_body_bytes: 262_144,
            drain: BROKEN,
            proxies: "",
        }
    }
}

/// A handler without streams.
struct NoStreams;

impl StreamHandler for NoStreams {
    fn accept(&self, _: &StreamHead<'_>) -> Option<Box<dyn AcceptedStream>> {
        None
    }
}

/// A listener that runs.
pub(crate) struct Listener {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub sessions: TaskTracker,
    /// The number of requests waiting in `/wait`.
    pub waiting: Arc<Notify>,
    /// Resumes the requests in `/wait`.
    pub go_on: Arc<Notify>,
    pub serving: JoinHandle<()>,
}

impl Setup {
    pub(crate) async fn start(self) -> Listener {
        let (waiting, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (stop, sessions) = (CancellationToken::new(), TaskTracker::new());
        let handlers = Handlers {
            upgrades: Arc::new(Echoes),
            streams: Arc::new(NoStreams),
            endpoint: endpoint(Arc::clone(&waiting), Arc::clone(&go_on)),
            proxies: TrustedProxies::new(
                self.proxies
                    .split(',')
                    .filter_map(|network| network.parse().ok())
                    .collect(),
            ),
            http_connections: Arc::new(HttpConnections::new(
                0,
                0,
                Arc::new(PrometheusMetrics::new().unwrap()),
            )),
            handshakes: Arc::new(HttpConnections::handshakes(Arc::new(
                PrometheusMetrics::new().unwrap(),
            ))),
            handshake_timeout: self.handshake,
            http_idle_timeout: self.http_idle,
            body_timeout: self.body,
            dropped_body_bytes: self.dropped_body_bytes,
            drain_timeout: self.drain,
            sessions: sessions.clone(),
        };
        let bound = bind("127.0.0.1", 0).await.unwrap();
        let address = bound.local_addr();
        let serving = tokio::spawn(serve(
            bound,
            self.role,
            self.tls,
            Arc::new(handlers),
            stop.clone(),
        ));
        Listener {
            address,
            stop,
            sessions,
            waiting,
            go_on,
            serving,
        }
    }
}

impl Listener {
    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Opens a connection, sends `bytes`, and returns everything until it is closed.
    pub(crate) async fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.rest().await
    }
}

/// A client of plain bytes.
pub(crate) struct Client(pub TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(BROKEN, self.0.read_to_end(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Reads up to and including `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            let byte = timeout(BROKEN, self.0.read_u8()).await.unwrap();
            bytes.push(
                byte.unwrap_or_else(|_| {
                    panic!("closed behind {:?}", String::from_utf8_lossy(&bytes))
                }),
            );
        }
        String::from_utf8(bytes).unwrap()
    }
}

/// `/echo` returns the body, `/client` the client, `/wait` answers when resumed, `/panic` panics.
fn endpoint(waiting: Arc<Notify>, go_on: Arc<Notify>) -> poem::endpoint::BoxEndpoint<'static> {
    make(move |mut request: Request| {
        let (waiting, go_on) = (Arc::clone(&waiting), Arc::clone(&go_on));
        async move {
            let text = match request.uri().path() {
                "/echo" => request.take_body().into_string().await?,
                "/client" => {
                    let (client, role) = (
                        request.data::<ClientInfo>().unwrap(),
                        request.data::<ListenerRole>().unwrap(),
                    );
                    format!(
                        "{} {} {} {role:?} {}",
                        client.ip,
                        client.secure,
                        client.forwarded,
                        request.scheme()
                    )
                }
                "/wait" => {
                    waiting.notify_one();
                    go_on.notified().await;
                    "waited".to_owned()
                }
                "/refuse" => {
                    return Ok(Response::builder()
                        .status(StatusCode::PAYLOAD_TOO_LARGE)
                        .body("too large"));
                }
                "/panic" => panic!("asked for"),
                other => other.to_owned(),
            };
            Ok::<_, poem::Error>(Response::builder().body(text))
        }
    })
    .boxed()
}

/// Sends the request head on the WebSocket, then echoes bytes until the client closes.
struct Echoes;

struct Echo(String);

impl UpgradeHandler for Echoes {
    fn accept(&self, head: &UpgradeHead<'_>) -> Result<Box<dyn AcceptedUpgrade>, UpgradeRefusal> {
        if head.path == "/" {
            return Err(UpgradeRefusal {
                status: 404,
                name: "NotFound",
                message: "the path names no key".into(),
            });
        }
        let query = head.query.unwrap_or("-");
        let origin = head.origin.as_deref().unwrap_or("-");
        Ok(Box::new(Echo(format!(
            "{} {query} {origin} {} {}\n",
            head.path,
            head.ip,
            head.encryption == Encryption::Tls
        ))))
    }

    fn is_address<'a>(&'a self, _: &'a str) -> AddressCheck<'a> {
        Box::pin(std::future::ready(false))
    }
}

impl AcceptedUpgrade for Echo {
    fn check(&mut self) -> Option<UpgradeCheck<'_>> {
        let evil = self.0.contains("https://evil");
        let refusal = UpgradeRefusal {
            status: 403,
            name: "Forbidden",
            message: "not from there".into(),
        };
        evil.then(|| -> UpgradeCheck<'_> {
            Box::pin(async {
                tokio::task::yield_now().await;
                Some(refusal)
            })
        })
    }

    fn run(self: Box<Self>, mut stream: ClientStream) -> SessionFuture {
        Box::pin(async move {
            stream.write_all(self.0.as_bytes()).await.unwrap();
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..read]).await.unwrap();
            }
        })
    }
}
