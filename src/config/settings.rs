//! The validated configuration. Secrets are hidden in `Debug`.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::url::{BusUrl, StoreUrl};
use super::variables::Variable;
use crate::core::model::{AppIdent, Limits, MailAccount, Secret};

/// All settings of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Listeners and trusted proxies.
    pub listen: ListenSettings,
    /// The database.
    pub store: StoreSettings,
    /// The bus that connects the nodes; `None`: single node.
    pub bus: Option<BusUrl>,
    /// Authentication and authorization.
    pub access: AccessSettings,
    /// Limits for clients; 0 is unlimited.
    pub limits: Limits,
    /// Timeouts and intervals.
    pub times: TimeSettings,
    /// Webhook delivery.
    pub webhooks: WebhookSettings,
    /// Messages to targets outside the connections.
    pub notifications: NotificationSettings,
    /// Log output.
    pub log: LogSettings,
}

/// Listeners and trusted proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSettings {
    /// The listener of the REST API (`APP_…`).
    pub api: Listener,
    /// The listener of WebSocket connections (`SERVER_…`); `None`: `api` accepts both.
    pub server: Option<Listener>,
    /// Networks of proxies whose `X-Forwarded-…` headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The path below which a proxy serves the server, such as `/realtime`.
    pub path_prefix: Option<String>,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// An IP address (without brackets) or a host name.
    pub host: String,
    /// 0: the operating system chooses a free port.
    pub port: u16,
    /// `None`: no TLS.
    pub tls: Option<TlsSettings>,
    /// The variables that these values come from, for error texts.
    pub source: ListenerVariables,
}

/// The variables that configure a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerVariables {
    /// The host, such as `APP_HOST` or an alias.
    pub host: Variable,
    /// The port, such as `APP_PORT` or an alias.
    pub port: Variable,
    /// Enables TLS.
    pub ssl: Variable,
    /// The path of the private key.
    pub key: Variable,
    /// The path of the certificate chain.
    pub cer: Variable,
}

/// The paths of a PEM certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The private key, not encrypted.
    pub key: PathBuf,
    /// The certificate chain, the server's own certificate first.
    pub cer: PathBuf,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The address of the database.
    pub url: StoreUrl,
    /// The variable that the URL comes from, for error texts.
    pub variable: Variable,
    /// The timeout of a call.
    pub timeout: Duration,
    /// The size of the connection pool, at least 1.
    pub pool: u32,
    /// Whether rows of `pushi_publish` are published.
    pub publish_rows: bool,
    /// The maximum age of persisted events; `None`: unlimited.
    pub retention: Option<Duration>,
    /// The maximum number of persisted events per channel; `None`: unlimited.
    pub retention_events: Option<u64>,
}

/// Authentication and authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSettings {
    /// The bearer token of the administrator; `None`: routes that need it answer 403.
    pub admin_token: Option<Secret>,
    /// Whether `POST /apps` needs no authentication.
    pub open_registration: bool,
    /// The app to create or update at startup.
    pub app: Option<BootstrapApp>,
    /// Patterns of allowed `Origin` headers, in normal form (`core::model::origin`); empty: any.
    pub allowed_origins: Vec<String>,
    /// The lifetime of a session token.
    pub session_ttl: Duration,
    /// The longest time until a token of a user expires.
    pub max_token_ttl: Duration,
    /// Whether the server signs subscriptions for the example page without authentication.
    pub demo: bool,
    /// Whether the console is served.
    pub console: bool,
    /// Whether the console is also served without TLS to other machines.
    pub insecure_console: bool,
}

impl AccessSettings {
    /// Whether an empty database gets an app at startup: none is configured, and none could be
    /// created through the API.
    pub fn needs_first_app(&self) -> bool {
        self.admin_token.is_none() && !self.open_registration && self.app.is_none()
    }
}

/// An app that the server creates or updates at startup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapApp {
    /// The public identifier, by which a stored app is found.
    pub ident: AppIdent,
    /// The public key, which replaces that of a stored app.
    pub key: String,
    /// The secret, which replaces that of a stored app.
    pub secret: Secret,
    /// `None`: a new app is named after its ident, and a stored app keeps its name.
    pub name: Option<String>,
    /// The credentials come from variables of another server, so that the clients speak the Pusher
    /// protocol.
    pub pusher_clients: bool,
}

/// Timeouts and intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSettings {
    /// The timeout of the TLS handshake and the HTTP request head together.
    pub handshake: Duration,
    /// The timeout of a whole HTTP request body.
    pub body: Duration,
    /// Without a frame from the client for this long, the server sends a ping.
    pub activity: Duration,
    /// Without a message for this long, a connection is closed; `None`: never.
    pub idle: Option<Duration>,
    /// The time in which a client must take the next part of an answer.
    pub answer: Duration,
    /// The period over which a shutdown closes the connections.
    pub drain: Duration,
    /// Without a heartbeat for this long, a node is considered dead.
    pub node_lease: Duration,
}

/// Webhook delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookSettings {
    /// The timeout of one HTTP request.
    pub timeout: Duration,
    /// The period in which a failed delivery is retried; zero: no retries.
    pub retry: Duration,
    /// Whether URLs may resolve to private addresses.
    pub allow_private: bool,
}

/// Messages to targets outside the connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationSettings {
    /// Whether registered targets are notified.
    pub enabled: bool,
    /// The period in which a failed notification is retried; zero: no retries.
    pub retry: Duration,
    /// The timeout of one attempt.
    pub timeout: Duration,
    /// The operator's contact for push services, with its scheme.
    pub contact: Option<String>,
    /// The time for which push services keep a message; seconds that fit into 32 bits.
    pub web_push_ttl: Duration,
    /// The operator's mail server.
    pub mail: Option<MailAccount>,
    /// The address in place of Apple's push service.
    pub apns_url: Option<String>,
    /// The address under which people reach the REST API, without a slash at its end.
    pub public_url: Option<String>,
}

/// Log output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// A valid filter of `tracing_subscriber::EnvFilter`.
    pub filter: String,
    /// Whether each line is a JSON object instead of text.
    pub json: bool,
}
