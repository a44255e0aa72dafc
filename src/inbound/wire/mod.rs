//! JSON forms and facts about a request that several edges share; no web framework here.

mod client;
mod event;
mod text;

pub use client::{ClientInfo, ListenerRole};
pub use event::{date_text, history_json};
pub use text::{push_json_string, seconds_text};
