//! What is loaded: the flags that all benches share, and what they mean.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use poem::http::Uri;
use rustls::pki_types::ServerName;

use super::wire::line::Tls;
use super::wire::trust;
use super::wire::words::Words;
use crate::cli::address::{api_url, socket_url};
use crate::cli::api::Api;
use crate::cli::chosen::{Chosen, Credentials};
use crate::cli::failure::Failure;
use crate::cli::workbench::settings;
use crate::config::{Raw, Settings, variables};
use crate::core::model::Secret;
use crate::core::ports::DialectId;
use crate::inbound::websocket::{Destination, destination};

/// Which server, and with what.
#[derive(clap::Args)]
pub struct Aim {
    /// Where clients connect: ws://… or wss://…, the app's key as its path; behind /app/ they speak the Pusher dialect. What is
    /// missing comes from the configuration
    #[arg(long)]
    url: Option<String>,
    /// The REST API, http://… or https://…; at the address of --url, if it is not given
    #[arg(long, value_name = "URL")]
    rest: Option<String>,
    /// Speak the Pusher dialect, where the URL does not say which
    #[arg(long)]
    pusher: bool,
    /// Take any certificate
    #[arg(long)]
    insecure: bool,
    /// How many loopback addresses to connect from, 127.0.0.2 and so on (0: the kernel chooses) [default: 8 towards 127.0.0.1 on Linux]
    #[arg(long, value_name = "N")]
    sources: Option<u8>,
    /// At most so many connections on their way at once
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub in_flight: usize,
    /// Seconds until all must be connected
    #[arg(long, default_value = "60", value_parser = seconds, value_name = "S")]
    pub patience: Duration,
    /// The server's process on this machine, to see what it costs
    #[arg(long)]
    pub pid: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    raw: Raw,
}

/// Seconds as people type them, up to an hour.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "it must be seconds, from 0 to 3600".to_owned())
}

/// What publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Via {
    /// Clients, over their WebSockets
    Websocket,
    /// POST /events, with a session token
    Events,
    /// The signed POST of the Pusher HTTP API
    Pusher,
}

/// An address with how to speak to it.
pub struct Place {
    /// Where it is.
    pub to: SocketAddr,
    /// `None`: plain.
    pub tls: Option<Tls>,
    /// As the request's `Host` says.
    pub host: String,
    /// The path in front, without a slash at its end, with the query.
    pub path: String,
}

/// Where publishing requests go, and what proves who sends them.
pub struct Rest {
    /// The API.
    pub place: Place,
    /// What is shown.
    pub proof: Proof,
}

/// What proves who publishes. It holds secrets, so it has no `Debug`.
pub enum Proof {
    /// A session token, for POST /events.
    Token(Secret),
    /// The app's credentials, which every request to the Pusher HTTP API is signed with.
    Signature(Credentials),
}

/// Everything about the server that is loaded.
pub struct Target {
    /// As it is shown.
    pub url: String,
    /// Where clients connect.
    pub place: Place,
    /// What they say.
    pub words: Words,
    /// Where publishing requests go, where there are any.
    pub rest: Option<Rest>,
    /// Where connections come from; empty: the kernel chooses.
    pub sources: Vec<IpAddr>,
}

impl Aim {
    /// Finds out everything. `via`: what publishes, where something does; `signed`: clients need signatures.
    pub async fn target(&self, via: Option<Via>, signed: bool) -> Result<Target, Failure> {
        let settings = settings(&self.raw)?;
        let listener = settings
            .listen
            .server
            .as_ref()
            .unwrap_or(&settings.listen.api);
        let url = self
            .url
            .clone()
            .unwrap_or_else(|| socket_url(listener, listener.port));
        let mut place = place(&url, ["ws", "wss"], self.insecure)?;
        let (path, query) = place
            .path
            .split_once('?')
            .map_or((place.path.as_str(), None), |(path, query)| {
                (path, Some(query))
            });
        let said = destination(path, query);
        let key = said.as_ref().map(|destination| match destination {
            Destination::Pushi(key) | Destination::Pusher(key, _) => key.clone(),
        });
        let rest = via.is_some_and(|via| via != Via::Websocket);
        let by_client = via == Some(Via::Websocket);
        let pusher = self.pusher || matches!(said, Some(Destination::Pusher(..)));
        let known = self
            .credentials(
                key.as_deref(),
                rest,
                signed || rest || (by_client && pusher),
                &settings,
            )
            .await?;
        if matches!(&key, Some(key) if *key != known.key) {
            return Err(Failure::command(
                "the key in --url is not that of the app: give --app-id, --app-key and --app-secret",
            ));
        }
        match said {
            None if pusher => place.path = format!("{}/app/{}?{VERSION}", place.path, known.key),
            None => place.path = format!("{}/{}", place.path, known.key),
            Some(Destination::Pusher(_, Some(_))) => place.path = format!("{path}?{VERSION}"),
            Some(_) => {}
        }
        let sources = self.sources(place.to);
        let dialect = if pusher {
            DialectId::Pusher
        } else {
            DialectId::Pushi
        };
        let secret = Some(known.secret.clone()).filter(|secret| !secret.expose().is_empty());
        let words = Words {
            dialect,
            key: known.key.clone(),
            secret,
        };
        let rest = match via {
            Some(via) if rest => Some(self.rest(via, &url, known, &settings).await?),
            _ => None,
        };
        let shown = place.path.split('?').next().unwrap_or_default();
        let scheme = if place.tls.is_some() { "wss" } else { "ws" };
        Ok(Target {
            url: format!("{scheme}://{}{shown}", place.host),
            place,
            words,
            rest,
            sources,
        })
    }

