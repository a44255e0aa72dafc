//! WebSocket connections in both protocols.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connect::{STEP, Stream};
use super::report::Report;
use super::target::Target;
use crate::cli::app_selector::AppCredentials;
use crate::core::auth::channel_auth;

/// A key that no app has: the server's answer to it shows that the upgrade works.
const NO_KEY: &str = "pushi-doctor";

/// A channel whose subscription needs a signature. Nothing is published on it.
const CHANNEL: &str = "private-pushi-doctor";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Pushi,
    Pusher,
}

/// A connection that the server has accepted.
pub(super) struct ObservedConnection {
    socket: WebSocketStream<Stream>,
    protocol: Protocol,
    since: Instant,
    /// The number of silent seconds after which a client of Pusher sends a ping.
    activity_timeout: Option<u64>,
}

impl Protocol {
    pub(super) const ALL: [Self; 2] = [Self::Pusher, Self::Pushi];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pushi => "pushi",
            Self::Pusher => "pusher",
        }
    }

    fn url(self, target: &Target, key: &str) -> String {
        let scheme = if target.is_tls { "wss" } else { "ws" };
        let base = format!("{scheme}://{}{}", target.authority(), target.prefix);
        match self {
            Self::Pushi => format!("{base}/{key}"),
            Self::Pusher => {
                format!("{base}/app/{key}?protocol=7&client=pushi-doctor&version=1.0.0")
            }
        }
    }
}

/// Connects in this protocol; with credentials, also subscribes to a channel that needs a signature.
pub(super) async fn check(
    target: &Target,
    protocol: Protocol,
    credentials: Option<&AppCredentials>,
    stream: Stream,
    report: &mut Report,
) -> Option<ObservedConnection> {
    let name = protocol.name();
    let key = credentials.map_or(NO_KEY, |credentials| &credentials.key);
    let connecting = client_async(protocol.url(target, key), stream);
    let socket = match timeout(STEP, connecting).await {
        Ok(Ok((socket, _))) => socket,
        Ok(Err(error)) => {
            let (reason, fix) = refusal(&error);
            report.fail(name, reason, fix);
            return None;
        }
        Err(_) => {
            report.fail(
                name,
                format!("no answer to the upgrade in {} s", STEP.as_secs()),
                UPGRADE,
            );
            return None;
        }
    };
    let mut connection = ObservedConnection {
        socket,
        protocol,
        since: Instant::now(),
        activity_timeout: None,
    };
    let first = connection.frame(Instant::now() + STEP).await;
    let Some(credentials) = credentials else {
        match first {
            Some(_) => report.pass(name, "the upgrade works".to_owned()),
            None => report.fail(
                name,
                "the upgrade works, but no frame arrives".to_owned(),
                BUFFERING,
            ),
        }
        return None;
    };
    let Some(socket_id) = first
        .as_ref()
        .and_then(|frame| connection.established(frame))
    else {
        let (reason, fix) = match &first {
            Some(frame) => (
                format!(
                    "the connection is refused: {}",
                    data(frame)["message"].as_str().unwrap_or("no reason given")
                ),
                "check --app-key, and the settings of the app",
            ),
            None => (
                "the upgrade works, but no frame arrives".to_owned(),
                BUFFERING,
            ),
        };
        report.fail(name, reason, fix);
        return None;
    };
    connection.subscribe(credentials, &socket_id, report).await;
    Some(connection)
}

const UPGRADE: &str = "let the proxy pass the upgrade on: nginx needs proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade and \
    proxy_set_header ObservedConnection \"upgrade\"; Apache needs ProxyPass … upgrade=websocket (see deploy/nginx and deploy/haproxy)";

const BUFFERING: &str = "let the proxy pass frames on at once, without buffering them";

/// What is wrong where a connection was not upgraded, and what to do.
fn refusal(error: &Error) -> (String, &'static str) {
    let Error::Http(response) = error else {
        return (format!("the upgrade failed: {error}"), UPGRADE);
    };
    let status = response.status().as_u16();
    let fix = match status {
        502 | 504 => "start the server, and check the address that the proxy passes connections to",
        429 => {
            "a limit of connections is reached: see PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS, and set PUSHI_TRUSTED_PROXIES to the proxies"
        }
        503 => {
            "start the server where the proxy answers this itself; otherwise a limit is reached: see PUSHI_MAX_HTTP_CONNECTIONS"
        }
        401 | 403 => {
            "the proxy or the server refuses this address or origin: see PUSHI_ALLOWED_ORIGINS, and the rules of the proxy"
        }
        301..=308 => "give the address that it redirects to: clients do not follow redirects",
        _ => UPGRADE,
    };
    (
        format!("the upgrade is answered {status} instead of 101"),
        fix,
    )
}

