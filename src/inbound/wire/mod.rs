//! JSON forms that several edges share; no web framework here.

mod event;
mod text;

pub use event::{date_text, history_json};
pub use text::{push_escaped, push_json_string, seconds_text};
