//! What a login leaves behind.

use super::app::AppIdent;
use super::time::Timestamp;

/// SHA-256 of a session token: what is stored in its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A login that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The token's hash.
    pub hash: TokenHash,
    /// The app that it is good for.
    pub app: AppIdent,
    /// When it stops being good.
    pub expires: Timestamp,
}
