//! What is wrong with a signature. Nothing here shows a signature or a secret: of the strings that may have been signed by mistake, each
//! is signed and compared, and the mistake is named.

mod request;

use data_encoding::{BASE64, HEXLOWER};

use super::sign;
use crate::core::model::{App, Secret};

/// A part of a signed thing, and what is wrong about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFault {
    /// The name of the part.
    pub part: &'static str,
    /// The fault, and what to do about it.
    pub message: String,
}

/// A string that may have been signed in place of the right one.
pub(crate) struct Mistake {
    /// The string.
    pub signed: String,
    /// The part, and what is wrong about it.
    pub fault: SignatureFault,
}

/// Which secret of an app made a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignedWith {
    Current,
    Previous,
}

/// What a client presents `auth` for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignedClaim<'a> {
    /// A subscription, with the channel data as it was sent.
    Channel {
        socket: &'a str,
        channel: &'a str,
        data: Option<&'a str>,
    },
    /// A sign-in, with the user data as it was sent.
    User { socket: &'a str, data: &'a str },
}

pub(crate) fn fault(part: &'static str, message: impl Into<String>) -> SignatureFault {
    SignatureFault {
        part,
        message: message.into(),
    }
}

/// The secret of the app by which `text` was signed; `None`: by none of them.
pub(crate) fn signed_with(app: &App, given: &str, text: &str) -> Option<SignedWith> {
    let fits = |secret: &Secret| Secret::new(sign(secret, &[text])).matches(given);
    if fits(&app.secret) {
        return Some(SignedWith::Current);
    }
    let previous = app.previous_secret.as_ref();
    previous.is_some_and(fits).then_some(SignedWith::Previous)
}

/// The fault of a signature over the right string that is written, or made, in another way.
pub(crate) fn misspelled(app: &App, given: &str, text: &str) -> Option<SignatureFault> {
    for secret in app.secrets() {
        let right = sign(secret, &[text]);
        let bytes = HEXLOWER.decode(right.as_bytes()).unwrap_or_default();
        if right.eq_ignore_ascii_case(given) {
            return Some(fault(
                "signature",
                "the signature is in upper case: write it as lower-case hex",
            ));
        }
        if BASE64.encode(&bytes) == given {
            return Some(fault(
                "signature",
                "the signature is in Base64: write it as lower-case hex",
            ));
        }
    }
    let key = Secret::new(app.key.as_str());
    Secret::new(sign(&key, &[text])).matches(given).then(|| {
        fault(
            "secret",
            "the signature was made with the app's key: sign with its secret",
        )
    })
}

/// The fault of a text that cannot be a signature.
pub(crate) fn malformed(given: &str) -> Option<SignatureFault> {
    let length = given.len();
    if length == 64 && given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let hint = match length {
        32 => " (an MD5 has 32)",
        40 => " (a SHA-1 has 40)",
        128 => " (a SHA-512 has 128)",
        _ => "",
    };
    Some(fault(
        "signature",
        format!(
            "a signature has 64 lower-case hex digits, this one has {length} characters{hint}: use HMAC-SHA256"
        ),
    ))
}

impl SignedClaim<'_> {
    /// The string that should have been signed.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Channel {
                socket,
                channel,
                data: None,
            } => format!("{socket}:{channel}"),
            Self::Channel {
                socket,
                channel,
                data: Some(data),
            } => format!("{socket}:{channel}:{data}"),
            Self::User { socket, data } => format!("{socket}::user::{data}"),
        }
    }

    /// The strings that are signed by mistake. `spellings` are the other forms of the data.
    pub(crate) fn mistakes(&self, spellings: &[String]) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut add = |signed: String, part, message: &str| {
            mistakes.push(Mistake {
                signed,
                fault: fault(part, message),
            });
        };
        match *self {
            Self::Channel {
                socket,
                channel,
                data,
            } => {
                if let Some(data) = data {
                    add(
                        format!("{socket}:{channel}"),
                        "channel_data",
                        "the signature does not cover channel_data: sign <socket_id>:<channel>:<channel_data>",
                    );
                    for other in spellings {
                        add(
                            format!("{socket}:{channel}:{other}"),
                            "channel_data",
                            "channel_data was written differently when it was signed (spaces, order of members or escapes): send exactly the text that was signed",
                        );
                    }
                    add(
                        format!("{socket}:{data}:{channel}"),
                        "auth",
                        "the parts are signed in another order: sign <socket_id>:<channel>:<channel_data>",
                    );
                    add(
                        format!("{channel}:{socket}:{data}"),
                        "auth",
                        "the channel stands before the socket id: sign <socket_id>:<channel>:<channel_data>",
                    );
                    add(
                        format!("{socket}::user::{data}"),
                        "auth",
                        "this is the signature of a sign-in: sign <socket_id>:<channel>:<channel_data>",
                    );
                }
                add(
                    format!("{channel}:{socket}"),
                    "auth",
                    "the channel stands before the socket id: sign <socket_id>:<channel>",
                );
                add(
                    channel.to_owned(),
                    "auth",
                    "the signature covers the channel alone: sign <socket_id>:<channel>",
                );
                add(
                    socket.to_owned(),
                    "auth",
                    "the signature covers the socket id alone: sign <socket_id>:<channel>",
                );
                for (other, message) in other_channels(channel) {
                    let end = data.map(|data| format!(":{data}")).unwrap_or_default();
                    add(format!("{socket}:{other}{end}"), "channel", message);
                }
            }
            Self::User { socket, data } => {
                for other in spellings {
                    add(
                        format!("{socket}::user::{other}"),
                        "user_data",
                        "user_data was written differently when it was signed (spaces, order of members or escapes): send exactly the text that was signed",
                    );
                }
                for other in [format!("{socket}:user:{data}"), format!("{socket}:{data}")] {
                    add(
                        other,
                        "auth",
                        "the separator is wrong: sign <socket_id>::user::<user_data>",
                    );
                }
                add(
                    format!("{data}::user::{socket}"),
                    "auth",
                    "user_data stands before the socket id: sign <socket_id>::user::<user_data>",
                );
            }
        }
        let text = self.text();
        for end in ["\n", "\r\n", " "] {
            add(
                format!("{text}{end}"),
                "auth",
                "the signed string has a line end or a space at its end: remove it",
            );
        }
        mistakes
    }
}

/// Other names under which a channel may have been signed.
fn other_channels(channel: &str) -> Vec<(String, &'static str)> {
    const PREFIXED: &str =
        "the signature is that of the channel with another prefix: sign the full name";
    let mut others = Vec::new();
    for prefix in ["private-", "presence-", "private-encrypted-"] {
        if let Some(rest) = channel.strip_prefix(prefix) {
            others.push((rest.to_owned(), PREFIXED));
            for other in ["private-", "presence-", "private-encrypted-"] {
                others.push((format!("{other}{rest}"), PREFIXED));
            }
        } else {
            others.push((format!("{prefix}{channel}"), PREFIXED));
        }
    }
    others.push((
        channel.to_lowercase(),
        "the channel was signed in lower case: names are case-sensitive",
    ));
    let escaped = percent_encoded(channel);
    others.push((
        escaped,
        "the channel was signed with escapes (%..): sign the name as it is",
    ));
    others.retain(|(other, _)| other != channel);
    others
}

fn percent_encoded(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
