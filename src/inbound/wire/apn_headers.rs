//! What a message to Apple devices says about its delivery.

use super::raw_members::{RawMembers, read_string};
use crate::core::model::{ApnHeaderError, ApnHeaders};

/// Checks the member `headers` of a message, JSON text, as they are read when it is sent.
///
/// # Errors
/// One of them is unknown, or its value is one that Apple would refuse.
pub fn check_apn_headers(json: &str) -> Result<(), ApnHeaderError> {
    let members = serde_json::from_str::<RawMembers<'_>>(json);
    let Some(given) = members.ok().and_then(|members| members.get("headers")) else {
        return Ok(());
    };
    let given: RawMembers<'_> =
        serde_json::from_str(given).map_err(|_| ApnHeaderError::NoObject)?;
    let mut headers = ApnHeaders::default();
    for (name, value) in given.0.iter().filter(|(_, value)| *value != "null") {
        match read_string(value) {
            Some(text) => headers.set(name, &text)?,
            None => headers.set(name, value)?,
        }
    }
    Ok(())
}
