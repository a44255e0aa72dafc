//! A client of the Pushi dialect.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use pushi::core::auth::channel_auth;
use pushi::core::model::App;
use pushi::core::ports::DialectId;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::env::PATIENCE;
use crate::frame::Frame;
use crate::frame_schemas::{FrameSender, check_frame};

/// Whether a frame is one of the AsyncAPI document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conformity {
    Required,
    Excluded,
    Any,
}

/// A client of the Pushi dialect. The frames that it sends and receives are checked against the AsyncAPI document.
pub struct Client {
    /// Its socket id; empty until it was greeted.
    pub id: String,
    pub app: Arc<App>,
    dialect: DialectId,
    /// Of the next frame that is sent.
    conformity: Conformity,
    socket: WebSocketStream<DuplexStream>,
    ended: oneshot::Receiver<()>,
}

impl Client {
    pub async fn over(stream: DuplexStream, app: &Arc<App>, ended: oneshot::Receiver<()>) -> Self {
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Self {
            id: String::new(),
            app: Arc::clone(app),
            dialect: DialectId::Pushi,
            conformity: Conformity::Required,
            socket,
            ended,
        }
    }

    /// The same for the frames of another dialect.
    pub(crate) fn in_dialect(self, dialect: DialectId) -> Self {
        Self { dialect, ..self }
    }

    /// Reads the greeting and stores the socket id.
    pub async fn read_greeting(&mut self) {
        let greeting = self.expect("pusher:connection_established").await;
        self.id = greeting.inner()["socket_id"].as_str().unwrap().to_owned();
    }

    /// Sends a message as it is: frames that no schema is to be compared with.
    pub async fn send_message(&mut self, message: impl Into<Message>) {
        timeout(PATIENCE, self.socket.send(message.into()))
            .await
            .expect("the server does not read")
            .unwrap();
    }

    /// Sends a frame, which must be one of the document where nothing else was said before.
    pub async fn send(&mut self, frame: Value) {
        let text = frame.to_string();
        let conformity = std::mem::replace(&mut self.conformity, Conformity::Required);
        match check_frame(self.dialect, FrameSender::Client, &text) {
            Err(fault) if conformity == Conformity::Required => {
                panic!(
                    "not a frame of a client by openapi/asyncapi.json ({fault}): {text}; call next_is_invalid() before, where that is meant"
                )
            }
            Ok(()) if conformity == Conformity::Excluded => {
                panic!("by openapi/asyncapi.json a frame of a client: {text}")
            }
            _ => self.send_message(text).await,
        }
    }

    /// The next frame that is sent must be one that the document excludes.
    pub fn next_is_invalid(&mut self) {
        self.conformity = Conformity::Excluded;
    }

    /// The next frame that is sent may be one that the document excludes.
    pub fn next_may_be_invalid(&mut self) {
        self.conformity = Conformity::Any;
    }

    /// The next message, whatever it is.
    pub async fn message(&mut self) -> Option<Message> {
        let message = timeout(PATIENCE, self.socket.next())
            .await
            .expect("nothing comes")
            .map(Result::unwrap);
        message.inspect(|message| self.check(message))
    }

    /// Checks a frame of the server against the document.
    fn check(&self, message: &Message) {
        if let Message::Text(text) = message
            && let Err(fault) = check_frame(self.dialect, FrameSender::Server, text)
        {
            panic!("not a frame of the server by openapi/asyncapi.json ({fault}): {text}");
        }
    }

    /// The next message, however long it takes on a clock that jumps.
    pub async fn next_message_unbounded(&mut self) -> Message {
        let message = timeout(PATIENCE * 1000, self.socket.next())
            .await
            .expect("nothing comes")
            .expect("the connection ended")
            .unwrap();
        self.check(&message);
        message
    }

