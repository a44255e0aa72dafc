//! Delivers webhooks over HTTP in the format of Pusher Channels.

pub(crate) mod address_filter;
mod client;
mod payload;
mod sender;

pub use sender::WebhookSender;
