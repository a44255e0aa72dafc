//! JSON forms that the REST and WebSocket edges share; no web framework is used here.

mod apn_headers;
mod event;
mod further_members;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod json;
mod push_content;
mod raw_members;

pub use apn_headers::check_apn_headers;
pub use event::{date_text, escaped_history_len, event_json, history_json};
pub use further_members::{further_member, read_further_members};
pub use json::{compact, depth, escaped_len, push_escaped, push_json_string, seconds_text};
pub use push_content::{event_push_content, push_content};
pub use raw_members::{RawMembers, read_string, read_strings};
