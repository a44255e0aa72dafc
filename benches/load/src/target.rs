//! The server under load: the flags that all commands share, and the addresses and credentials that
//! follow from them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::auth::{Credentials, Secret};
use crate::error::BenchError;
use crate::login::session_token;
use crate::net::connection::TlsTarget;
use crate::net::tls;
use crate::protocol::{Dialect, Protocol};
use crate::server_config::{Required, ServerConfig};

/// The schemes of WebSocket and HTTP URLs: without TLS, with TLS.
const WEBSOCKET: [&str; 2] = ["ws", "wss"];
const HTTP: [&str; 2] = ["http", "https"];

/// The query of a Pusher client.
const PUSHER_QUERY: &str = concat!(
    "protocol=7&client=pushi-bench&version=",
    env!("CARGO_PKG_VERSION")
);

/// The flags that select the server and control the connections.
#[derive(clap::Args)]
pub(crate) struct TargetArgs {
    /// WebSocket address: ws://… or wss://… with the app key as its path; behind /app/ clients
    /// speak the Pusher protocol [default: from the configuration of the server]
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// REST API, http://… or https://… [default: the address of --url, or from the configuration]
    #[arg(long, value_name = "URL")]
    pub(crate) rest: Option<String>,
    /// Speak the Pusher protocol where the URL does not decide it
    #[arg(long)]
    pusher: bool,
    /// Accept any TLS certificate
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Number of loopback addresses to connect from, 127.0.1.1 and up (0: the kernel chooses)
    /// [default: 8 towards 127.0.0.1 on Linux]
    #[arg(long, value_name = "N")]
    sources: Option<u8>,
    /// Limit of connections being opened at the same time
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) in_flight: usize,
    /// Seconds until all clients must be connected
    #[arg(long, default_value = "60", value_parser = seconds, value_name = "S")]
    pub(crate) patience: Duration,
    /// Process id of the server on this machine, to report its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ServerConfig,
}

/// Parses a duration in seconds, at most an hour.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "it must be seconds, from 0 to 3600".to_owned())
}

/// How events are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Via {
    /// Clients, over their WebSockets
    Websocket,
    /// POST /events, with a session token
    Events,
    /// The signed POST of the Pusher HTTP API
    Pusher,
}

/// A resolved URL.
pub(crate) struct ServerAddress {
    pub(crate) socket: SocketAddr,
    /// `None`: no TLS.
    pub(crate) tls: Option<TlsTarget>,
    /// The value of the `Host` header.
    pub(crate) host: String,
    /// Path and query, without a slash at the end.
    pub(crate) path: String,
}

/// The HTTP API to publish to.
pub(crate) struct PublishApi {
    pub(crate) address: ServerAddress,
    pub(crate) auth: PublishAuth,
}

/// The authentication of publish requests. It holds secrets, so it has no `Debug`.
pub(crate) enum PublishAuth {
    /// A session token, for `POST /events`.
    Token(Secret),
    /// The credentials that sign each request to the Pusher HTTP API.
    Signature(Credentials),
}

/// The server under load.
pub(crate) struct Target {
    /// The WebSocket URL without its query, for reports and errors.
    pub(crate) url: String,
    pub(crate) address: ServerAddress,
    pub(crate) protocol: Protocol,
    /// `None`: clients publish, or nothing does.
    pub(crate) api: Option<PublishApi>,
    /// Local addresses to connect from, in turn; empty: the kernel chooses.
    pub(crate) sources: Vec<IpAddr>,
}

/// The app key and the dialect that the path of a WebSocket URL selects.
#[derive(Debug, PartialEq, Eq)]
struct AppPath {
    key: String,
    pusher: bool,
}

impl AppPath {
    /// The last segment is the key; `/app/` before it selects the Pusher protocol. `None`: there is
    /// no key.
    fn parse(path: &str) -> Option<Self> {
        let mut segments = path.rsplit('/');
        let key = segments.next().filter(|key| !key.is_empty())?;
        Some(Self {
            key: percent_decode_str(key).decode_utf8().ok()?.into_owned(),
            pusher: segments.next() == Some("app"),
        })
    }
}