    /// The text of the next frame, without WebSocket pings.
    pub async fn text(&mut self) -> String {
        loop {
            match self.message().await {
                Some(Message::Text(text)) => return text.to_string(),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("no frame but {other:?}"),
            }
        }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Frame {
        Frame::read(&self.text().await)
    }

    /// The next frame, which must be of this event.
    pub async fn expect(&mut self, event: &str) -> Frame {
        let frame = self.next().await;
        assert_eq!(frame.event(), event, "{frame:?}");
        frame
    }

    /// The next frame, which must be an error with this code.
    pub async fn expect_error(&mut self, code: u16) -> Frame {
        let frame = self.expect("pusher:error").await;
        assert_eq!(frame.code(), u64::from(code), "{frame:?}");
        frame
    }

    /// The code of the close frame, which must be next.
    pub async fn expect_close(&mut self) -> u16 {
        loop {
            match self.message().await {
                Some(Message::Close(Some(frame))) => return frame.code.into(),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("no close frame but {other:?}"),
            }
        }
    }

    /// The error frame and the close frame, which must both be next and have this code.
    pub async fn expect_rejection(&mut self, code: u16) -> Frame {
        let frame = self.expect_error(code).await;
        assert_eq!(self.expect_close().await, code);
        frame
    }

    /// Asserts that no other frame was sent: a ping is answered next.
    pub async fn expect_nothing(&mut self) {
        self.send(json!({"event": "pusher:ping", "data": {}})).await;
        self.expect("pusher:pong").await;
    }

    /// The signature for a channel.
    pub fn auth(&self, channel: &str) -> String {
        channel_auth(&self.app.key, &self.app.secret, &self.id, channel, None)
    }

    /// The signature for a channel with channel data.
    pub fn auth_over(&self, channel: &str, data: &str) -> String {
        channel_auth(
            &self.app.key,
            &self.app.secret,
            &self.id,
            channel,
            Some(data),
        )
    }

    /// Sends a subscription with this data.
    pub async fn send_subscribe_data(&mut self, data: Value) {
        self.send(json!({"event": "pusher:subscribe", "data": data}))
            .await;
    }

    /// Sends a subscription, signed where required, with further fields.
    pub async fn send_subscribe(&mut self, channel: &str, further: Value) {
        let mut data = json!({"channel": channel});
        if ["private-", "presence-", "personal-"]
            .iter()
            .any(|prefix| channel.starts_with(prefix))
        {
            data["auth"] = self.auth(channel).into();
        }
        let Value::Object(further) = further else {
            panic!("not an object: {further}")
        };
        data.as_object_mut().unwrap().extend(further);
        self.send_subscribe_data(data).await;
    }

    /// Subscribes to a channel; returns the answer's data.
    pub async fn subscribe(&mut self, channel: &str) -> Value {
        self.subscribe_with(channel, json!({})).await
    }

    pub async fn subscribe_with(&mut self, channel: &str, further: Value) -> Value {
        self.send_subscribe(channel, further).await;
        self.expect_state("pusher_internal:subscription_succeeded", channel)
            .await
    }

    /// Joins a presence channel.
    pub async fn join(&mut self, channel: &str, channel_data: Value) -> Value {
        self.subscribe_with(channel, json!({"channel_data": channel_data}))
            .await
    }

    /// The data of the next frame, which must be this event on this channel.
    pub async fn expect_state(&mut self, event: &str, channel: &str) -> Value {
        let frame = self.expect(event).await;
        assert_eq!(frame.channel(), channel, "{frame:?}");
        let state = frame.inner();
        assert_eq!(state["name"], channel, "{frame:?}");
        state
    }

    pub async fn unsubscribe(&mut self, channel: &str) -> Value {
        self.send(json!({"event": "pusher:unsubscribe", "data": {"channel": channel}}))
            .await;
        self.expect_state("pusher_internal:unsubscription_succeeded", channel)
            .await
    }

    pub async fn query(&mut self, data: Value) -> Value {
        self.send(json!({"event": "pusher:latest", "data": data}))
            .await;
        let channel = data["channel"].as_str().unwrap().to_owned();
        self.expect_state("pusher_internal:latest", &channel).await
    }

    /// Publishes, with further members of the frame.
    pub async fn publish(&mut self, channel: &str, event: &str, data: Value, further: Value) {
        let mut frame = json!({"event": event, "channel": channel, "data": data});
        let Value::Object(further) = further else {
            panic!("not an object: {further}")
        };
        frame.as_object_mut().unwrap().extend(further);
        self.send(frame).await;
    }

    /// Publishes and waits until it is stored; answers the acknowledgement's data.
    pub async fn publish_stored(&mut self, channel: &str, event: &str, data: Value) -> Value {
        self.publish(channel, event, data, json!({"ref": "stored"}))
            .await;
        let frame = self.expect("pusher_internal:published").await;
        assert_eq!(frame.channel(), channel);
        frame.inner()
    }

    /// Closes the connection properly; returns when the server's session has ended.
    pub async fn close(mut self) {
        self.socket.close(None).await.unwrap();
        while let Some(Ok(_)) = timeout(PATIENCE, self.socket.next())
            .await
            .expect("the server does not close")
        {}
        self.abort().await;
    }

    /// Drops the connection, and waits until the server's session has ended.
    pub async fn abort(self) {
        let Self { socket, ended, .. } = self;
        drop(socket);
        timeout(PATIENCE, ended)
            .await
            .expect("the server does not end")
            .unwrap();
    }
}
