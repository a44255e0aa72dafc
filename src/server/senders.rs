//! The adapters that send web hooks and messages.

use std::sync::Arc;

use crate::config::Settings;
use crate::core::ports::{Notifier, Senders};
use crate::outbound::apns::{ApnsBase, ApnsSender};
use crate::outbound::email::EmailSender;
use crate::outbound::net::HttpClient;
use crate::outbound::web_push::WebPushSender;
use crate::outbound::webhook::WebhookSender;

/// The sender of webhook events, and those of messages. They share one HTTP client.
pub(super) fn open(settings: &Settings) -> (Arc<dyn Notifier>, Senders) {
    let http = Arc::new(HttpClient::new(settings.webhooks.allow_private));
    let timeout = settings.notifications.timeout;
    let apns = settings.notifications.apns_url.as_deref();
    let apns = apns.map_or_else(ApnsBase::default, ApnsBase::instead);
    let notifier = WebhookSender::new(Arc::clone(&http), settings.webhooks.timeout);
    let senders = Senders {
        web: Arc::new(WebhookSender::new(Arc::clone(&http), timeout)),
        web_push: Arc::new(WebPushSender::new(http, timeout)),
        email: Arc::new(EmailSender::new(timeout, settings.webhooks.allow_private)),
        apn: Arc::new(ApnsSender::new(apns, timeout)),
    };
    (Arc::new(notifier), senders)
}
