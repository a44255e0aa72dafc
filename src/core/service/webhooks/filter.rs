//! Which events an app's webhooks receive.

use std::sync::Arc;

use crate::core::model::{App, ChannelName, Webhook, WebhookEvent};

/// Events of channels with longer names, in bytes, are not recorded: not every store can index them.
const MAX_CHANNEL_BYTES: usize = 2000;

/// Whether one of the app's webhooks receives any of these events of a channel.
pub(super) fn wants_any(app: &App, channel: &ChannelName, events: &[WebhookEvent]) -> bool {
    let wants = |webhook: &Webhook| {
        webhook.covers(channel) && events.iter().any(|event| webhook.wants(*event))
    };
    !app.settings.webhooks.is_empty()
        && channel.as_str().len() <= MAX_CHANNEL_BYTES
        && app.settings.webhooks.iter().any(wants)
}

/// Whether the outbox tracks if a channel is occupied.
pub(super) fn tracks_occupancy(app: &App, channel: &ChannelName) -> bool {
    wants_any(
        app,
        channel,
        &[WebhookEvent::ChannelOccupied, WebhookEvent::ChannelVacated],
    )
}

/// Whether the outbox tracks the members of a presence channel.
pub(super) fn tracks_members(app: &App, channel: &ChannelName) -> bool {
    wants_any(
        app,
        channel,
        &[WebhookEvent::MemberAdded, WebhookEvent::MemberRemoved],
    )
}

/// The URLs of the webhooks that receive this event of a channel, each once.
pub(super) fn addresses(app: &App, channel: &ChannelName, event: WebhookEvent) -> Arc<[Arc<str>]> {
    let mut addresses: Vec<Arc<str>> = Vec::new();
    for webhook in app
        .settings
        .webhooks
        .iter()
        .filter(|webhook| webhook.covers(channel) && webhook.wants(event))
    {
        if !addresses.contains(&webhook.url) {
            addresses.push(Arc::clone(&webhook.url));
        }
    }
    addresses.into()
}
