//! The content of messages to targets outside the connections.

mod apn;
mod digest;
mod direct;
mod mail;

use serde_json::{Map, Value};

use crate::core::model::{
    ApnContent, ApnHeaderError, BrowserKeys, BrowserKeysError, DigestContent, MailContent,
    WebContent,
};
use crate::core::ports::MessageFormat;

/// Formats as those of the original.
pub struct OriginalFormat;

impl MessageFormat for OriginalFormat {
    fn event_mail(&self, event: &str) -> MailContent {
        mail::content(&members(event))
    }

    fn digest_mail(&self, events: &[&str]) -> DigestContent {
        digest::content(events.iter().map(|event| members(event)))
    }

    fn event_apn(&self, event: &str) -> Result<ApnContent, ApnHeaderError> {
        apn::content(apn::message_of(&members(event)))
    }

    fn direct_web(&self, message: &str) -> Option<WebContent> {
        direct::web(&members(message))
    }

    fn direct_mail(&self, message: &str) -> MailContent {
        direct::mail(&members(message))
    }

    fn direct_keys(&self, message: &str) -> Result<BrowserKeys, BrowserKeysError> {
        let members = members(message);
        BrowserKeys::parse(text(&members, "p256dh"), text(&members, "auth"))
    }

    fn apn(&self, message: &str) -> Result<ApnContent, ApnHeaderError> {
        apn::content((serde_json::from_str(message).unwrap_or_default(), true))
    }
}

/// The members of an event; none of a text that is no object.
fn members(event: &str) -> Map<String, Value> {
    serde_json::from_str(event).unwrap_or_default()
}

/// A text of an object; empty: there is none.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> &'a str {
    members
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