    /// The app's credentials, as far as they are needed; the rest is empty. The store is opened only for what was not given.
    async fn credentials(
        &self,
        key: Option<&str>,
        ident: bool,
        secret: bool,
        settings: &Settings,
    ) -> Result<Credentials, Failure> {
        let given = |variable| self.raw.get(variable).map(|text| text.trim().to_owned());
        if let (Some(key), false, false) = (key, ident, secret) {
            return Ok(Credentials {
                ident: String::new(),
                key: key.to_owned(),
                secret: Secret::new(""),
            });
        }
        let known = (
            given(&variables::PUSHI_APP_ID).or_else(|| (!ident).then(String::new)),
            given(&variables::PUSHI_APP_KEY).or_else(|| key.map(str::to_owned)),
            given(&variables::PUSHI_APP_SECRET).or_else(|| (!secret).then(String::new)),
        );
        match known {
            (Some(ident), Some(key), Some(secret)) => Ok(Credentials {
                ident,
                key,
                secret: Secret::new(secret),
            }),
            _ => Chosen::of(&self.raw).credentials(settings).await,
        }
    }

    async fn rest(
        &self,
        via: Via,
        sockets: &str,
        credentials: Credentials,
        settings: &Settings,
    ) -> Result<Rest, Failure> {
        let url = match (&self.rest, &self.url) {
            (Some(rest), _) => rest.clone(),
            (None, Some(_)) => beside(sockets)?,
            (None, None) => api_url(&settings.listen.api, settings.listen.api.port),
        };
        let place = place(&url, ["http", "https"], self.insecure)?;
        let proof = match via {
            Via::Pusher => Proof::Signature(credentials),
            Via::Events | Via::Websocket => Proof::Token(Secret::new(
                Api::new(&url, self.insecure)?.token(&credentials).await?,
            )),
        };
        Ok(Rest { place, proof })
    }

    fn sources(&self, to: SocketAddr) -> Vec<IpAddr> {
        // Of others all of 127/8 is not there without being set up.
        let usual = if cfg!(target_os = "linux") && to.is_ipv4() {
            8
        } else {
            0
        };
        let local = to.ip().is_loopback() && to.is_ipv4();
        let count = self.sources.unwrap_or(usual);
        if local {
            (0..count)
                .map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 1, n.saturating_add(1))))
                .collect()
        } else {
            Vec::new()
        }
    }
}

/// What a Pusher client says of itself.
const VERSION: &str = concat!(
    "protocol=7&client=pushi-bench&version=",
    env!("CARGO_PKG_VERSION")
);

/// The REST API where clients connect: a Pushi listener answers both.
fn beside(sockets: &str) -> Result<String, Failure> {
    let uri: Uri = sockets
        .parse()
        .map_err(|_| unusable(sockets, ["ws", "wss"]))?;
    let authority = uri
        .authority()
        .ok_or_else(|| unusable(sockets, ["ws", "wss"]))?;
    Ok(format!(
        "{}://{authority}",
        if uri.scheme_str() == Some("wss") {
            "https"
        } else {
            "http"
        }
    ))
}

/// Reads an address; `schemes`: the plain one, then that with TLS.
fn place(url: &str, schemes: [&str; 2], insecure: bool) -> Result<Place, Failure> {
    let wrong = || unusable(url, schemes);
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| schemes.contains(scheme))
        .ok_or_else(wrong)?;
    let secure = scheme == schemes[1];
    let authority = uri.authority().ok_or_else(wrong)?;
    let port = authority
        .port_u16()
        .unwrap_or(if secure { 443 } else { 80 });
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let mut found = (host, port)
        .to_socket_addrs()
        .map_err(|error| Failure::Command(format!("{host}: {error}")))?;
    let to = found
        .next()
        .ok_or_else(|| Failure::Command(format!("{host} has no address")))?;
    let tls = if secure {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
        Some(Tls {
            config: trust::client(insecure).map_err(Failure::command)?,
            name,
        })
    } else {
        None
    };
    let path = uri
        .path_and_query()
        .map_or("", |path| path.as_str())
        .trim_end_matches('/')
        .to_owned();
    Ok(Place {
        to,
        tls,
        host: authority
            .as_str()
            .rsplit('@')
            .next()
            .unwrap_or_default()
            .to_owned(),
        path,
    })
}

fn unusable(url: &str, [plain, secure]: [&str; 2]) -> Failure {
    Failure::Command(format!(
        "{url:?} is not an address that begins {plain}:// or {secure}://"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_how() {
        let plain = place("ws://127.0.0.1:9/app/k?protocol=7", ["ws", "wss"], false).unwrap();
        assert_eq!(
            (
                plain.to.to_string(),
                plain.path.as_str(),
                plain.tls.is_none()
            ),
            ("127.0.0.1:9".into(), "/app/k?protocol=7", true)
        );
        let secure = place("https://u:p@[::1]/", ["http", "https"], true).unwrap();
        assert_eq!(
            (
                secure.to.to_string(),
                secure.host.as_str(),
                secure.path.as_str()
            ),
            ("[::1]:443".into(), "[::1]", "")
        );
        assert!(secure.tls.is_some());
        assert!(
            place("http://127.0.0.1", ["ws", "wss"], false).is_err()
                && place("nonsense", ["ws", "wss"], false).is_err()
        );
        assert_eq!(
            beside("wss://a.example:1/app/k"),
            Ok("https://a.example:1".into())
        );
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
