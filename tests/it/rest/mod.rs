//! The REST API in process: its endpoint, stores in memory, and a client that checks every answer against the document.

mod apps;
mod asyncapi;
mod compression;
mod connecting;
mod console;
mod console_pages;
mod cookie;
mod credentials;
mod document;
mod events;
mod failed_logins;
mod forms;
mod health;
mod lists;
mod messaging;
mod requests;
mod secret_rotation;
mod sessions;
mod settings;
mod sockets;
mod subscriptions;
mod target_kinds;
mod targets;
mod token_keys;
mod user_tokens;

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Method};
use poem::{Body, Endpoint, EndpointExt, Request, Response};
use pushi::core::model::{App, AppIdent, NewApp, Secret};
use pushi::core::ports::Stores;
use pushi::core::service::Service;
use pushi::inbound::listen::{ClientInfo, ListenerRole};
use pushi::inbound::rest::{RestRules, document, endpoint};
use pushi::outbound::storage::memory;
use pushi_test_support::{
    Composition, FaultyStore, ManualClock, ServerSetup, senders, webhook_sender,
};
use serde_json::Value;

pub(crate) const ADMIN: &str = "administrators-token";

/// The document, parsed.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&document()).unwrap());

/// Options of the API; the default suits most tests.
pub(crate) struct Setup {
    pub admin_token: Option<&'static str>,
    pub open_registration: bool,
    pub allowed_origins: Vec<String>,
    pub body_bytes: u64,
    pub path_prefix: Option<&'static str>,
    pub queued_bytes: u64,
    /// Whether messages go to private addresses, and the timeout of an attempt.
    pub allow_private: bool,
    pub notify_timeout: Duration,
    /// The operator's contact for push services.
    pub contact: Option<&'static str>,
    pub is_public: Option<fn(IpAddr) -> bool>,
    pub console: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            admin_token: Some(ADMIN),
            open_registration: false,
            allowed_origins: Vec::new(),
            body_bytes: 262_144,
            path_prefix: None,
            queued_bytes: 16_777_216,
            allow_private: true,
            notify_timeout: Duration::from_secs(10),
            contact: None,
            is_public: None,
            console: true,
        }
    }
}

/// The API with one app, and a session token of it.
pub(crate) struct Api {
    endpoint: BoxEndpoint<'static>,
    pub service: Arc<Service>,
    pub store: Arc<FaultyStore>,
    pub stores: Stores,
    pub clock: Arc<ManualClock>,
    pub ready: Arc<AtomicBool>,
    pub app: Arc<App>,
    pub token: String,
}

impl Setup {
    pub(crate) async fn start(self) -> Api {
        let stores = memory::open();
        let store = FaultyStore::over(&stores);
        let mut server = ServerSetup::over(&stores);
        let clock = Arc::new(ManualClock::at_micros(1_795_337_092_270_000));
        server.ports.stores.apps = store.clone();
        server.ports.notifier = webhook_sender(false, Duration::from_secs(5));
        server.ports.senders = senders(self.allow_private, self.notify_timeout);
        server.ports.clock = clock.clone();
        server.rules.messages.timeout = self.notify_timeout;
        server.rules.messages.contact = self.contact.map(str::to_owned);
        server.rules.limits.body_bytes = self.body_bytes;
        server.rules.limits.queued_bytes = self.queued_bytes;
        server.ports.stores.events = store.clone();
        let Composition {
            service, metrics, ..
        } = server.compose();
        let appends = Arc::clone(&service.parts().appends);
        tokio::spawn(async move { appends.run(std::future::pending()).await });
        let app = create(&service, "shop").await;
        let token = service.create_session(&app.ident).await.unwrap().text;
        let ready = Arc::new(AtomicBool::new(true));
        let rules = RestRules {
            admin_token: self.admin_token.map(Secret::new),
            open_registration: self.open_registration,
            allowed_origins: self.allowed_origins,
            websocket_address: Some("127.0.0.1:9090".into()),
            ready: Arc::clone(&ready),
            version: "1.2.3".into(),
            is_public: self.is_public,
            path_prefix: self.path_prefix.map(str::to_owned),
            demo: None,
            console: self.console,
            insecure_console: false,
        };
        let endpoint = endpoint(
            Arc::clone(&service),
            rules,
            Box::new(move |gauges| metrics.render(gauges)),
        )
        .boxed();
        Api {
            endpoint,
            service,
            store,
            stores,
            clock,
            ready,
            app,
            token,
        }
    }
}

/// Creates an app whose key and secret follow from its ident.
pub(crate) async fn create(service: &Service, ident: &str) -> Arc<App> {
    let new = NewApp {
        name: format!("The {ident}"),
        ident: Some(AppIdent::parse(ident).unwrap()),
        key: Some(format!("{ident}-key")),
        secret: Some(Secret::new(format!("{ident}-secret"))),
        ..NewApp::default()
    };
    service.create_app(new).await.unwrap()
}

/// The API with default options.
pub(crate) async fn start() -> Api {
    Setup::default().start().await
}

