//! The rules of the use cases and what edges show, from the settings.

use crate::config::{ListenSettings, Listener, Settings};
use crate::core::service::{MessageRules, NotificationRules, Rules, WebhookRules};

pub(super) fn rules(settings: &Settings) -> Rules {
    Rules {
        limits: settings.limits.clone(),
        session_ttl: settings.access.session_ttl,
        max_token_ttl: settings.access.max_token_ttl,
        allowed_origins: settings.access.allowed_origins.clone(),
        retention: settings.store.retention,
        retention_events: settings.store.retention_events,
        publish_rows: settings.store.publish_rows,
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

/// The configured address for WebSocket clients; `None`: the operating system chooses the port.
pub(super) fn websocket_address(listen: &ListenSettings) -> Option<String> {
    let Listener { host, port, .. } = listen.server.as_ref().unwrap_or(&listen.api);
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    (*port != 0).then(|| format!("{host}:{port}"))
}
