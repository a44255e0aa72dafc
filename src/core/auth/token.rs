//! Tokens of users (JSON Web Tokens): what one grants once its signature is verified.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::core::model::{App, ChannelKind, ChannelName, Member, Timestamp, UserId};

/// The bytes of a token, and so of what a connection keeps of it.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far the clocks of the issuer and this server may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// The claims of a token whose signature is right; the types are checked, the values are not.
#[derive(Default)]
pub struct TokenClaims {
    /// `sub`: the id of the user.
    pub user: Option<String>,
    /// `exp`: when it expires.
    pub expires: Option<Timestamp>,
    /// `iat`: when it was issued.
    pub issued: Option<Timestamp>,
    /// `nbf`: when it begins to be valid.
    pub not_before: Option<Timestamp>,
    /// `channels`: names, or prefixes that end in `*`.
    pub channels: Vec<String>,
    /// `publish`: the same; `None`: there is no such claim.
    pub publish: Option<Vec<String>>,
    /// `info`, with the user: the text of a JSON object with `user_id`, and `user_info` where there is `info`.
    pub member_data: Option<String>,
    /// `app`: the id or the key of an app.
    pub app: Option<String>,
    /// `aud`: whom it is for.
    pub audiences: Option<Vec<String>>,
}

/// Why a token is refused. No text contains a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has too many bytes.
    #[error("the token has more than {MAX_TOKEN_BYTES} bytes: shorten its claims")]
    TooLong,
    /// It is no token in compact form, or its JSON is malformed.
    #[error(
        "the token is malformed: it must be a signed JSON Web Token in compact form, in which each member occurs once"
    )]
    Malformed,
    /// Its algorithm is none of those that are accepted.
    #[error(
        "the token's algorithm is not accepted: sign it by HS256 with the app's secret, or by RS256, ES256 or EdDSA with a key of token_keys"
    )]
    Algorithm,
    /// Its header has `crit`, or another extension that changes its meaning.
    #[error("the token's header has {0}, which is not supported: omit it")]
    Header(&'static str),
    /// The app has no such key.
    #[error(
        "the app has no key for the token's algorithm and kid: add the public key to token_keys"
    )]
    NoKey,
    /// The signature is wrong.
    #[error(
        "the token's signature is wrong: sign it with the app's secret, or with the private key of one of token_keys"
    )]
    Signature,
    /// A claim is missing.
    #[error("the token's claim {0} is missing")]
    Missing(&'static str),
    /// A claim has a wrong type or value.
    #[error("the token's claim {0} must be {1}")]
    Claim(&'static str, &'static str),
    /// It has expired.
    #[error("the token has expired (exp): get a new one")]
    Expired,
    /// It expires too late.
    #[error(
        "the token expires too late: exp must be at most {0} s ahead (PUSHI_MAX_TOKEN_TTL), in seconds since 1970"
    )]
    TooLate(u64),
    /// It is not valid yet.
    #[error("the token is not valid yet ({0}): check the clock of its issuer")]
    NotYet(&'static str),
    /// It is for another app.
    #[error("the token is for another app: its claim app must be the id or the key of this app")]
    OtherApp,
    /// It is for another service.
    #[error("the token is for others: its claim aud must contain the id or the key of this app")]
    OtherAudience,
}

/// Names of channels, and prefixes that end in `*`.
///
/// A prefix covers channels of its own kind: `private-a*` private channels, `room-*` public ones. `*` alone covers all public,
/// private and presence channels. The channels of users (`personal-`, `peer-`) are covered by their whole name only, and
/// `#server-to-user-` never.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ChannelPatterns(Box<[Box<str>]>);

impl ChannelPatterns {
    /// From the texts of a claim.
    pub fn new(patterns: Vec<String>) -> Self {
        Self(patterns.into_iter().map(Into::into).collect())
    }

