//! What is due to targets.

use pushi::core::model::{
    AppIdent, ChannelName, NewEvent, Notification, OutboxEvent, OutboxEventKind,
};

use super::{NOW, event};

/// An event whose targets are not all in the outbox.
pub(super) fn due_event() -> NewEvent {
    event("a", "x", 2000)
}

/// Notifications that wait for two targets.
pub(super) fn waiting(app: &AppIdent, channel: &ChannelName) -> OutboxEvent {
    OutboxEvent {
        app: app.clone(),
        channel: channel.clone(),
        at: NOW,
        kind: OutboxEventKind::Notification(Notification {
            event: "e".into(),
            frame: "{\"data\":\"é\"}".into(),
            mid: "m".into(),
            publish: "p".into(),
        }),
        addresses: [
            "web:http://a/".into(),
            "web-away:http://b/".into(),
            "email-digest900:a@b.example".into(),
        ]
        .into(),
    }
}
