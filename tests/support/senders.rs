//! The adapters that send web hooks and messages.

use std::sync::Arc;
use std::time::Duration;

use pushi::core::ports::Senders;
use pushi::outbound::apns::{ApnsBase, ApnsSender};
use pushi::outbound::email::EmailSender;
use pushi::outbound::net::HttpClient;
use pushi::outbound::web_push::WebPushSender;
use pushi::outbound::webhook::WebhookSender;

/// The sender of web hooks, with the timeout of a request.
pub fn webhook_sender(allow_private: bool, timeout: Duration) -> Arc<WebhookSender> {
    let http = Arc::new(HttpClient::new(allow_private));
    Arc::new(WebhookSender::new(http, timeout))
}

/// The senders of messages, with the timeout of an attempt.
pub fn senders(allow_private: bool, timeout: Duration) -> Senders {
    let http = Arc::new(HttpClient::new(allow_private));
    Senders {
        web: Arc::new(WebhookSender::new(Arc::clone(&http), timeout)),
        web_push: Arc::new(WebPushSender::new(http, timeout)),
        email: Arc::new(EmailSender::new(timeout, allow_private)),
        apn: Arc::new(ApnsSender::new(ApnsBase::default(), timeout)),
    }
}
