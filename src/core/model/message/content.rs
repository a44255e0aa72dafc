//! What messages say, without their targets.

use bytes::Bytes;

use super::apn::ApnHeaders;

/// What an e-mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailContent {
    /// The subject.
    pub subject: String,
    /// The text; empty where there is only HTML.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
}

/// What an Apple device is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnContent {
    /// The JSON payload.
    pub payload: Bytes,
    /// The headers of the request.
    pub headers: ApnHeaders,
}
