//! Delivers messages to Apple devices over HTTP/2.

mod client;
mod clients;
mod reply;
mod sender;
mod token;

pub use sender::{ApnsBase, ApnsSender};