impl TargetArgs {
    /// Resolves the addresses and collects the credentials. `via`: how the run publishes, if it
    /// does; `signed`: subscriptions need signatures.
    ///
    /// # Errors
    ///
    /// An address is invalid or unknown, credentials are missing, or the login at the REST API
    /// fails.
    pub(crate) async fn target(
        &self,
        via: Option<Via>,
        signed: bool,
    ) -> Result<Target, BenchError> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => self.config.websocket_url()?,
        };
        let mut address = ServerAddress::resolve(&url, WEBSOCKET, self.insecure)?;
        let (path, query) = match address.path.split_once('?') {
            Some((path, query)) => (path.to_owned(), query),
            None => (address.path.clone(), ""),
        };
        let app = AppPath::parse(&path);
        let pusher = self.pusher || app.as_ref().is_some_and(|app| app.pusher);
        let over_http = via.is_some_and(|via| via != Via::Websocket);
        let by_client = via == Some(Via::Websocket);
        let required = Required {
            app_id: over_http,
            secret: signed || over_http || (by_client && pusher),
        };
        let url_key = app.as_ref().map(|app| app.key.as_str());
        let credentials = self.config.credentials(url_key, required)?;
        if url_key.is_some_and(|key| key != credentials.key) {
            return Err(BenchError::run(
                "the key in --url is not that of the app: give --app-id, --app-key and --app-secret",
            ));
        }
        let key = &credentials.key;
        match &app {
            None if pusher => address.path = format!("{path}/app/{key}?{PUSHER_QUERY}"),
            None => address.path = format!("{path}/{key}"),
            Some(app) if app.pusher && !has_supported_version(query) => {
                address.path = format!("{path}?{PUSHER_QUERY}");
            }
            Some(_) => {}
        }
        let protocol = Protocol {
            dialect: if pusher {
                Dialect::Pusher
            } else {
                Dialect::Pushi
            },
            key: key.clone(),
            secret: Some(credentials.secret.clone()).filter(|secret| !secret.expose().is_empty()),
        };
        let api = match via {
            Some(via) if over_http => Some(self.publish_api(via, &url, credentials).await?),
            _ => None,
        };
        let scheme = if address.tls.is_some() { "wss" } else { "ws" };
        let path = address.path.split('?').next().unwrap_or_default();
        Ok(Target {
            url: format!("{scheme}://{}{path}", address.host),
            protocol,
            api,
            sources: self.sources(address.socket),
            address,
        })
    }

    async fn publish_api(
        &self,
        via: Via,
        websocket_url: &str,
        credentials: Credentials,
    ) -> Result<PublishApi, BenchError> {
        let url = self.api_url(websocket_url)?;
        let address = ServerAddress::resolve(&url, HTTP, self.insecure)?;
        let auth = match via {
            Via::Pusher => PublishAuth::Signature(credentials),
            Via::Events | Via::Websocket => {
                PublishAuth::Token(session_token(&url, self.insecure, &credentials).await?)
            }
        };
        Ok(PublishApi { address, auth })
    }

    /// The URL of the REST API beside this WebSocket URL.
    ///
    /// # Errors
    ///
    /// An address is invalid.
    pub(crate) fn api_url(&self, websocket_url: &str) -> Result<String, BenchError> {
        match (&self.rest, &self.url) {
            (Some(rest), _) => Ok(rest.clone()),
            (None, Some(_)) => api_at(websocket_url),
            (None, None) => self.config.api_url(),
        }
    }

    fn sources(&self, server: SocketAddr) -> Vec<IpAddr> {
        if !server.ip().is_loopback() || !server.is_ipv4() {
            return Vec::new();
        }
        // Only on Linux all of 127.0.0.0/8 is usable without configuration.
        let default = if cfg!(target_os = "linux") { 8 } else { 0 };
        (0..self.sources.unwrap_or(default))
            .map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 1, n.saturating_add(1))))
            .collect()
    }
}

