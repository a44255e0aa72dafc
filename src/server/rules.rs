//! The rules of the use cases, from the settings.

use crate::config::Settings;
use crate::core::service::{MessageRules, NotificationRules, Rules, WebhookRules};

pub(super) fn rules(settings: &Settings) -> Rules {
    Rules {
        limits: settings.limits.clone(),
        session_ttl: settings.access.session_ttl,
        max_token_ttl: settings.access.max_token_ttl,
        allowed_origins: settings.access.allowed_origins.clone(),
        retention: settings.store.retention,
        retention_events: settings.store.retention_events,
        webhooks: WebhookRules {
            timeout: settings.webhooks.timeout,
            retry: settings.webhooks.retry,
            single_node: settings.bus.is_none(),
        },
        notifications: NotificationRules {
            enabled: settings.notifications.enabled,
            timeout: settings.notifications.timeout,
            retry: settings.notifications.retry,
        },
        messages: MessageRules {
            timeout: settings.notifications.timeout,
            contact: settings.notifications.contact.clone(),
            mail: settings.notifications.mail.clone(),
            web_push_ttl: u32::try_from(settings.notifications.web_push_ttl.as_secs())
                .unwrap_or(u32::MAX),
            public_url: settings.notifications.public_url.clone(),
        },
    }
}