impl Api {
    /// A request that shows nothing.
    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let elsewhere = ClientInfo {
            ip: IpAddr::from([203, 0, 113, 9]),
            secure: false,
            forwarded: false,
        };
        let uri = path.parse().unwrap();
        Ask {
            api: self,
            method,
            uri,
            headers: HeaderMap::new(),
            body: Body::empty(),
            client: elsewhere,
            role: ListenerRole::Api,
        }
    }

    /// A request of the app's session.
    pub(crate) fn session(&self, method: Method, path: &str) -> Ask<'_> {
        self.ask(method, path).bearer(&self.token)
    }

    /// A request of the administrator.
    pub(crate) fn admin(&self, method: Method, path: &str) -> Ask<'_> {
        self.ask(method, path).bearer(ADMIN)
    }

    /// Publishes with the app's session, which must succeed.
    pub(crate) async fn publish(&self, body: Value) {
        let reply = self
            .session(Method::POST, "/events")
            .json(&body)
            .send()
            .await;
        assert_eq!(
            (reply.status, reply.text.as_str()),
            (200, r#"{"result":"success"}"#),
            "{body}"
        );
    }

    /// The events that a query finds.
    pub(crate) async fn events(&self, query: &str) -> Vec<Value> {
        let reply = self
            .session(Method::GET, &format!("/events{query}"))
            .send()
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["events"].as_array().unwrap().clone()
    }
}

/// A request that is being put together.
pub(crate) struct Ask<'a> {
    api: &'a Api,
    method: Method,
    uri: poem::http::Uri,
    headers: HeaderMap,
    body: Body,
    pub client: ClientInfo,
    pub role: ListenerRole,
}

impl Ask<'_> {
    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(
            name,
            poem::http::HeaderValue::from_bytes(value.as_ref()).unwrap(),
        );
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// A body with its length and type.
    pub(crate) fn body(self, content_type: &str, text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        let ask = self
            .header("content-type", content_type)
            .header("content-length", text.len().to_string());
        Self {
            body: Body::from(text),
            ..ask
        }
    }

    /// A body without a type.
    pub(crate) fn untyped(self, text: Vec<u8>) -> Self {
        Self {
            body: Body::from(text),
            ..self
        }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A chunked JSON body without a content length.
    pub(crate) fn pieces(self, pieces: Vec<Vec<u8>>) -> Self {
        let pieces = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        Self {
            body: Body::from_bytes_stream(pieces),
            ..self.header("content-type", "application/json")
        }
    }

    /// Sends the request, and leaves the answer's body unread.
    pub(crate) async fn unread(self) -> Response {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.uri)
            .body(self.body);
        *request.headers_mut() = self.headers;
        request.extensions_mut().insert(self.client);
        request.extensions_mut().insert(self.role);
        self.api.endpoint.get_response(request).await
    }

    pub(crate) async fn send(self) -> Reply {
        let (method, uri) = (self.method.clone(), self.uri.clone());
        let (parts, body) = self.unread().await.into_parts();
        let signed = operation(&method, uri.path())
            .is_some_and(|operation| operation["security"][0].get("pusherSignature").is_some());
        let challenge = if signed { "Pusher-Signature" } else { "Bearer" };
        let reply = Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: body.into_string().await.unwrap(),
            challenge,
        };
        reply.keeps_to_the_document(&method, uri.path());
        reply
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The expected scheme in `WWW-Authenticate` of a 401.
    challenge: &'static str,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is an error in its full form; answers its message.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        let body = self.json();
        let members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["result", "name", "message", "code", "uid"]);
        assert_eq!(
            (&body["result"], &body["code"]),
            (&"error".into(), &status.into())
        );
        assert_eq!(body["uid"].as_str().unwrap().len(), 32);
        assert!(!body["name"].as_str().unwrap().is_empty());
        assert_eq!(
            self.header("www-authenticate"),
            if status == 401 { self.challenge } else { "" }
        );
        assert_eq!(
            self.header("retry-after"),
            if matches!(status, 429 | 503) { "1" } else { "" }
        );
        body["message"].as_str().unwrap().into()
    }

    fn keeps_to_the_document(&self, method: &Method, path: &str) {
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        let Some(operation) = operation(method, path) else {
            return;
        };
        assert_eq!(self.header("cache-control"), "no-store");
        if self.status == 500 {
            return;
        }
        let mut response = &operation["responses"][self.status.to_string()];
        if let Some(name) = response["$ref"].as_str() {
            response = DOCUMENT.pointer(name.trim_start_matches('#')).unwrap();
        }
        let content = &response["content"];
        let documented = content.get(self.header("content-type")).is_some();
        assert!(
            documented,
            "{method} {path} answered {}, which its document does not know: {self:?}",
            self.status
        );
    }
}

/// The operation of a method and path in the document.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let fits = |route: &str| {
        let (route, path): (Vec<_>, Vec<_>) =
            (route.split('/').collect(), path.split('/').collect());
        route.len() == path.len()
            && route
                .iter()
                .zip(&path)
                .all(|(part, given)| part.starts_with('{') || part == given)
    };
    let mut routes: Vec<_> = DOCUMENT["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(route, _)| fits(route))
        .collect();
    routes.sort_by_key(|(route, _)| route.matches('{').count());
    routes.first()?.1.get(method.as_str().to_lowercase())
}
