//! Telling webhooks over HTTP, in the form of Pusher Channels.

mod body;
mod client;
mod reach;
mod sender;

pub use sender::WebhookSender;
