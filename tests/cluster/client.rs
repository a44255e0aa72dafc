//! A client of either dialect that records every frame.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::cluster::KEY;
use crate::http::sign;
use crate::node::Node;

/// Longer than any operation, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A transport.
pub(crate) trait Way: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Way for T {}

/// The frames that a client has received.
#[derive(Default)]
struct Told {
    frames: Mutex<Vec<Value>>,
    ended: Mutex<Option<u16>>,
    more: Notify,
}

/// A client that records every frame.
pub(crate) struct Client {
    pub id: String,
    told: Arc<Told>,
    socket: SplitSink<WebSocketStream<Box<dyn Way>>, Message>,
    reading: JoinHandle<()>,
    pusher: bool,
}

/// `data` of a frame, which is JSON in a string.
pub(crate) fn inner(frame: &Value) -> Value {
    frame["data"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

impl Client {
    /// A client of the Pushi dialect.
    pub(crate) async fn pushi(node: &Node) -> Self {
        Self::connect(node.sockets, false).await
    }

    /// A client of the Pusher dialect.
    pub(crate) async fn pusher(node: &Node) -> Self {
        Self::connect(node.sockets, true).await
    }

    /// A client of either dialect on a port.
    pub(crate) async fn connect(port: u16, pusher: bool) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Self::over(Box::new(stream), "ws", pusher).await
    }

    /// The same over what is connected already.
    pub(crate) async fn over(way: Box<dyn Way>, scheme: &str, pusher: bool) -> Self {
        let path = if pusher {
            format!("app/{KEY}?protocol=7&client=js&version=8.6.0")
        } else {
            KEY.to_owned()
        };
        let url = format!("{scheme}://localhost/{path}");
        let (socket, _) = timeout(PATIENCE, client_async(url, way))
            .await
            .expect("nobody answers")
            .unwrap();
        let (socket, mut stream) = socket.split();
        let told = Arc::new(Told::default());
        let noting = Arc::clone(&told);
        let reading = tokio::spawn(async move {
            let mut code = 1006;
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Text(text) => {
                        noting
                            .frames
                            .lock()
                            .push(serde_json::from_str(&text).unwrap());
                        noting.more.notify_waiters();
                    }
                    Message::Close(close) => code = close.map_or(1005, |close| close.code.into()),
                    _ => {}
                }
            }
            *noting.ended.lock() = Some(code);
            noting.more.notify_waiters();
        });
        let mut client = Self {
            id: String::new(),
            told,
            socket,
            reading,
            pusher,
        };
        let greeting = client
            .until(|frames| find(frames, "pusher:connection_established", None))
            .await;
        client.id = inner(&greeting)["socket_id"].as_str().unwrap().to_owned();
        client
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        timeout(PATIENCE, self.socket.send(frame.to_string().into()))
            .await
            .expect("the server does not read")
            .unwrap();
    }

    /// Subscribes to a channel with further fields; returns the answer.
    pub(crate) async fn subscribe(&mut self, channel: &str, more: Value) -> Value {
        let count = self.answers(channel).len();
        self.ask(channel, more).await;
        self.until(|_| self.answers(channel).into_iter().nth(count))
            .await
    }

    /// The same without waiting for the answer.
    pub(crate) async fn ask(&mut self, channel: &str, more: Value) {
        let mut data = json!({"channel": channel});
        let mut signed = format!("{}:{channel}", self.id);
        for (name, value) in more.as_object().into_iter().flatten() {
            data[name] = value.clone();
        }
        if let Some(member) = data.get("channel_data") {
            let text = member.to_string();
            signed = format!("{signed}:{text}");
            data["channel_data"] = text.into();
        }
        if channel.starts_with("pr") || channel.starts_with("personal-") {
            data["auth"] = format!("{KEY}:{}", sign(&signed)).into();
        }
        self.send(json!({"event": "pusher:subscribe", "data": data}))
            .await;
    }

    /// Joins a presence channel as a user; returns the listed members.
    pub(crate) async fn join(&mut self, channel: &str, user: &str) -> Vec<String> {
        let answer = self
            .subscribe(channel, json!({"channel_data": {"user_id": user}}))
            .await;
        members(&answer)
    }

    pub(crate) async fn unsubscribe(&mut self, channel: &str) {
        self.send(json!({"event": "pusher:unsubscribe", "data": {"channel": channel}}))
            .await;
    }

    /// Signs in as a user.
    pub(crate) async fn sign_in(&mut self, user: &str, watchlist: &[&str]) {
        let data = json!({"id": user, "watchlist": watchlist}).to_string();
        let auth = format!("{KEY}:{}", sign(&format!("{}::user::{data}", self.id)));
        self.send(json!({"event": "pusher:signin", "data": {"auth": auth, "user_data": data}}))
            .await;
        self.until(|frames| find(frames, "pusher:signin_success", None))
            .await;
    }

    fn answers(&self, channel: &str) -> Vec<Value> {
        let answer = |frame: &&Value| {
            let event = frame["event"].as_str().unwrap();
            let refused = event == "pusher:subscription_error" || event == "pusher:error";
            assert!(!refused, "{frame}");
            event == "pusher_internal:subscription_succeeded" && frame["channel"] == channel
        };
        self.told
            .frames
            .lock()
            .iter()
            .filter(answer)
            .cloned()
            .collect()
    }

    /// Everything so far.
    pub(crate) fn frames(&self) -> Vec<Value> {
        self.told.frames.lock().clone()
    }

    /// The data of the events of a name on a channel so far.
    pub(crate) fn events(&self, channel: &str, event: &str) -> Vec<String> {
        let wanted = |frame: &&Value| frame["channel"] == channel && frame["event"] == event;
        let frames = self.told.frames.lock();
        frames
            .iter()
            .filter(wanted)
            .map(|frame| frame["data"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The serials of the persisted events on a channel so far.
    pub(crate) fn serials(&self, channel: &str) -> Vec<u64> {
        let frames = self.told.frames.lock();
        frames
            .iter()
            .filter(|frame| frame["channel"] == channel)
            .filter_map(|frame| frame["serial"].as_u64())
            .collect()
    }

    /// The users who joined (`+`) and left (`-`) a presence channel so far.
    pub(crate) fn changes(&self, channel: &str) -> Vec<String> {
        let (added, removed) = match self.pusher {
            true => (
                "pusher_internal:member_added",
                "pusher_internal:member_removed",
            ),
            false => ("pusher:member_added", "pusher:member_removed"),
        };
        let frames = self.told.frames.lock();
        let change = |frame: &Value| {
            let sign = match frame["event"].as_str() {
                _ if frame["channel"] != channel => return None,
                Some(event) if event == added => '+',
                Some(event) if event == removed => '-',
                _ => return None,
            };
            let member = frame
                .get("member")
                .or(frame.get("data"))
                .and_then(Value::as_str)
                .unwrap();
            let member: Value = serde_json::from_str(member).unwrap();
            Some(format!("{sign}{}", member["user_id"].as_str().unwrap()))
        };
        frames.iter().filter_map(change).collect()
    }

    /// The watched users who came online (`+`) and went offline (`-`) so far.
    pub(crate) fn watched(&self) -> Vec<String> {
        let mut seen = Vec::new();
        for frame in self
            .frames()
            .iter()
            .filter(|frame| frame["event"] == "pusher_internal:watchlist_events")
        {
            for event in inner(frame)["events"].as_array().unwrap() {
                let sign = if event["name"] == "online" { '+' } else { '-' };
                seen.extend(
                    event["user_ids"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|user| format!("{sign}{}", user.as_str().unwrap())),
                );
            }
        }
        seen
    }

    /// Waits until the received frames satisfy `what`.
    pub(crate) async fn until<T>(&self, what: impl Fn(&[Value]) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let more = self.told.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                let frames = self.frames();
                if let Some(found) = what(&frames) {
                    return found;
                }
                assert!(
                    self.told.ended.lock().is_none(),
                    "the connection has ended: {frames:#?}"
                );
                more.await;
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("it did not come; this did: {:#?}", self.frames()),
        }
    }

    /// Waits until a value of the client equals `expected`.
    pub(crate) async fn until_is<T: PartialEq + std::fmt::Debug>(
        &self,
        look: impl Fn(&Self) -> T,
        expected: T,
    ) {
        self.until(|_| (look(self) == expected).then_some(())).await;
    }

    /// Waits until the connection has ended; answers the code that it was closed with.
    pub(crate) async fn ended(&self) -> u16 {
        let waiting = async {
            loop {
                let more = self.told.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(code) = *self.told.ended.lock() {
                    return code;
                }
                more.await;
            }
        };
        timeout(PATIENCE, waiting)
            .await
            .expect("the connection does not end")
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.told.ended.lock().is_some()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// The first frame of an event, on a channel where one is named.
pub(crate) fn find(frames: &[Value], event: &str, channel: Option<&str>) -> Option<Value> {
    let wanted = |frame: &&Value| {
        frame["event"] == event && channel.is_none_or(|channel| frame["channel"] == channel)
    };
    frames.iter().find(wanted).cloned()
}

/// The members that an answer shows, sorted.
pub(crate) fn members(answer: &Value) -> Vec<String> {
    let state = inner(answer);
    let pusher = state["presence"]["ids"].as_array().map(|ids| {
        ids.iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect()
    });
    let mut members: Vec<String> = pusher.unwrap_or_else(|| {
        state["members"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<String>>()
    });
    members.sort();
    members
}
