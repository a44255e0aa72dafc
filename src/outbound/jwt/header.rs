//! The header of a token, as far as it selects the key.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::core::auth::TokenError;

/// The members that are read before the signature is verified.
#[derive(Deserialize)]
pub(super) struct TokenHeader {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    crit: Option<IgnoredAny>,
    zip: Option<IgnoredAny>,
    enc: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
}

/// Parses a JSON object; a list of the members' values is none.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Result<T, TokenError> {
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(TokenError::Malformed);
    }
    serde_json::from_slice(json).map_err(|_| TokenError::Malformed)
}

impl TokenHeader {
    /// Reads the header of a token.
    pub(super) fn read(token: &str) -> Result<Self, TokenError> {
        let (header, _) = token.split_once('.').ok_or(TokenError::Malformed)?;
        let json = BASE64URL_NOPAD
            .decode(header.as_bytes())
            .map_err(|_| TokenError::Malformed)?;
        let header: Self = object(&json)?;
        match &header {
            Self { crit: Some(_), .. } => Err(TokenError::Header("crit")),
            Self { zip: Some(_), .. } => Err(TokenError::Header("zip")),
            Self { enc: Some(_), .. } => Err(TokenError::Header("enc")),
            Self { b64: Some(_), .. } => Err(TokenError::Header("b64")),
            _ => Ok(header),
        }
    }
}
