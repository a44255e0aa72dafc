//! Signatures and tokens: created, and verified in constant time.

mod console;
pub(crate) mod diagnosis;
mod es256;
mod mail_unsubscribe;
mod request;
mod signable;
mod token;
mod user;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub use console::{
    administrator_session, check_administrator_session, console_request_token,
    is_administrator_session,
};
pub use diagnosis::SignatureFault;
pub use es256::{new_p256_key, signed_token};
pub use mail_unsubscribe::UnsubscribeToken;
pub use request::{RequestError, SignedRequest, message_signature, webhook_signature};
pub use signable::{SignableError, check_signable};
pub use token::{ChannelPatterns, MAX_TOKEN_BYTES, TokenClaims, TokenError, TokenGrant};
pub use user::{check_user_auth, user_auth};

use super::model::{App, ChannelName, CredentialDigest, Mid, Secret, SocketId, TokenHash};

/// The operating system provided no random numbers; no secret can be created.
#[derive(Debug, thiserror::Error)]
#[error("no random numbers from the operating system: {0}")]
pub struct RandomError(#[from] getrandom::Error);

/// `N` random bytes as lower-case hex, two digits per byte.
///
/// # Errors
/// The operating system provided no random numbers.
pub fn random_hex<const N: usize>() -> Result<String, RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

/// A random number of 53 bits, which JavaScript's numbers and the Pusher libraries keep exactly.
///
/// # Errors
/// The operating system provided no random numbers.
pub fn random_53_bits() -> Result<u64, RandomError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes) >> 11)
}

/// Lower-case hex of HMAC-SHA256 over the parts, in order, keyed with `secret`.
fn sign(secret: &Secret, parts: &[&str]) -> String {
    sign_bytes(secret, parts)
}

fn sign_bytes(secret: &Secret, parts: &[impl AsRef<[u8]>]) -> String {
    // HMAC accepts a key of any length, so this does not fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    for part in parts {
        mac.update(part.as_ref());
    }
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// The `auth` that a back end returns for a channel: `<key>:<hex>`, the signature over
/// `<socket_id>:<channel>`, followed by `:<channel_data>` if there is any.
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

/// The reason for which an `auth` is invalid; no text contains a secret or a correct signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error("the channel requires a signature: request auth from your back end")]
    Missing,
    /// It does not have the form `<app_key>:<hex>`, or has another app's key.
    #[error("auth must be <app_key>:<hex> with the key of this connection")]
    Malformed,
    /// It is not the signature over this socket and channel.
    #[error("invalid signature: sign <socket_id>:<channel> with HMAC-SHA256 and the app's secret")]
    Wrong,
    /// It does not cover the channel data.
    #[error(
        "invalid signature: sign <socket_id>:<channel>:<channel_data>, with channel_data exactly as sent"
    )]
    Uncovered,
    /// There is none for a sign-in.
    #[error("signing in requires a signature: request auth from your back end")]
    MissingUser,
    /// It is not the signature over this socket and user data.
    #[error(
        "invalid signature: sign <socket_id>::user::<user_data> with HMAC-SHA256 and the app's secret"
    )]
    WrongUser,
}

/// The signature in an `auth`, whose key must be the app's.
fn parse_auth<'a>(app: &App, auth: Option<&'a str>) -> Result<&'a str, SignatureError> {
    let auth = auth
        .filter(|text| !text.is_empty())
        .ok_or(SignatureError::Missing)?;
    // A key may contain colons; the signature is hex.
    let (key, given) = auth.rsplit_once(':').ok_or(SignatureError::Malformed)?;
    if key == app.key {
        Ok(given)
    } else {
        Err(SignatureError::Malformed)
    }
}

/// Verifies `auth` for a channel with every valid secret. `channel_data` is the text as it was sent;
/// with `covered` the signature must include it where there is some. Returns whether it does.
///
/// # Errors
/// The signature is missing, malformed or wrong.
pub fn check_channel_auth(
    app: &App,
    auth: Option<&str>,
    socket: SocketId,
    channel: &ChannelName,
    channel_data: Option<&str>,
    covered: bool,
) -> Result<bool, SignatureError> {
    let given = parse_auth(app, auth)?;
    let socket = socket.to_string();
    let covered = covered && channel_data.is_some();
    for secret in app.secrets() {
        let fits = |parts: &[&str]| Secret::new(sign(secret, parts)).matches(given);
        if channel_data.is_some_and(|data| fits(&[&socket, ":", channel.as_str(), ":", data])) {
            return Ok(true);
        }
        if !covered && fits(&[&socket, ":", channel.as_str()]) {
            return Ok(false);
        }
    }
    Err(if covered {
        SignatureError::Uncovered
    } else {
        SignatureError::Wrong
    })
}

/// The reason for which the `auth` of a notification target is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetSignatureError {
    /// There is none.
    #[error("auth is missing: the channel requires a signature from your back end")]
    Missing,
    /// It does not have the form `<app_key>:<hex>`, or has another app's key.
    #[error("auth must be <app_key>:<hex> with the key of this app")]
    Malformed,
    /// It is not the signature over this target and channel.
    #[error("auth is invalid: sign <target>:<channel> with HMAC-SHA256 and the app's secret")]
    Wrong,
}

/// Verifies the `auth` of a notification target for a closed channel with every valid secret: the target's address stands where
/// the socket's id stands in [`channel_auth`].
///
/// # Errors
/// The signature is missing, malformed or wrong.
pub fn check_target_auth(
    app: &App,
    auth: Option<&str>,
    address: &str,
    channel: &ChannelName,
) -> Result<(), TargetSignatureError> {
    let given = parse_auth(app, auth).map_err(|error| match error {
        SignatureError::Missing => TargetSignatureError::Missing,
        _ => TargetSignatureError::Malformed,
    })?;
    let fits = |secret| Secret::new(sign(secret, &[address, ":", channel.as_str()])).matches(given);
    match app.secrets().any(fits) {
        true => Ok(()),
        false => Err(TargetSignatureError::Wrong),
    }
}

/// The hash of a session token, which is stored in its place.
pub fn token_hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}

/// The digest by which a session remembers the secret of the app `app_id` that opened it.
pub fn credential_digest(token: &str, app_id: u64, secret: &Secret) -> CredentialDigest {
    // HMAC accepts a key of any length, so this does not fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.as_bytes()) else {
        return CredentialDigest([0; 32]);
    };
    mac.update(&app_id.to_le_bytes());
    mac.update(secret.expose().as_bytes());
    CredentialDigest(mac.finalize().into_bytes().into())
}

/// The `mid` of an idempotent publish: equal for equal parts only.
pub fn derived_mid(parts: &[&str]) -> Mid {
    let mut hash = Sha256::new();
    for part in parts {
        // The length prefix distinguishes ("ab", "c") from ("a", "bc").
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Mid(HEXLOWER.encode(&hash.finalize()[..16]).into())
}

#[cfg(test)]
mod tests;
