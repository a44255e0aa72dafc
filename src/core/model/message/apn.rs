//! Messages to Apple devices.

use bytes::Bytes;

use crate::core::model::p256_key::P256Key;
use crate::core::model::secret::Secret;
use crate::core::model::time::Timestamp;

/// A message to an Apple device.
#[derive(Debug, Clone)]
pub struct ApnMessage {
    /// The device token, hex.
    pub token: Secret,
    /// The JSON payload.
    pub payload: Bytes,
    /// The sender's identity.
    pub credentials: ApnCredentials,
    /// Apple's sandbox instead of its production service.
    pub sandbox: bool,
    /// The headers of the request.
    pub headers: ApnHeaders,
    /// The time of the attempt.
    pub at: Timestamp,
}

/// The identity that an app has for Apple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApnCredentials {
    /// A key that signs tokens.
    Token {
        /// The key.
        key: P256Key,
        /// Its identifier.
        key_id: String,
        /// The identifier of its team.
        team_id: String,
    },
    /// A client certificate.
    Certificate {
        /// The private key, PEM.
        key: Secret,
        /// The certificate, PEM.
        cer: Secret,
    },
}

/// The `apns-…` headers of a request; `None`: not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApnHeaders {
    /// The bundle id.
    pub topic: Option<String>,
    /// The type, such as `alert`.
    pub push_type: Option<String>,
    /// The priority: 10, 5 or 1.
    pub priority: Option<u8>,
    /// The time until which Apple keeps the message, in seconds since 1970.
    pub expiration: Option<i64>,
    /// Replaces a shown notification with the same id.
    pub collapse_id: Option<String>,
}
