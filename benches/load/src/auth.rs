//! The credentials of an app, and the signatures made with its secret.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// An app secret or a session token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Box<str>);

impl Secret {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The credentials of an app. A part that the run does not need is empty.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) app_id: String,
    pub(crate) key: String,
    pub(crate) secret: Secret,
}

/// Lower-case hex of HMAC-SHA256.
fn sign(secret: &Secret, message: &str) -> String {
    // HMAC accepts keys of any length, so this never fails.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(message.as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// The `auth` of a subscription: `<key>:<signature of socket_id:channel[:channel_data]>`.
pub(crate) fn channel_auth(
    key: &str,
    secret: &Secret,
    socket_id: &str,
    channel: &str,
    channel_data: Option<&str>,
) -> String {
    let signature = match channel_data {
        Some(data) => sign(secret, &format!("{socket_id}:{channel}:{data}")),
        None => sign(secret, &format!("{socket_id}:{channel}")),
    };
    format!("{key}:{signature}")
}

/// The `auth_signature` of a request to the Pusher HTTP API. The parameters of `query` are
/// unescaped, with lower-case names.
pub(crate) fn request_signature(
    secret: &Secret,
    method: &str,
    path: &str,
    query: &[(&str, String)],
) -> String {
    let mut parameters: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parameters.sort();
    sign(
        secret,
        &format!("{method}\n{path}\n{}", parameters.join("&")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "278d425bdf160c739803";

    /// The examples of the Pusher documentation.
    #[test]
    fn signs_as_documented() {
        let secret = Secret::new("7ad3773142a6692b25b8");
        let auth = |channel, data| channel_auth(KEY, &secret, "1234.1234", channel, data);
        assert_eq!(
            auth("private-foobar", None),
            format!("{KEY}:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4")
        );
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        assert_eq!(
            auth("presence-foobar", Some(data)),
            format!("{KEY}:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80")
        );
        let query = [
            ("auth_version", "1.0"),
            ("auth_key", KEY),
            ("auth_timestamp", "1353088179"),
            ("body_md5", "ec365a775a4cd0599faeb73354201b6f"),
        ];
        let query = query.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(
            request_signature(&secret, "POST", "/apps/3/events", &query),
            "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
        );
    }
}
