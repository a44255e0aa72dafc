//! The log at its most talkative shows no secret, signature or payload.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use futures_util::{SinkExt, StreamExt};
use poem::http::Method;
use pushi::core::auth::{SignedRequest, channel_auth, user_auth};
use pushi::core::model::Secret;
use pushi::core::ports::Clock;
use pushi::outbound::clock::SystemClock;
use pushi_test_support::{MongoDatabase, PostgresSchema, server_url};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::cli::Shell;

const SECRET: &str = "mark-of-the-secret+/=";
const ADMIN: &str = "mark-of-the-administrator";
const PAYLOAD: &str = "mark-of-a-payload";
const HOOK: &str = "mark-of-the-hook";

/// A server with its whole log.
struct Logged {
    child: Child,
    lines: Vec<String>,
    log: BufReader<std::process::ChildStderr>,
}

impl Logged {
    fn start(shell: &Shell, environment: &[(&str, &str)]) -> Self {
        let mut child = shell
            .command(&["--app-port", "0", "--server-port", "0"], environment)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let lines = Vec::new();
        Self { child, lines, log }
    }

    /// The address in the line about a listener.
    fn address(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.log.read_line(&mut line).unwrap(),
                0,
                "{:?}",
                self.lines
            );
            self.lines.push(line.clone());
            if line.contains(what) {
                let url = line.split("://").nth(1).unwrap();
                return url.split(['/', ' ']).next().unwrap().to_owned();
            }
        }
    }

    /// Ends the server.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        let kill = std::process::Command::new("kill").arg(pid).status();
        assert!(kill.unwrap().success());
        let mut log = self.lines.concat();
        self.log.read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success());
        log
    }
}

/// Answers one web hook and returns it.
fn hook() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/{HOOK}?token={HOOK}",
        listener.local_addr().unwrap()
    );
    let received = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).unwrap();
        head
    });
    (url, received)
}

