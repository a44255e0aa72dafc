//! A client of the Pusher dialect.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use pushi::core::auth::user_auth;
use pushi::core::model::{App, AppSettings, ChannelName, NewApp, Payload, SocketId};
use pushi::core::ports::DialectId;
use pushi::core::service::TriggerRequest;
use pushi::inbound::websocket::{Destination, UpgradeTarget};
use serde_json::{Value, json};
use tokio::io::duplex;

use crate::client::Client;
use crate::frame::Frame;
use crate::server::TestServer;
use crate::values::{channel, user};

/// A client of the Pusher dialect.
pub struct PusherClient(pub Client);

impl Deref for PusherClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl DerefMut for PusherClient {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.0
    }
}

impl TestServer<'_> {
    /// Creates another app with these settings.
    pub async fn other_app(&self, settings: AppSettings) -> Arc<App> {
        let new = NewApp {
            name: "Other".to_owned(),
            settings,
            ..NewApp::default()
        };
        self.service.create_app(new).await.unwrap()
    }

    /// A client that has been greeted.
    pub async fn pusher(&self) -> PusherClient {
        let mut client = self
            .pusher_connect("protocol=7&client=test&version=1.0", None, false)
            .await;
        client.read_greeting().await;
        PusherClient(client)
    }

    /// `N` such clients.
    pub async fn pushers<const N: usize>(&self) -> [PusherClient; N] {
        let mut clients = Vec::with_capacity(N);
        for _ in 0..N {
            clients.push(self.pusher().await);
        }
        clients.try_into().unwrap_or_else(|_| unreachable!())
    }

    /// A client that is on a channel.
    pub async fn pusher_on(&self, channel: &str) -> PusherClient {
        let mut client = self.pusher().await;
        client.subscribe(channel).await;
        client
    }

    /// A client that is signed in.
    pub async fn signed_in(&self, user: &str) -> PusherClient {
        let mut client = self.pusher().await;
        client.sign_in(json!({"id": user})).await;
        client
    }

    /// A client that has not read anything yet.
    pub async fn pusher_connect(&self, query: &str, origin: Option<&str>, secure: bool) -> Client {
        let target = UpgradeTarget::parse(&format!("/app/{}", self.app.key), Some(query)).unwrap();
        self.pusher_connect_to(target, origin, secure).await
    }

    pub async fn pusher_connect_to(
        &self,
        target: impl Into<UpgradeTarget>,
        origin: Option<&str>,
        secure: bool,
    ) -> Client {
        let (near, far) = duplex(64 * 1024);
        let target = target.into();
        let dialect = match &target.destination {
            Destination::Pushi(_) => DialectId::Pushi,
            Destination::Pusher(..) => DialectId::Pusher,
        };
        let ended = self.serve_at(target, origin, secure, far);
        Client::over(near, &self.app, ended)
            .await
            .in_dialect(dialect)
    }

    /// Publishes as the Pusher HTTP API does.
    pub async fn trigger(&self, channels: &[&str], event: &str, data: &str) {
        self.trigger_except(channels, event, data, None).await;
    }

    pub async fn trigger_except(
        &self,
        channels: &[&str],
        event: &str,
        data: &str,
        except: Option<SocketId>,
    ) {
        let payload = Payload {
            event: event.into(),
            data: data.into(),
            extra: Default::default(),
        };
        let trigger = TriggerRequest {
            channels: channels.iter().map(|name| pusher_channel(name)).collect(),
            payload,
            except,
        };
        let app = self.service.app(&self.app.ident).await.unwrap();
        self.service.trigger(&app, vec![trigger]).await.unwrap();
    }

    /// How many are on a channel.
    pub async fn subscriptions(&self, name: &str) -> u64 {
        self.service
            .occupancy(&self.app.ident, &channel(name))
            .await
            .unwrap()
            .subscriptions
    }

    /// Ends a user's connections.
    pub async fn terminate(&self, id: &str) {
        self.service
            .terminate_user(&self.app.ident, &user(id))
            .await
            .unwrap();
    }

    /// Advances the keep-alive of the open connections by a second.
    pub fn tick(&self, activity: u32, idle: u32) {
        for mailbox in self.service.hub().mailboxes() {
            mailbox.tick(activity, 30, idle);
        }
    }
}

