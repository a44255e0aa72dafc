//! Tokens of users: JSON Web Tokens (RFC 7519).

mod claims;
mod crypto;
mod header;
mod keys;

use std::time::Duration;

use jsonwebtoken::crypto::verify;
use jsonwebtoken::errors::Error;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::value::RawValue;

use self::claims::{NewClaims, ReadClaims};
use self::header::TokenHeader;
use crate::core::auth::{TokenClaims, TokenError};
use crate::core::model::{App, Secret, Timestamp};
use crate::core::ports::TokenReader;

/// Verifies and signs tokens.
pub struct JwtTokens(());

/// A new token for a user.
#[derive(Debug, Default)]
pub struct NewToken<'a> {
    /// The user's id.
    pub user: Option<&'a str>,
    /// The names and prefixes of channels to subscribe to.
    pub channels: &'a [String],
    /// The names and prefixes of channels to publish to; `None`: the app's settings decide.
    pub publish: Option<&'a [String]>,
    /// What members see of the user: JSON.
    pub info: Option<&'a RawValue>,
    /// The id of the app.
    pub app: &'a str,
    /// The time of issue.
    pub issued: Timestamp,
    /// The time until it expires.
    pub ttl: Duration,
}

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SigningError;

impl JwtTokens {
    /// A reader; the cryptography is installed with the first one.
    pub fn new() -> Self {
        crypto::install();
        Self(())
    }

    /// Signs a token with the secret of an app (HS256).
    ///
    /// # Errors
    /// The secret is empty.
    pub fn sign(&self, token: &NewToken<'_>, secret: &Secret) -> Result<String, SigningError> {
        let key = EncodingKey::from_secret(secret.expose().as_bytes()).map_err(|_| SigningError)?;
        let claims = NewClaims::from(token);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
            .map_err(|_| SigningError)
    }
}

impl Default for JwtTokens {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenReader for JwtTokens {
    fn read(&self, token: &str, app: &App) -> Result<TokenClaims, TokenError> {
        let header = TokenHeader::read(token)?;
        let algorithm: Algorithm = header
            .alg
            .parse()
            .map_err(|_: Error| TokenError::Algorithm)?;
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let payload = payload(message)?;
        let keys = keys::candidates(app, algorithm, header.kid.as_deref())?;
        let mut error = TokenError::NoKey;
        for key in &keys {
            match verify(signature, message.as_bytes(), key, algorithm) {
                Ok(true) => return ReadClaims::read(payload),
                Ok(false) => error = TokenError::Signature,
                Err(_) => return Err(TokenError::Malformed),
            }
        }
        Err(error)
    }

    fn named_app(&self, token: &str) -> Result<Option<String>, TokenError> {
        let (message, _) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        ReadClaims::app(payload(message)?)
    }
}

/// The claims in the signed part of a token.
fn payload(message: &str) -> Result<&str, TokenError> {
    message
        .split_once('.')
        .map(|(_, payload)| payload)
        .filter(|payload| !payload.contains('.'))
        .ok_or(TokenError::Malformed)
}

#[cfg(test)]
mod tests;
