//! The Pusher HTTP API in process: signed requests, and clients that receive the events.

mod channels;
mod events;
mod signature;

use std::task::{Context, Poll, Waker};

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use poem::http::Method;
use pushi::core::auth::{SignedRequest, channel_auth};
use pushi::core::hub::{Connection, MailboxItem};
use pushi::core::model::{ChannelName, Secret, UserId};
use pushi::core::ports::DialectId;
use pushi::core::service::{ChannelData, Connecting, Encryption, Subscribe};
use serde_json::{Value, json};

use crate::rest::{Api, Ask, Reply};

/// When the clock of the tests stands.
pub(crate) const NOW: i64 = 1_795_337_092;

/// The query of a request by the app `shop`, signed: the given parameters, which may take the place of the usual ones.
pub(crate) fn signed(method: &Method, path: &str, body: &str, given: &[(&str, &str)]) -> String {
    signed_with("shop-secret", method, path, body, given)
}

/// The same with a secret of the caller's choice.
pub(crate) fn signed_with(
    secret: &str,
    method: &Method,
    path: &str,
    body: &str,
    given: &[(&str, &str)],
) -> String {
    let (now, md5) = (NOW.to_string(), HEXLOWER.encode(&Md5::digest(body)));
    let mut query = vec![
        ("auth_key", "shop-key"),
        ("auth_timestamp", &now),
        ("auth_version", "1.0"),
    ];
    if !body.is_empty() {
        query.push(("body_md5", &md5));
    }
    query.retain(|(name, _)| !given.iter().any(|(other, _)| name == other));
    query.extend(given);
    let mut query: Vec<(String, String)> = query
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let request = SignedRequest {
        method: method.as_str(),
        path,
        query: &query,
        has_body: !body.is_empty(),
    };
    let signature = request.signature(&Secret::new(secret));
    query.push(("auth_signature".into(), signature));
    let escape = |text: &str| {
        text.replace('%', "%25")
            .replace('&', "%26")
            .replace('+', "%2B")
            .replace('#', "%23")
            .replace(' ', "+")
    };
    query
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// A signed GET.
pub(crate) async fn get(api: &Api, path: &str, query: &[(&str, &str)]) -> Reply {
    let query = signed(&Method::GET, path, "", query);
    api.ask(Method::GET, &format!("{path}?{query}"))
        .send()
        .await
}

/// A signed POST that is still to be sent.
pub(crate) fn posting<'a>(api: &'a Api, path: &str, body: &str) -> Ask<'a> {
    let query = signed(&Method::POST, path, body, &[]);
    api.ask(Method::POST, &format!("{path}?{query}"))
        .body("application/json", body)
}

/// A signed POST.
pub(crate) async fn post(api: &Api, path: &str, body: &Value) -> Reply {
    posting(api, path, &body.to_string()).send().await
}

/// Publishes; returns the answer.
pub(crate) async fn trigger(api: &Api, body: Value) -> Value {
    let reply = post(api, "/apps/shop/events", &body).await;
    assert_eq!(reply.status, 200, "{body}: {}", reply.text);
    reply.json()
}

/// A client of the Pusher dialect.
pub(crate) struct Listener(pub Connection);

impl Listener {
    /// One that is on the channels, on presence channels as `user`.
    pub(crate) async fn on(api: &Api, user: &str, channels: &[&str]) -> Self {
        let connecting = Connecting {
            address: None,
            key: "shop-key",
            origin: None,
            encryption: Encryption::Plain,
            dialect: DialectId::Pusher,
        };
        let listener = Self(api.service.connect(connecting).await.unwrap());
        for channel in channels {
            listener.join(api, user, channel).await;
        }
        listener
    }

    /// Subscribes to a channel; to a presence channel as `user`.
    pub(crate) async fn join(&self, api: &Api, user: &str, channel: &str) {
        let data = json!({"user_id": user}).to_string();
        let data = channel.starts_with("presence-").then_some(data.as_str());
        let auth = channel_auth(
            "shop-key",
            &Secret::new("shop-secret"),
            &self.0.id().to_string(),
            channel,
            data,
        );
        let user_id = Some(UserId::parse(user).unwrap());
        let channel_data = data.map(|data| ChannelData {
            signed: data.into(),
            object: data.into(),
            user_id,
            peer: false,
        });
        let channel = ChannelName::parse_pusher(channel, 200).unwrap();
        let subscribe = Subscribe {
            paging: false,
            channel,
            auth: Some(auth),
            channel_data,
            since: None,
            follow: false,
        };
        api.service
            .subscribe(&self.0, &subscribe, &mut Vec::new())
            .await
            .unwrap();
        self.heard();
    }

    /// The frames received since the last call.
    pub(crate) fn heard(&self) -> Vec<Value> {
        let mut parcels = Vec::new();
        let Poll::Ready(None) = self
            .0
            .poll_take(&mut Context::from_waker(Waker::noop()), &mut parcels)
        else {
            return Vec::new();
        };
        let frames = parcels.iter().filter_map(|parcel| match parcel {
            MailboxItem::Broadcast(delivery) => delivery.frame(DialectId::Pusher),
            _ => None,
        });
        frames
            .map(|frame| serde_json::from_slice(payload(frame)).unwrap())
            .collect()
    }

    /// The names of the events received since the last call.
    pub(crate) fn events(&self) -> Vec<String> {
        self.heard()
            .iter()
            .map(|frame| frame["event"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// What stands behind the head of a WebSocket frame (RFC 6455, section 5.2).
fn payload(frame: &[u8]) -> &[u8] {
    let head = match frame[1] {
        0..=125 => 2,
        126 => 4,
        _ => 10,
    };
    &frame[head..]
}