    /// Whether a pattern covers the channel.
    pub fn covers(&self, channel: &ChannelName) -> bool {
        let (name, kind) = (channel.as_str(), channel.kind());
        self.0
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                None => kind != ChannelKind::User && **pattern == *name,
                Some(prefix) => {
                    matches!(
                        kind,
                        ChannelKind::Public | ChannelKind::Private | ChannelKind::Presence
                    ) && name.starts_with(prefix)
                        && (prefix.is_empty() || ChannelName::trusted(prefix).kind() == kind)
                }
            })
    }
}

impl fmt::Debug for ChannelPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} patterns", self.0.len())
    }
}

/// What a valid token grants. It has at most [`MAX_TOKEN_BYTES`], about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGrant {
    user: Option<UserId>,
    expires: Timestamp,
    channels: ChannelPatterns,
    publish: Option<ChannelPatterns>,
    member_data: Option<Arc<str>>,
}

impl TokenGrant {
    /// The grant of a token with these claims, whose signature was verified with a key of `app`. `max_ttl`: how far ahead it may
    /// expire.
    ///
    /// # Errors
    /// A claim forbids its use at this time or for this app.
    pub fn new(
        claims: TokenClaims,
        app: &App,
        now: Timestamp,
        max_ttl: Duration,
    ) -> Result<Self, TokenError> {
        let expires = claims.expires.ok_or(TokenError::Missing("exp"))?;
        let latest = expires.plus(LEEWAY);
        if latest <= now {
            return Err(TokenError::Expired);
        }
        if expires > now.plus(max_ttl).plus(LEEWAY) {
            return Err(TokenError::TooLate(max_ttl.as_secs()));
        }
        for (name, begin) in [("iat", claims.issued), ("nbf", claims.not_before)] {
            if begin.is_some_and(|begin| begin > now.plus(LEEWAY)) {
                return Err(TokenError::NotYet(name));
            }
        }
        let is_app = |name: &String| *name == app.key || *name == app.ident.as_str();
        if claims.app.is_some_and(|named| !is_app(&named)) {
            return Err(TokenError::OtherApp);
        }
        // RFC 7519, section 4.1.3: who is not in it must refuse the token.
        if claims.audiences.is_some_and(|all| !all.iter().any(is_app)) {
            return Err(TokenError::OtherAudience);
        }
        let user = claims.user.map(|user| {
            UserId::parse(&user).ok_or(TokenError::Claim(
                "sub",
                "a string of 1 to 128 printable characters, the id of the user",
            ))
        });
        Ok(Self {
            user: user.transpose()?,
            // The leeway is for clocks that differ: it is granted to a token that is expired already.
            expires: if expires > now { expires } else { latest },
            channels: ChannelPatterns::new(claims.channels),
            publish: claims.publish.map(ChannelPatterns::new),
            member_data: claims.member_data.map(Into::into),
        })
    }

    /// The user (`sub`); `None`: the token names none.
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// When the grant ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether it has ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether the token's user may subscribe to a channel and read its history without a signature: `channels` covers it, or it
    /// is the user's own. Public channels are open to anyone and need no token.
    pub fn covers(&self, channel: &ChannelName) -> bool {
        let is_own = |user: &UserId| {
            let own = channel.personal_user().or_else(|| channel.server_user());
            own.as_ref() == Some(user)
        };
        self.channels.covers(channel) || self.user.as_ref().is_some_and(is_own)
    }

    /// Whether `publish` covers a channel; `None`: there is no such claim, and the app's settings decide.
    pub fn publishes(&self, channel: &ChannelName) -> Option<bool> {
        self.publish
            .as_ref()
            .map(|patterns| patterns.covers(channel))
    }

    /// The member that the user is on presence channels, from `sub` and `info`; `None`: the token names no user.
    pub fn member(&self, peer: bool) -> Option<Member> {
        let data = self.member_data.as_ref()?;
        let data = match data.strip_prefix('{') {
            Some(members) if peer => format!("{{\"peer\":true,{members}").into(),
            _ => Arc::clone(data),
        };
        Some(Member {
            user_id: self.user.clone()?,
            data,
            peer,
        })
    }
}

#[cfg(test)]
mod tests;
