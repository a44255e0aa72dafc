//! The JSON body of a webhook request.

use serde::Serialize;

use crate::core::model::{OutboxEventKind, QueuedEvent};

#[derive(Serialize)]
struct WebhookPayload<'a> {
    time_ms: i64,
    events: Vec<PayloadEvent<'a>>,
}

#[derive(Serialize)]
struct PayloadEvent<'a> {
    name: &'static str,
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_count: Option<u64>,
}

impl<'a> From<&'a QueuedEvent> for PayloadEvent<'a> {
    fn from(queued: &'a QueuedEvent) -> Self {
        let (name, channel) = (queued.kind.name(), queued.channel.as_str());
        let mut event = Self {
            name,
            channel,
            event: None,
            data: None,
            socket_id: None,
            user_id: None,
            subscription_count: None,
        };
        match &queued.kind {
            // A notification has no queue of a webhook.
            OutboxEventKind::Occupied
            | OutboxEventKind::Vacated
            | OutboxEventKind::CacheMiss
            | OutboxEventKind::Notification(_) => {}
            OutboxEventKind::MemberAdded(user) | OutboxEventKind::MemberRemoved(user) => {
                event.user_id = Some(user.as_str())
            }
            OutboxEventKind::ClientEvent(details) => {
                (event.event, event.data, event.socket_id) = (
                    Some(&*details.event),
                    Some(&*details.data),
                    Some(&*details.socket),
                );
                event.user_id = details.user.as_ref().map(|user| user.as_str());
            }
            OutboxEventKind::SubscriptionCount(count) => event.subscription_count = Some(*count),
        }
        event
    }
}

/// Encodes the events in order. The time is that of the last event, so that every attempt sends the same body.
pub(super) fn encode(events: &[QueuedEvent]) -> Result<String, serde_json::Error> {
    let time_ms = events.last().map_or(0, |event| event.at.micros() / 1000);
    serde_json::to_string(&WebhookPayload {
        time_ms,
        events: events.iter().map(PayloadEvent::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ChannelName, ClientEventDetails, Timestamp, UserId};

    #[test]
    fn every_kind_has_its_fields() {
        let user = UserId::parse("ann").unwrap();
        let details = ClientEventDetails {
            event: "client-x".into(),
            data: "\"d\"".into(),
            socket: "1.2".into(),
            user: Some(user.clone()),
        };
        let kinds = [
            (
                OutboxEventKind::Occupied,
                r#"{"name":"channel_occupied","channel":"c"}"#,
            ),
            (
                OutboxEventKind::Vacated,
                r#"{"name":"channel_vacated","channel":"c"}"#,
            ),
            (
                OutboxEventKind::CacheMiss,
                r#"{"name":"cache_miss","channel":"c"}"#,
            ),
            (
                OutboxEventKind::MemberAdded(user.clone()),
                r#"{"name":"member_added","channel":"c","user_id":"ann"}"#,
            ),
            (
                OutboxEventKind::MemberRemoved(user),
                r#"{"name":"member_removed","channel":"c","user_id":"ann"}"#,
            ),
            (
                OutboxEventKind::ClientEvent(details.clone()),
                r#"{"name":"client_event","channel":"c","event":"client-x","data":"\"d\"","socket_id":"1.2","user_id":"ann"}"#,
            ),
            (
                OutboxEventKind::ClientEvent(ClientEventDetails {
                    user: None,
                    ..details
                }),
                r#"{"name":"client_event","channel":"c","event":"client-x","data":"\"d\"","socket_id":"1.2"}"#,
            ),
            (
                OutboxEventKind::SubscriptionCount(3),
                r#"{"name":"subscription_count","channel":"c","subscription_count":3}"#,
            ),
        ];
        for (kind, expected) in kinds {
            let at = Timestamp::from_micros(1_327_078_148_132_999);
            let event = QueuedEvent {
                id: 1,
                channel: ChannelName::trusted("c"),
                kind,
                at,
                since: at,
            };
            assert_eq!(
                encode(&[event]).unwrap(),
                format!(r#"{{"time_ms":1327078148132,"events":[{expected}]}}"#)
            );
        }
    }
}
