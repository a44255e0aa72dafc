//! The content of messages to targets outside the connections.

mod apn;
mod mail;

use serde_json::{Map, Value};

use crate::core::model::{ApnContent, ApnHeaderError, MailContent};
use crate::core::ports::MessageFormat;

/// Formats as those of the original.
pub struct OriginalFormat;

impl MessageFormat for OriginalFormat {
    fn event_mail(&self, event: &str) -> MailContent {
        mail::content(&members(event))
    }

    fn event_apn(&self, event: &str) -> Result<ApnContent, ApnHeaderError> {
        apn::content(apn::message_of(&members(event)))
    }

    fn apn(&self, message: &str) -> Result<ApnContent, ApnHeaderError> {
        apn::content((serde_json::from_str(message).unwrap_or_default(), true))
    }
}

/// The members of an event; none of a text that is no object.
fn members(event: &str) -> Map<String, Value> {
    serde_json::from_str(event).unwrap_or_default()
}