fn pusher_channel(name: &str) -> ChannelName {
    ChannelName::parse_pusher(name, 200).unwrap()
}

impl PusherClient {
    /// Subscribes as pusher-js does: with an empty signature where none is needed.
    pub async fn send_subscribe(&mut self, channel: &str, further: Value) {
        let needs = ["private-", "presence-", "personal-"]
            .iter()
            .any(|prefix| channel.starts_with(prefix));
        let auth = if needs {
            self.auth(channel)
        } else {
            String::new()
        };
        let mut data = json!({"channel": channel, "auth": auth});
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
        self.expect_subscribed(channel).await
    }

    pub async fn expect_subscribed(&mut self, channel: &str) -> Value {
        self.expect_on("pusher_internal:subscription_succeeded", channel)
            .await
    }

    /// The data of the next frame, which must be this one.
    pub async fn expect_on(&mut self, event: &str, channel: &str) -> Value {
        let frame = self.expect(event).await;
        assert_eq!(frame.channel(), channel, "{frame:?}");
        frame.inner()
    }

    /// Asks for a presence channel, with channel data as a string, signed as the libraries do it.
    pub async fn send_join(&mut self, channel: &str, channel_data: &Value) {
        let text = channel_data.to_string();
        let auth = self.auth_over(channel, &text);
        self.send_subscribe_data(json!({"channel": channel, "auth": auth, "channel_data": text}))
            .await;
    }

    /// Joins a presence channel.
    pub async fn join(&mut self, channel: &str, channel_data: Value) -> Value {
        self.send_join(channel, &channel_data).await;
        self.expect_subscribed(channel).await
    }

    /// The next frame, which must refuse a subscription to this channel.
    pub async fn expect_subscription_error(
        &mut self,
        channel: &str,
        kind: &str,
        status: u16,
    ) -> Frame {
        let frame = self.expect("pusher:subscription_error").await;
        assert_eq!(frame.channel(), channel, "{frame:?}");
        let data = &frame.value["data"];
        assert_eq!(
            (&data["type"], &data["status"]),
            (&json!(kind), &json!(status)),
            "{frame:?}"
        );
        assert!(
            data["error"]
                .as_str()
                .is_some_and(|error| !error.is_empty()),
            "{frame:?}"
        );
        frame
    }

    pub async fn unsubscribe(&mut self, channel: &str) {
        self.send(json!({"event": "pusher:unsubscribe", "data": {"channel": channel}}))
            .await;
    }

    pub async fn send_sign_in(&mut self, user_data: &str) {
        let auth = user_auth(&self.app.key, &self.app.secret, &self.id, user_data);
        self.send(
            json!({"event": "pusher:signin", "data": {"auth": auth, "user_data": user_data}}),
        )
        .await;
    }

    /// Signs in.
    pub async fn sign_in(&mut self, user_data: Value) {
        let user_data = user_data.to_string();
        self.send_sign_in(&user_data).await;
        let frame = self.expect("pusher:signin_success").await;
        assert_eq!(frame.inner(), json!({"user_data": user_data}), "{frame:?}");
    }

    pub async fn send_client_event(&mut self, channel: &str, event: &str, data: Value) {
        self.send(json!({"event": event, "channel": channel, "data": data}))
            .await;
    }

    /// The data of the next frame, which must be this event on this channel.
    pub async fn expect_data(&mut self, channel: &str, event: &str) -> String {
        let frame = self.expect(event).await;
        assert_eq!(frame.channel(), channel, "{frame:?}");
        frame.data().to_owned()
    }
}

/// Persists events that Pusher clients and back ends publish on channels with this prefix, and replays `count` of them.
pub fn replay(settings: &mut AppSettings, prefix: &str, count: u32) {
    settings.replay.insert(prefix.to_owned(), count);
}