/// The data of a frame, which is JSON in a string or an object.
fn data(frame: &Value) -> Value {
    match frame["data"].as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_default(),
        None => frame["data"].clone(),
    }
}

impl ObservedConnection {
    /// The next frame of the server; `None`: none arrives in time, or the connection has ended.
    async fn frame(&mut self, until: Instant) -> Option<Value> {
        loop {
            match timeout_at(until, self.socket.next()).await.ok()?? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The socket id in the first frame; `None`: it is an error.
    fn established(&mut self, frame: &Value) -> Option<String> {
        if frame["event"] != "pusher:connection_established" {
            return None;
        }
        let data = data(frame);
        self.activity_timeout = data["activity_timeout"].as_u64();
        data["socket_id"].as_str().map(str::to_owned)
    }

    async fn subscribe(
        &mut self,
        credentials: &AppCredentials,
        socket_id: &str,
        report: &mut Report,
    ) {
        let name = self.protocol.name();
        let auth = channel_auth(
            &credentials.key,
            &credentials.secret,
            socket_id,
            CHANNEL,
            None,
        );
        let frame =
            json!({"event": "pusher:subscribe", "data": {"channel": CHANNEL, "auth": auth}});
        let sent = self.socket.send(Message::text(frame.to_string())).await;
        let until = Instant::now() + STEP;
        let answer = match sent {
            Ok(()) => self.frame(until).await,
            Err(_) => None,
        };
        match answer {
            Some(frame) if frame["event"] == "pusher_internal:subscription_succeeded" => report
                .pass(
                    name,
                    "connects, and a signed subscription is accepted".to_owned(),
                ),
            Some(frame) => {
                let data = data(&frame);
                let reason = [&data["error"], &data["message"]].map(Value::as_str);
                let reason = reason
                    .into_iter()
                    .flatten()
                    .next()
                    .unwrap_or("no reason given");
                report.fail(
                    name,
                    format!("a signed subscription is refused: {reason}"),
                    "check --app-secret",
                );
            }
            None => report.fail(
                name,
                "connects, but a subscription is not answered".to_owned(),
                BUFFERING,
            ),
        }
    }

    /// Sends nothing until the server sends a ping: a proxy that closes the connection before has a shorter time-out.
    pub(super) async fn check_idle(mut self, limit: Duration, report: &mut Report) {
        let name = "idle";
        let until = self.since + limit;
        let activity_timeout = self.activity_timeout;
        loop {
            match timeout_at(until, self.socket.next()).await {
                Err(_) => {
                    let known = activity_timeout.is_some_and(|known| known <= limit.as_secs());
                    let message = format!(
                        "an idle connection lives for {} s and longer",
                        limit.as_secs()
                    );
                    if known || activity_timeout.is_none() {
                        report.pass(name, message);
                    } else {
                        report.warn(
                            name,
                            message,
                            "observe it for longer than the activity time-out with --idle",
                        );
                    }
                    return;
                }
                Ok(Some(Ok(Message::Ping(_)))) => break,
                Ok(Some(Ok(Message::Text(text)))) if text.contains("pusher:ping") => break,
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    let lived = self.since.elapsed().as_secs();
                    report.fail(
                        name,
                        format!("an idle connection is closed after {lived} s, before the server sends a ping"),
                        format!(
                            "raise the idle time-out of the proxy (nginx proxy_read_timeout, HAProxy timeout tunnel) above PUSHI_ACTIVITY_TIMEOUT, \
                            or lower that below {lived} s"
                        ),
                    );
                    return;
                }
                Ok(Some(Ok(_))) => {}
            }
        }
        report.pass(
            name,
            format!(
                "the server sends a ping after {} s, before a proxy closes the connection",
                self.since.elapsed().as_secs()
            ),
        );
    }
}
