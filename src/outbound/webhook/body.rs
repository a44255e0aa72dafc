//! What a webhook is sent.

use serde::Serialize;

use crate::core::model::{OutboxEventKind, QueuedEvent};

#[derive(Serialize)]
struct Body<'a> {
    time_ms: i64,
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
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

impl<'a> From<&'a QueuedEvent> for Event<'a> {
    fn from(notice: &'a QueuedEvent) -> Self {
        let (name, channel) = (notice.what.kind().name(), notice.channel.as_str());
        let mut told = Self {
            name,
            channel,
            event: None,
            data: None,
            socket_id: None,
            user_id: None,
            subscription_count: None,
        };
        match &notice.what {
            OutboxEventKind::Occupied | OutboxEventKind::Vacated | OutboxEventKind::CacheMiss => {}
            OutboxEventKind::MemberAdded(user) | OutboxEventKind::MemberRemoved(user) => {
                told.user_id = Some(user.as_str())
            }
            OutboxEventKind::ClientEvent(said) => {
                (told.event, told.data, told.socket_id) =
                    (Some(&*said.event), Some(&*said.data), Some(&*said.socket));
                told.user_id = said.user.as_ref().map(|user| user.as_str());
            }
            OutboxEventKind::SubscriptionCount(count) => told.subscription_count = Some(*count),
        }
        told
    }
}

/// The body that tells the notices, in order. Its time is when the last of them happened, whichever attempt it is.
pub(super) fn body(notices: &[QueuedEvent]) -> Result<String, serde_json::Error> {
    let time_ms = notices.last().map_or(0, |notice| notice.at.micros() / 1000);
    serde_json::to_string(&Body {
        time_ms,
        events: notices.iter().map(Event::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ChannelName, ClientEventDetails, Timestamp, UserId};

    #[test]
    fn every_kind_has_its_members() {
        let user = UserId::parse("ann").unwrap();
        let said = ClientEventDetails {
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
                OutboxEventKind::ClientEvent(said.clone()),
                r#"{"name":"client_event","channel":"c","event":"client-x","data":"\"d\"","socket_id":"1.2","user_id":"ann"}"#,
            ),
            (
                OutboxEventKind::ClientEvent(ClientEventDetails { user: None, ..said }),
                r#"{"name":"client_event","channel":"c","event":"client-x","data":"\"d\"","socket_id":"1.2"}"#,
            ),
            (
                OutboxEventKind::SubscriptionCount(3),
                r#"{"name":"subscription_count","channel":"c","subscription_count":3}"#,
            ),
        ];
        for (what, expected) in kinds {
            let at = Timestamp::from_micros(1_327_078_148_132_999);
            let notice = QueuedEvent {
                id: 1,
                channel: ChannelName::trusted("c"),
                what,
                at,
                since: at,
            };
            assert_eq!(
                body(&[notice]).unwrap(),
                format!(r#"{{"time_ms":1327078148132,"events":[{expected}]}}"#)
            );
        }
    }
}
