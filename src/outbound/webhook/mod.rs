//! Web hooks over HTTP: the events of channels in the format of Pusher Channels, and messages.

mod payload;
mod sender;

pub use sender::WebhookSender;
