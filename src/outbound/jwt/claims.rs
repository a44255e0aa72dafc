//! The claims of a token, as JSON.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::NewToken;
use super::header::object;
use crate::core::auth::{TokenClaims, TokenError};
use crate::core::model::Timestamp;

/// The claims as they were signed. Their types are checked one by one, so that an error names the claim.
#[derive(Deserialize)]
pub(super) struct ReadClaims {
    sub: Option<Box<RawValue>>,
    exp: Option<Box<RawValue>>,
    iat: Option<Box<RawValue>>,
    nbf: Option<Box<RawValue>>,
    channels: Option<Box<RawValue>>,
    publish: Option<Box<RawValue>>,
    info: Option<Box<RawValue>>,
    app: Option<Box<RawValue>>,
    aud: Option<Box<RawValue>>,
}

/// The claims of a new token.
#[derive(Serialize)]
pub(super) struct NewClaims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    app: &'a str,
    iat: i64,
    exp: i64,
    channels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    publish: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<&'a RawValue>,
}

/// A single text, or a list of texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

type Raw = Option<Box<RawValue>>;

fn parse<'a, T: Deserialize<'a>>(
    raw: &'a Raw,
    name: &'static str,
    must: &'static str,
) -> Result<Option<T>, TokenError> {
    raw.as_ref()
        .map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|_| TokenError::Claim(name, must))
}

fn text(raw: &Raw, name: &'static str) -> Result<Option<String>, TokenError> {
    parse(raw, name, "a string")
}

fn time(raw: &Raw, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
    let seconds = parse::<f64>(raw, name, "a number of seconds since 1970")?;
    Ok(seconds.map(Timestamp::from_seconds))
}

fn patterns(raw: &Raw, name: &'static str) -> Result<Option<Vec<String>>, TokenError> {
    let must = "a list of names of channels, or prefixes that end in *";
    parse(raw, name, must)
}

impl ReadClaims {
    fn parse(payload: &str) -> Result<Self, TokenError> {
        let json = BASE64URL_NOPAD
            .decode(payload.as_bytes())
            .map_err(|_| TokenError::Malformed)?;
        object(&json)
    }

    /// Reads the claims of a token whose signature is right.
    pub(super) fn read(payload: &str) -> Result<TokenClaims, TokenError> {
        Self::parse(payload)?.check()
    }

    /// Reads the app of a token that is not verified.
    pub(super) fn app(payload: &str) -> Result<Option<String>, TokenError> {
        text(&Self::parse(payload)?.app, "app")
    }

    fn check(self) -> Result<TokenClaims, TokenError> {
        let user = text(&self.sub, "sub")?;
        let member_data = user.as_ref().map(|user| {
            let id = serde_json::Value::from(user.as_str());
            match &self.info {
                None => format!("{{\"user_id\":{id}}}"),
                Some(info) => format!("{{\"user_id\":{id},\"user_info\":{info}}}"),
            }
        });
        let audiences =
            parse(&self.aud, "aud", "a string or a list of strings")?.map(|named| match named {
                OneOrMore::One(name) => vec![name],
                OneOrMore::More(names) => names,
            });
        Ok(TokenClaims {
            user,
            expires: time(&self.exp, "exp")?,
            issued: time(&self.iat, "iat")?,
            not_before: time(&self.nbf, "nbf")?,
            channels: patterns(&self.channels, "channels")?.unwrap_or_default(),
            publish: patterns(&self.publish, "publish")?,
            member_data,
            app: text(&self.app, "app")?,
            audiences,
        })
    }
}

impl<'a> From<&NewToken<'a>> for NewClaims<'a> {
    fn from(token: &NewToken<'a>) -> Self {
        let seconds = |time: Timestamp| time.micros().div_euclid(1_000_000);
        Self {
            sub: token.user,
            app: token.app,
            iat: seconds(token.issued),
            exp: seconds(token.issued.plus(token.ttl)),
            channels: token.channels,
            publish: token.publish,
            info: token.info,
        }
    }
}
