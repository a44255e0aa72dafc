//! A publish, ready to be sent but for its number.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::cli::bench::aim::{Proof, Rest};
use crate::cli::bench::mark;
use crate::cli::bench::wire::words::Words;
use crate::cli::chosen::Credentials;
use crate::core::auth::SignedRequest;

/// A publish to one channel.
pub struct Letter {
    /// The frame's text, or the request's body.
    text: Vec<u8>,
    at: usize,
}

impl Letter {
    fn new(text: String) -> Self {
        let text = text.into_bytes();
        // Past the end nothing is written, and the publish is not known again.
        let at = mark::place(&text).unwrap_or(usize::MAX / 2);
        Self { text, at }
    }

    /// By a client.
    pub fn frame(words: &Words, channel: &str, data: &str, persist: bool) -> Self {
        Self::new(words.publish(channel, data, persist))
    }

    /// By a back end.
    pub fn request(rest: &Rest, channel: &str, data: &str, persist: bool) -> Self {
        Self::new(match rest.proof {
            Proof::Token(_) => {
                json!({"channel": channel, "event": "message", "data": data, "persist": persist})
                    .to_string()
            }
            Proof::Signature(_) => {
                json!({"channel": channel, "name": "message", "data": data}).to_string()
            }
        })
    }

    /// With its number.
    pub fn numbered(&mut self, number: u32) -> &[u8] {
        mark::write(&mut self.text, self.at, number);
        &self.text
    }
}

/// The whole request around a body.
pub fn request(rest: &Rest, body: &[u8]) -> Vec<u8> {
    let (host, path) = (&rest.place.host, &rest.place.path);
    let (target, proof) = match &rest.proof {
        Proof::Token(token) => (
            format!("{path}/events"),
            format!("Authorization: Bearer {}\r\n", token.expose()),
        ),
        Proof::Signature(credentials) => (signed(path, credentials, body), String::new()),
    };
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {host}\r\n{proof}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The path of a publish to the Pusher HTTP API, with the query that signs it.
fn signed(path: &str, credentials: &Credentials, body: &[u8]) -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let path = format!(
        "{path}/apps/{}/events",
        utf8_percent_encode(&credentials.ident, NON_ALPHANUMERIC)
    );
    let query = [
        ("auth_key", credentials.key.clone()),
        ("auth_timestamp", seconds.to_string()),
        ("auth_version", "1.0".to_owned()),
        ("body_md5", HEXLOWER.encode(&Md5::digest(body))),
    ];
    let query = query.map(|(name, value)| (name.to_owned(), value));
    let signature = SignedRequest {
        method: "POST",
        path: &path,
        query: &query,
        body,
    }
    .signature(&credentials.secret);
    let given = query
        .iter()
        .map(|(name, value)| format!("{name}={}&", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    format!(
        "{path}?{}auth_signature={signature}",
        given.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Secret;

    #[test]
    fn a_publish_to_the_pusher_api_is_signed() {
        let credentials = Credentials {
            ident: "3".into(),
            key: "k".into(),
            secret: Secret::new("s"),
        };
        let target = signed("/base", &credentials, b"{}");
        let (path, query) = target.split_once('?').unwrap();
        assert_eq!(path, "/base/apps/3/events");
        let query: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let query: Vec<_> = query
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.replace("%2E", ".")))
            .collect();
        let (last, rest) = query.split_last().unwrap();
        let expected = SignedRequest {
            method: "POST",
            path,
            query: rest,
            body: b"{}",
        }
        .signature(&Secret::new("s"));
        assert_eq!(last, &("auth_signature".to_owned(), expected));
        assert_eq!(rest.len(), 4);
    }
}
