//! Log-in sessions.

use super::app::AppIdent;
use super::time::Timestamp;

/// The SHA-256 of a session token, which is stored instead of the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// The digest of the secret that opened a session, keyed with the session token: without the token it confirms no guess.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CredentialDigest(pub [u8; 32]);

impl std::fmt::Debug for CredentialDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CredentialDigest(…)")
    }
}

/// The part of the network from which a client logs in, by which failed logins are limited: an address of IPv4, a /64 of IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientNetwork(pub Box<str>);

/// A log-in session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The hash of the session token.
    pub hash: TokenHash,
    /// The app that the session gives access to.
    pub app: AppIdent,
    /// The secret that opened it, with which it ends.
    pub credential: CredentialDigest,
    /// The time at which it expires.
    pub expires: Timestamp,
}
