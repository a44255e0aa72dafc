//! Every signature and token: made, and checked in constant time.

mod request;
mod user;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub use request::{RequestError, SignedRequest, webhook_signature};
pub use user::{check_user_auth, user_auth};

use super::model::{App, ChannelName, Mid, Secret, SocketId, TokenHash};

/// The operating system gave no random numbers; nothing secret can be made.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random numbers: {0}")]
pub struct RandomError(#[from] getrandom::Error);

/// Random bytes as lower-case hex: two digits a byte.
pub fn random_hex<const N: usize>() -> Result<String, RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

/// A random number of 53 bits, so that it survives JavaScript and the Pusher libraries.
pub fn random_53_bits() -> Result<u64, RandomError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes) >> 11)
}

/// Lower-case hex of HMAC-SHA256 over the parts, in order, keyed with `secret`.
fn sign(secret: &Secret, parts: &[&str]) -> String {
    // HMAC takes a key of any length, so there is always one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    for part in parts {
        mac.update(part.as_bytes());
    }
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// What a back end answers as `auth` for a channel: `<key>:<hex>`, the signature over `<socket_id>:<channel>`, with
/// `:<channel_data>` behind it where that is given.
pub fn channel_auth(
    key: &str,
    secret: &Secret,
    socket: &str,
    channel: &str,
    channel_data: Option<&str>,
) -> String {
    let signature = match channel_data {
        Some(data) => sign(secret, &[socket, ":", channel, ":", data]),
        None => sign(secret, &[socket, ":", channel]),
    };
    format!("{key}:{signature}")
}

/// What is wrong with an `auth`; no text shows a secret or a correct signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// None was given.
    #[error("the channel needs a signature: ask your back end for auth")]
    Missing,
    /// It does not have the form `<app_key>:<hex>`, or names another key.
    #[error("auth must be <app_key>:<hex> with the key that this socket connected with")]
    Malformed,
    /// It is not what this socket, channel and secret give.
    #[error(
        "the signature does not fit: sign <socket_id>:<channel> with HMAC-SHA256 and the app's secret"
    )]
    Wrong,
    /// The channel data must be covered.
    #[error(
        "the signature does not fit: sign <socket_id>:<channel>:<channel_data>, channel_data being the string as it is sent"
    )]
    Uncovered,
    /// None was given for a sign-in.
    #[error("signing in needs a signature: ask your back end for auth")]
    MissingUser,
    /// It is not what this socket, user data and secret give.
    #[error(
        "the signature does not fit: sign <socket_id>::user::<user_data> with HMAC-SHA256 and the app's secret"
    )]
    WrongUser,
}

/// The signature in an `auth`, whose key must be the app's.
fn given<'a>(app: &App, auth: Option<&'a str>) -> Result<&'a str, SignatureError> {
    let auth = auth
        .filter(|text| !text.is_empty())
        .ok_or(SignatureError::Missing)?;
    let (key, given) = auth.split_once(':').ok_or(SignatureError::Malformed)?;
    if key == app.key {
        Ok(given)
    } else {
        Err(SignatureError::Malformed)
    }
}

/// Checks `auth` for a channel against every valid secret. `channel_data` is the text as it was sent; where there is some, with
/// `covered` the signature must include it.
pub fn check_channel_auth(
    app: &App,
    auth: Option<&str>,
    socket: SocketId,
    channel: &ChannelName,
    channel_data: Option<&str>,
    covered: bool,
) -> Result<(), SignatureError> {
    let given = given(app, auth)?;
    let socket = socket.to_string();
    let covered = covered && channel_data.is_some();
    for secret in app.secrets() {
        let fits = |parts: &[&str]| Secret::new(sign(secret, parts)).matches(given);
        let plain = !covered && fits(&[&socket, ":", channel.as_str()]);
        let whole =
            channel_data.is_some_and(|data| fits(&[&socket, ":", channel.as_str(), ":", data]));
        if plain || whole {
            return Ok(());
        }
    }
    Err(if covered {
        SignatureError::Uncovered
    } else {
        SignatureError::Wrong
    })
}

/// What is stored of a session token.
pub fn token_hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}

/// The `mid` that an idempotent publish gets: the same for the same parts, and nothing else's.
pub fn derived_mid(parts: &[&str]) -> Mid {
    let mut hash = Sha256::new();
    for part in parts {
        // The length in front keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Mid(HEXLOWER.encode(&hash.finalize()[..16]).into())
}

#[cfg(test)]
mod tests;