async fn answered(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// A WebSocket client, and its socket id.
async fn client(address: &str, path: &str) -> (Socket, String) {
    let url = format!("ws://{address}{path}");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let greeting = next(&mut socket).await;
    let data: Value = serde_json::from_str(greeting["data"].as_str().unwrap()).unwrap();
    (socket, data["socket_id"].as_str().unwrap().to_owned())
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn next(socket: &mut Socket) -> Value {
    let message = socket.next().await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

async fn send(socket: &mut Socket, frame: Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// Uses every edge of a server that logs all that it can, and checks that its log has none of the
/// marks.
async fn nothing_is_shown(database: &str, bus: Option<&str>, ident: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shell = Shell::new();
    let mut environment = vec![
        ("DATABASE_URL", database),
        ("PUSHI_APP_ID", ident),
        ("PUSHI_APP_KEY", "k"),
        ("PUSHI_APP_SECRET", SECRET),
        ("PUSHI_ADMIN_TOKEN", ADMIN),
        ("PUSHI_WEBHOOK_ALLOW_PRIVATE", "1"),
        ("PUSHI_DRAIN_SECONDS", "0"),
        (
            "RUST_LOG",
            "trace,hyper=trace,sqlx=trace,tungstenite=trace,log=trace",
        ),
    ];
    environment.extend(bus.map(|url| ("BUS_URL", url)));
    let mut server = Logged::start(&shell, &environment);
    let api = server.address("rest api listening");
    let sockets = server.address("websocket listening");
    let secret = Secret::new(SECRET);
    let http = reqwest::Client::new();
    let (hook_url, hook) = hook();
    let change = json!({"webhooks": [{"url": hook_url, "events": ["channel_occupied"]}]});
    let app = format!("http://{api}/apps/{ident}");
    answered(http.put(&app).bearer_auth(ADMIN).json(&change)).await;
    let login = json!({"app_id": ident, "app_key": "k", "app_secret": SECRET});
    let token = answered(http.post(format!("http://{api}/login")).json(&login)).await;
    let token = token["token"].as_str().unwrap().to_owned();

    let (mut pushi, id) = client(&sockets, "/k").await;
    let data = json!({"user_id": "u", "note": PAYLOAD}).to_string();
    let auth = channel_auth("k", &secret, &id, "presence-a", Some(&data));
    let subscribe = json!({"channel": "presence-a", "auth": auth, "channel_data": data});
    send(
        &mut pushi,
        json!({"event": "pusher:subscribe", "data": subscribe}),
    )
    .await;
    next(&mut pushi).await;
    send(
        &mut pushi,
        json!({"event": "say", "channel": "presence-a", "data": PAYLOAD, "echo": true}),
    )
    .await;
    while !next(&mut pushi).await.to_string().contains(PAYLOAD) {}
    let event = json!({"channel": "presence-a", "event": "say", "data": PAYLOAD});
    answered(
        http.post(format!("http://{api}/events"))
            .bearer_auth(&token)
            .json(&event),
    )
    .await;
    answered(http.get(format!(
        "http://{api}/events?sid={token}&channel=presence-a"
    )))
    .await;

    let (mut pusher, id) = client(&sockets, "/app/k?protocol=7").await;
    let user = json!({"id": "u", "note": PAYLOAD}).to_string();
    let user_signature = user_auth("k", &secret, &id, &user);
    let signin = json!({"auth": user_signature, "user_data": user});
    send(
        &mut pusher,
        json!({"event": "pusher:signin", "data": signin}),
    )
    .await;
    next(&mut pusher).await;

    let path = format!("/apps/{ident}/channels");
    let now = SystemClock.now().micros() / 1_000_000;
    let query = [
        ("auth_key", "k".to_owned()),
        ("auth_timestamp", now.to_string()),
        ("auth_version", "1.0".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let request = SignedRequest {
        method: Method::GET.as_str(),
        path: &path,
        query: &query,
        has_body: false,
    };
    let signature = request.signature(&secret);
    let target = format!(
        "http://{api}{path}?auth_key=k&auth_timestamp={now}&auth_version=1.0&auth_signature={signature}"
    );
    answered(http.get(target)).await;
    let refused = http.post(format!(
        "http://{api}/login?app_id={ident}&app_key=k&app_secret={PAYLOAD}"
    ));
    assert_eq!(refused.send().await.unwrap().status(), 401);
    let head = tokio::task::spawn_blocking(|| hook.join().unwrap())
        .await
        .unwrap();
    let hook_signature = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("x-pusher-signature: ")
                .map(str::to_owned)
        })
        .unwrap();

    let log = server.stop();
    assert!(log.contains("DEBUG pushi::"), "{log}");
    let hex = |auth: &str| auth.rsplit(':').next().unwrap().to_owned();
    let signatures = [
        hex(&auth),
        hex(&user_signature),
        signature,
        hook_signature,
        token,
    ];
    let marks = [SECRET, ADMIN, PAYLOAD, HOOK];
    let all = signatures.iter().map(String::as_str).chain(marks);
    for mark in all {
        let line = log.lines().find(|line| line.contains(mark));
        assert_eq!(line, None, "the log shows {mark}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    nothing_is_shown("sqlite://pushi.db", None, "secrecy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_and_redis() {
    let (Some(schema), Some(redis)) = (
        PostgresSchema::start().await,
        server_url("PUSHI_TEST_REDIS_URL"),
    ) else {
        return;
    };
    let url = schema.url("");
    let ident = format!("secrecy-{}", std::process::id());
    nothing_is_shown(&url, Some(&redis), &ident).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb() {
    let Some(database) = MongoDatabase::start("PUSHI_TEST_MONGO_URL").await else {
        return;
    };
    let url = format!("{}/{}", database.url.trim_end_matches('/'), database.name);
    nothing_is_shown(&url, None, "secrecy").await;
}