impl ServerAddress {
    /// Parses a URL with one of the schemes (without TLS, with TLS) and looks its host up.
    fn resolve(text: &str, schemes: [&str; 2], insecure: bool) -> Result<Self, BenchError> {
        let url = parse_url(text, schemes)?;
        let name = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(invalid_url(text, schemes)),
        };
        let unresolved = |reason: String| BenchError::Run(format!("{name}: {reason}"));
        let socket = url
            .socket_addrs(|| None)
            .map_err(|error| unresolved(error.to_string()))?
            .into_iter()
            .next()
            .ok_or_else(|| unresolved("no address found".to_owned()))?;
        let tls = if url.scheme() == schemes[1] {
            Some(TlsTarget {
                config: tls::client_config(insecure).map_err(BenchError::run)?,
                server_name: ServerName::try_from(name).map_err(|_| invalid_url(text, schemes))?,
            })
        } else {
            None
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self {
            socket,
            tls,
            host: authority(&url),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

fn parse_url(text: &str, schemes: [&str; 2]) -> Result<Url, BenchError> {
    let url = Url::parse(text).ok();
    url.filter(|url| schemes.contains(&url.scheme()) && url.has_host())
        .ok_or_else(|| invalid_url(text, schemes))
}

fn invalid_url(text: &str, [plain, secure]: [&str; 2]) -> BenchError {
    BenchError::Run(format!(
        "{text:?} is not an address that begins with {plain}:// or {secure}://"
    ))
}

/// Host and port without user info.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The REST API at the address of the WebSocket: a Pushi listener serves both.
fn api_at(websocket_url: &str) -> Result<String, BenchError> {
    let url = parse_url(websocket_url, WEBSOCKET)?;
    let scheme = if url.scheme() == "wss" {
        "https"
    } else {
        "http"
    };
    Ok(format!("{scheme}://{}", authority(&url)))
}

/// Whether a query names a version of the Pusher protocol that servers accept.
fn has_supported_version(query: &str) -> bool {
    query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("protocol="))
        .any(|version| matches!(version, "5" | "6" | "7"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_resolved() {
        let plain =
            ServerAddress::resolve("ws://127.0.0.1:9/app/k?protocol=7", WEBSOCKET, false).unwrap();
        assert_eq!(
            (
                plain.socket.to_string(),
                plain.path.as_str(),
                plain.tls.is_none()
            ),
            ("127.0.0.1:9".into(), "/app/k?protocol=7", true)
        );
        let secure = ServerAddress::resolve("https://u:p@[::1]/", HTTP, true).unwrap();
        assert_eq!(
            (
                secure.socket.to_string(),
                secure.host.as_str(),
                secure.path.as_str()
            ),
            ("[::1]:443".into(), "[::1]", "")
        );
        assert!(secure.tls.is_some());
        assert!(
            ServerAddress::resolve("http://127.0.0.1", WEBSOCKET, false).is_err()
                && ServerAddress::resolve("nonsense", WEBSOCKET, false).is_err()
        );
        assert_eq!(
            api_at("wss://a.example:1/app/k"),
            Ok("https://a.example:1".into())
        );
    }

    #[test]
    fn the_path_selects_key_and_dialect() {
        let app = |key: &str, pusher| {
            Some(AppPath {
                key: key.to_owned(),
                pusher,
            })
        };
        assert_eq!(AppPath::parse("/k"), app("k", false));
        assert_eq!(AppPath::parse("/base/app/a%20b"), app("a b", true));
        assert_eq!((AppPath::parse(""), AppPath::parse("/app/")), (None, None));
        assert!(has_supported_version("client=js&protocol=7"));
        assert!(!has_supported_version("protocol=4") && !has_supported_version(""));
    }

    #[test]
    fn seconds_have_bounds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(
            ["-1", "3601", "NaN", "x", ""]
                .into_iter()
                .all(|text| seconds(text).is_err())
        );
    }
}
