//! The signatures of requests to the Pusher HTTP API and of webhooks.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};

use super::{sign, sign_bytes};
use crate::core::model::{App, Secret, Timestamp};

/// The largest difference of a request's timestamp from the server's clock, in microseconds (Pusher's
/// documentation).
const MAX_CLOCK_SKEW: i64 = 600 * 1_000_000;

/// The signature's own parameter, which is not signed.
const SIGNATURE: &str = "auth_signature";

const KEY: &str = "auth_key";

/// The parameter with the MD5 of the body.
const BODY_MD5: &str = "body_md5";

/// The parts of a request that its signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// In upper case.
    pub method: &'a str,
    /// As it was sent, without the query.
    pub path: &'a str,
    /// The query's parameters, unescaped. `body_md5` stands for the body.
    pub query: &'a [(String, String)],
    /// Whether a body follows, which `body_md5` must stand for.
    pub has_body: bool,
}

/// The reason for which a request's signature is invalid; no text contains a secret or a correct
/// signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A parameter is missing.
    #[error(
        "{0} is missing: sign the request with auth_key, auth_timestamp, auth_version, auth_signature, and body_md5 if it has a body"
    )]
    Missing(&'static str),
    /// The key is another app's.
    #[error("auth_key is not this app's key")]
    Key,
    /// The version is not 1.0.
    #[error("auth_version must be 1.0")]
    Version,
    /// The timestamp is not a number.
    #[error("auth_timestamp must be an integer: seconds since 1970")]
    TimestampForm,
    /// The timestamp differs too much from the server's clock.
    #[error("auth_timestamp differs by more than 600 s from the server's time: check the clock")]
    Timestamp,
    /// The MD5 is not that of the body.
    #[error("body_md5 does not match: send the lower-case hex MD5 of the body exactly as sent")]
    BodyMd5,
    /// It is not the signature over this request.
    #[error(
        "auth_signature is invalid: sign METHOD\\nPATH\\nQUERY with HMAC-SHA256 and the app's secret, with QUERY sorted and not escaped"
    )]
    Signature,
}

impl SignedRequest<'_> {
    /// A parameter by its name, ignoring case.
    pub(crate) fn parameter(&self, name: &'static str) -> Result<&str, RequestError> {
        let found = self
            .query
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value.as_str())
            .ok_or(RequestError::Missing(name))
    }

    /// Whether the request names this key. Several libraries do not escape the query, and a plus that
    /// is not escaped is read as a space, which no key contains.
    pub(crate) fn has_key(&self, key: &str) -> Result<bool, RequestError> {
        Ok(self.parameter(KEY)?.replace(' ', "+") == key)
    }

    /// The signature in lower-case hex: over the method, the path, and every parameter but the
    /// signature itself, sorted by lower-case name, with values unescaped.
    pub fn signature(&self, secret: &Secret) -> String {
        let query = self.sorted_query();
        sign(secret, &[self.method, "\n", self.path, "\n", &query])
    }

    /// The part of the query that is signed.
    pub(super) fn sorted_query(&self) -> String {
        let named = self
            .query
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value));
        let mut query: Vec<_> = named.filter(|(name, _)| name != SIGNATURE).collect();
        query.sort_by(|(a, _), (b, _)| a.cmp(b));
        let query: Vec<String> = query
            .into_iter()
            .map(|(name, value)| match name.as_str() {
                KEY => format!("{name}={}", value.replace(' ', "+")),
                _ => format!("{name}={value}"),
            })
            .collect();
        query.join("&")
    }

    /// Verifies the key, the version, the timestamp and the signature, with every valid secret of the app.
    /// It needs no body, so that a body is read for a valid signature only.
    ///
    /// # Errors
    /// The first part that is invalid.
    pub fn check(&self, app: &App, now: Timestamp) -> Result<(), RequestError> {
        if !self.has_key(&app.key)? {
            return Err(RequestError::Key);
        }
        if self.parameter("auth_version")? != "1.0" {
            return Err(RequestError::Version);
        }
        let seconds: i64 = self
            .parameter("auth_timestamp")?
            .parse()
            .map_err(|_| RequestError::TimestampForm)?;
        let skew = seconds
            .saturating_mul(1_000_000)
            .saturating_sub(now.micros());
        if skew.saturating_abs() > MAX_CLOCK_SKEW {
            return Err(RequestError::Timestamp);
        }
        if self.has_body {
            self.parameter(BODY_MD5)?;
        }
        let given = self.parameter(SIGNATURE)?;
        let fits = app
            .secrets()
            .any(|secret| Secret::new(self.signature(secret)).matches(given));
        if fits {
            Ok(())
        } else {
            Err(RequestError::Signature)
        }
    }

    /// Verifies the body, as it was sent, by its MD5.
    ///
    /// # Errors
    /// The MD5 is missing, or that of another body.
    pub fn check_body(&self, body: &[u8]) -> Result<(), RequestError> {
        match self.parameter(BODY_MD5) {
            // PyPI `pusher` sends the MD5 of an empty body with a GET.
            Ok(given) if given != HEXLOWER.encode(&Md5::digest(body)) => Err(RequestError::BodyMd5),
            Err(missing) if !body.is_empty() => Err(missing),
            _ => Ok(()),
        }
    }
}

/// The signature by which a receiver verifies a webhook's body, in lower-case hex.
pub fn webhook_signature(secret: &Secret, body: &str) -> String {
    sign(secret, &[body])
}

/// The value of `X-Pushi-Signature`, by which a receiver verifies a web hook's body and its time: `t=<seconds>,v1=<hex>`, the
/// signature over `<seconds>.<body>`.
pub fn message_signature(secret: &Secret, at: Timestamp, body: &[u8]) -> String {
    let seconds = at.micros().div_euclid(1_000_000);
    let signature = sign_bytes(secret, &[format!("{seconds}.").as_bytes(), body]);
    format!("t={seconds},v1={signature}")
}
