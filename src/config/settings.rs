//! What the configuration means, in types that cannot be wrong. Secrets are hidden in `Debug`.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::url::{BusUrl, StoreUrl};
use super::variables::Variable;
use crate::core::model::{AppIdent, Limits, Secret};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the server listens.
    pub listen: ListenSettings,
    /// Where things are kept.
    pub store: StoreSettings,
    /// Where the nodes meet; `None`: the node is alone.
    pub bus: Option<BusUrl>,
    /// Who may do what.
    pub access: AccessSettings,
    /// What bounds clients; 0 is none.
    pub limits: Limits,
    /// How long things may take.
    pub times: TimeSettings,
    /// How webhooks are delivered.
    pub webhooks: WebhookSettings,
    /// What is logged.
    pub log: LogSettings,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSettings {
    /// For the REST API (`APP_…`).
    pub api: Listener,
    /// For WebSocket (`SERVER_…`); `None`: the first is for both.
    pub server: Option<Listener>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// An IP address (without brackets) or a host name.
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
    /// `None`: plain.
    pub tls: Option<TlsFiles>,
    /// The variables that said so, for complaints.
    pub said_by: ListenerVariables,
}

/// The variables of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerVariables {
    /// Names its host.
    pub host: Variable,
    /// Names its port.
    pub port: Variable,
    /// Switches TLS on.
    pub ssl: Variable,
    /// Names the private key.
    pub key: Variable,
    /// Names the certificate chain.
    pub cer: Variable,
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The private key.
    pub key: PathBuf,
    /// The certificate chain, the server's own first.
    pub cer: PathBuf,
}

/// Where things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The store.
    pub url: StoreUrl,
    /// The variable that named it, for complaints.
    pub variable: Variable,
    /// How long a call may take.
    pub timeout: Duration,
    /// Connections to it, at least one.
    pub pool: u32,
    /// How long persisted events are kept; `None`: for ever.
    pub retention: Option<Duration>,
    /// How many persisted events of a channel are kept; `None`: all.
    pub retention_events: Option<u64>,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessSettings {
    /// Administers apps; `None`: nobody does.
    pub admin_token: Option<Secret>,
    /// Anybody may create apps.
    pub open_registration: bool,
    /// An app that is there after the start.
    pub app: Option<AppOfStart>,
    /// Browsers' origins that may connect, in lower case without a default port; empty: any.
    pub allowed_origins: Vec<String>,
    /// How long a session token is good.
    pub session_ttl: Duration,
    /// The example page finds a back end that signs for anybody.
    pub demo: bool,
}

impl AccessSettings {
    /// Whether nobody could make an app over the API, and none is configured: then an empty database gets one.
    pub fn nobody_could_make_apps(&self) -> bool {
        self.admin_token.is_none() && !self.open_registration && self.app.is_none()
    }
}

/// An app that is there after the start, created or updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppOfStart {
    /// Its public identifier.
    pub ident: AppIdent,
    /// Its public key.
    pub key: String,
    /// Its secret.
    pub secret: Secret,
    /// Its name; `None`: the ident, or what a stored one has.
    pub name: Option<String>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSettings {
    /// For TLS and the HTTP request head together.
    pub handshake: Duration,
    /// After so long a silent connection is pinged.
    pub activity: Duration,
    /// After so long a connection without a message is closed; `None`: never.
    pub idle: Option<Duration>,
    /// Over how long connections are closed at a shutdown.
    pub drain: Duration,
    /// After how long a silent node counts as dead.
    pub node_lease: Duration,
}

/// How webhooks are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookSettings {
    /// How long one delivery may take.
    pub timeout: Duration,
    /// How long a delivery is tried again; zero: it is tried once.
    pub retry: Duration,
    /// They may lead to private addresses.
    pub allow_private: bool,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// A filter that `tracing_subscriber::EnvFilter` reads.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}
