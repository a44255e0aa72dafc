//! Web Push: encrypted messages to browsers through their push services (RFC 8030, 8291, 8292).

mod encryption;
mod sender;

pub use sender::WebPushSender;
