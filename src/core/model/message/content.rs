//! What messages say, without their targets.

use bytes::Bytes;

use super::apn::ApnHeaders;
use super::web::WebMethod;
use super::web_push::WebPushMessage;

/// What web hooks are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebContent {
    /// The method.
    pub method: WebMethod,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body, for methods that have one.
    pub body: Bytes,
}

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

/// What an e-mail about several events says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestContent {
    /// The content.
    pub mail: MailContent,
    /// The events that it is about: the first ones.
    pub events: usize,
}

impl DigestContent {
    /// The most bytes of its text and its HTML together.
    pub const MAX_BYTES: usize = 1024 * 1024;
}

/// What an Apple device is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnContent {
    /// The JSON payload.
    pub payload: Bytes,
    /// The headers of the request.
    pub headers: ApnHeaders,
}

/// Why a message cannot be sent to a browser; the text continues the message's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushContentError {
    /// Too long; with its bytes.
    #[error(" has {0} bytes: a Web Push message has at most {max}", max = WebPushMessage::MAX_PAYLOAD)]
    Bytes(usize),
    /// No number of seconds.
    #[error(".ttl must be an integer from 0 to 4294967295 (seconds)")]
    Ttl,
    /// No urgency.
    #[error(".urgency must be very-low, low, normal or high")]
    Urgency,
    /// No topic.
    #[error(".topic must be 1 to 32 of A-Z a-z 0-9 _ -")]
    Topic,
}

/// Why an event cannot be sent to a browser.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member}{error}")]
pub struct EventPushError {
    /// The member of the event that is the message.
    pub member: &'static str,
    /// What is wrong with it.
    pub error: PushContentError,
}
