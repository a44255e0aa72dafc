//! What a client does over one connection.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pushi::core::auth::channel_auth;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::observe::inner;
use super::{Client, Command, Subscription};

/// The time without an expected answer after which a client connects again.
const PATIENCE: Duration = Duration::from_secs(8);

/// How a connection ended.
pub(super) enum End {
    Retry,
    Left,
}

/// One connection.
pub(super) struct Session<'a> {
    pub(super) client: &'a Client,
    pub(super) node: u64,
    pub(super) id: String,
    socket: WebSocketStream<DuplexStream>,
    /// The data and the channels of publishes without an answer, by `ref`; `true`: a client event.
    pub(super) publishes: BTreeMap<String, (String, String, bool)>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        client: &'a Client,
        node: u64,
        socket: WebSocketStream<DuplexStream>,
    ) -> Self {
        Self {
            client,
            node,
            id: String::new(),
            socket,
            publishes: BTreeMap::new(),
        }
    }

    pub(super) async fn run(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> End {
        match timeout(PATIENCE, self.frame()).await {
            Ok(Some(greeting)) if greeting["event"] == "pusher:connection_established" => {
                self.id = inner(&greeting)["socket_id"].as_str().unwrap().to_owned();
            }
            _ => return End::Retry,
        }
        {
            let mut state = self.client.state.lock();
            state.is_connected = true;
            state.socket.clone_from(&self.id);
        }
        self.client.world.note(format_args!(
            "client {} is {} at {}",
            self.client.number, self.id, self.node
        ));
        let wanted: Vec<String> = {
            let state = self.client.state.lock();
            state.subscriptions.keys().cloned().collect()
        };
        for channel in wanted {
            self.subscribe(&channel).await;
        }
        loop {
            let is_waiting = {
                let state = self.client.state.lock();
                state.subscriptions.values().any(|one| !one.is_confirmed)
            };
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => if let Some(end) = self.obey(command).await {
                        return end;
                    },
                    None => return End::Left,
                },
                frame = self.frame() => match frame {
                    Some(frame) => if !self.on_frame(&frame) {
                        return End::Retry;
                    },
                    None => return End::Retry,
                },
                () = sleep(PATIENCE), if is_waiting => return End::Retry,
            }
        }
    }

    /// The next frame; `None`: the connection has ended.
    async fn frame(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Close(Some(close))) => {
                    self.on_close(close.code.into());
                    return None;
                }
                Ok(Message::Close(None)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn on_close(&self, code: u16) {
        let world = &self.client.world;
        let app = self.client.app_name();
        world.note(format_args!("client {}: {code}", self.client.number));
        let may_end = {
            let truth = world.truth.lock();
            truth.deleted.contains(&app) || truth.ended.contains(&app)
        };
        if [4001, 4003].contains(&code) && !may_end {
            world.violate(format_args!("{code} for the app {app}, which is in use"));
        }
    }

    async fn send(&mut self, frame: Value) {
        // A failure is noticed by the next read.
        let _ = timeout(PATIENCE, self.socket.send(frame.to_string().into())).await;
    }

    async fn subscribe(&mut self, channel: &str) {
        let mut data = json!({"channel": channel});
        if channel.starts_with("presence-") || channel.starts_with("private-") {
            let app = &self.client.app;
            data["auth"] = channel_auth(&app.key, &app.secret, &self.id, channel, None).into();
        }
        if channel.starts_with("presence-") {
            data["channel_data"] = json!({"user_id": self.client.user});
        }
        let subscription = self.client.state.lock().subscriptions.get(channel).cloned();
        if let Some(Subscription {
            recovers: true,
            last,
            ..
        }) = subscription
        {
            data["since"] = last.map_or_else(|| "now".into(), Value::from);
        }
        self.send(json!({"event": "pusher:subscribe", "data": data}))
            .await;
    }

    async fn obey(&mut self, command: Command) -> Option<End> {
        match command {
            Command::Subscribe(channel) => {
                let is_new = {
                    let rng = &self.client.world.rng;
                    let mut state = self.client.state.lock();
                    let is_new = !state.subscriptions.contains_key(&channel);
                    if is_new {
                        let subscription = Subscription {
                            recovers: rng.percent(80),
                            last: rng.percent(50).then_some(0),
                            ..Subscription::default()
                        };
                        state.subscriptions.insert(channel.clone(), subscription);
                    }
                    is_new
                };
                if is_new {
                    self.subscribe(&channel).await;
                }
            }
            Command::Unsubscribe(channel) => {
                let removed = self.client.state.lock().subscriptions.remove(&channel);
                if removed.is_some_and(|one| one.is_confirmed) {
                    let key = (self.client.app_name(), channel.clone());
                    if let Some(clients) = self.client.world.truth.lock().subscribed.get_mut(&key) {
                        clients.remove(&self.client.number);
                    }
                    self.send(json!({"event": "pusher:unsubscribe", "data": {"channel": channel}}))
                        .await;
                } else {
                    // An answer may be on its way.
                    return Some(End::Retry);
                }
            }
            Command::Publish(channel, is_client_event, echo) => {
                let is_on = {
                    let state = self.client.state.lock();
                    let subscription = state.subscriptions.get(&channel);
                    subscription.is_some_and(|one| one.is_confirmed)
                };
                if is_on {
                    let number = self.client.world.number();
                    let mut data = format!("c{number}");
                    if !echo {
                        data.push_str(":quiet:");
                        data.push_str(&self.id);
                    }
                    let event = if is_client_event {
                        "client-x"
                    } else {
                        "message"
                    };
                    let reference = number.to_string();
                    self.publishes.insert(
                        reference.clone(),
                        (channel.clone(), data.clone(), is_client_event),
                    );
                    self.send(json!({
                        "event": event, "channel": channel, "data": data, "ref": reference, "echo": echo,
                    }))
                    .await;
                }
            }
            Command::Break => return Some(End::Retry),
            Command::Close | Command::Leave => {
                let _ = timeout(PATIENCE, self.socket.close(None)).await;
                return Some(match command {
                    Command::Leave => End::Left,
                    _ => End::Retry,
                });
            }
        }
        None
    }
}
