//! Publishes, encoded once per channel; each one only needs its sequence number.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::auth::{Credentials, request_signature};
use crate::protocol::Protocol;
use crate::sequence_marker::SequenceMarker;
use crate::target::{PublishApi, PublishAuth};

/// A publish to one channel: the text of a frame, or the body of a request.
pub(crate) struct PayloadTemplate {
    text: Vec<u8>,
    /// `None`: the channel name hides the marker, so deliveries cannot be counted.
    marker: Option<SequenceMarker>,
}

impl PayloadTemplate {
    fn new(text: String) -> Self {
        let text = text.into_bytes();
        let marker = SequenceMarker::find(&text);
        Self { text, marker }
    }

    /// A frame of a client.
    pub(crate) fn frame(protocol: &Protocol, channel: &str, data: &str, persist: bool) -> Self {
        Self::new(protocol.publish(channel, data, persist))
    }

    /// The body of a request to the API.
    pub(crate) fn request_body(api: &PublishApi, channel: &str, data: &str, persist: bool) -> Self {
        Self::new(match api.auth {
            PublishAuth::Token(_) => {
                json!({"channel": channel, "event": "message", "data": data, "persist": persist})
                    .to_string()
            }
            PublishAuth::Signature(_) => {
                json!({"channel": channel, "name": "message", "data": data}).to_string()
            }
        })
    }

    /// The publish with a sequence number.
    pub(crate) fn numbered(&mut self, number: u32) -> &[u8] {
        if let Some(marker) = self.marker {
            marker.write(&mut self.text, number);
        }
        &self.text
    }
}

/// The HTTP request with a body.
pub(crate) fn http_request(api: &PublishApi, body: &[u8]) -> Vec<u8> {
    let (host, path) = (&api.address.host, &api.address.path);
    let (target, authorization) = match &api.auth {
        PublishAuth::Token(token) => (
            format!("{path}/events"),
            format!("Authorization: Bearer {}\r\n", token.expose()),
        ),
        PublishAuth::Signature(credentials) => {
            (signed_target(path, credentials, body), String::new())
        }
    };
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {host}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The path and the signed query of a publish to the Pusher HTTP API.
fn signed_target(path: &str, credentials: &Credentials, body: &[u8]) -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let path = format!(
        "{path}/apps/{}/events",
        utf8_percent_encode(&credentials.app_id, NON_ALPHANUMERIC)
    );
    let query = [
        ("auth_key", credentials.key.clone()),
        ("auth_timestamp", seconds.to_string()),
        ("auth_version", "1.0".to_owned()),
        ("body_md5", HEXLOWER.encode(&Md5::digest(body))),
    ];
    let signature = request_signature(&credentials.secret, "POST", &path, &query);
    let query = query
        .iter()
        .map(|(name, value)| format!("{name}={}&", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    format!(
        "{path}?{}auth_signature={signature}",
        query.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;

    #[test]
    fn a_publish_to_the_pusher_api_is_signed() {
        let credentials = Credentials {
            app_id: "3".into(),
            key: "k".into(),
            secret: Secret::new("s"),
        };
        let target = signed_target("/base", &credentials, b"{}");
        let (path, query) = target.split_once('?').unwrap();
        assert_eq!(path, "/base/apps/3/events");
        let query: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, value.replace("%2E", ".")))
            .collect();
        let (last, rest) = query.split_last().unwrap();
        let expected = request_signature(&Secret::new("s"), "POST", path, rest);
        assert_eq!(last, &("auth_signature", expected));
        assert_eq!(rest.len(), 4);
    }
}
