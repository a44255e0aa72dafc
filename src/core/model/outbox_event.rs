//! Webhook events.

use std::sync::Arc;

use super::app::AppIdent;
use super::channel::ChannelName;
use super::ids::{Mid, UserId};
use super::settings::WebhookEvent;
use super::time::Timestamp;

/// The kind of a webhook event, with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxEventKind {
    /// The channel has its first subscription.
    Occupied,
    /// The last subscription of the channel has ended.
    Vacated,
    /// A cache channel had no event for a new subscriber.
    CacheMiss,
    /// A user joined a presence channel.
    MemberAdded(UserId),
    /// A user left a presence channel.
    MemberRemoved(UserId),
    /// A client sent a client event.
    ClientEvent(ClientEventDetails),
    /// The number of subscriptions has changed to this.
    SubscriptionCount(u64),
    /// An event was published, of which notification targets are notified.
    Notification(Notification),
}

/// A published event, as notification targets receive it, or a direct message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The event's name.
    pub event: Arc<str>,
    /// The event as subscribers receive it: a JSON object.
    pub frame: Arc<str>,
    /// The event's id.
    pub mid: Arc<str>,
    /// Shared by the events of one publish: a target is notified of one of them.
    pub publish: Arc<str>,
}

impl Notification {
    /// The name of a direct message in the log.
    const DIRECT_MESSAGE: &'static str = "direct message";
    /// What is in front of the id of a direct message, where events of a publish have the id of one.
    const DIRECT: &'static str = "direct:";

    /// A direct message, which has no event. `content`: a JSON object in place of the event.
    pub fn direct(id: &Mid, content: &str) -> Self {
        Self {
            event: Self::DIRECT_MESSAGE.into(),
            frame: content.into(),
            mid: Arc::clone(&id.0),
            publish: [Self::DIRECT, &id.0].concat().into(),
        }
    }

    /// Whether it is a direct message, for a target without a registration.
    pub fn is_direct(&self) -> bool {
        self.publish.starts_with(Self::DIRECT)
    }
}

/// The data of a client event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEventDetails {
    /// The event's name.
    pub event: Arc<str>,
    /// The event's data.
    pub data: Arc<str>,
    /// The connection that sent it.
    pub socket: Arc<str>,
    /// On a presence channel: the user who sent it.
    pub user: Option<UserId>,
}

impl OutboxEventKind {
    /// A user joined a presence channel; without a user: a channel was occupied.
    pub fn arrived(user: Option<UserId>) -> Self {
        user.map_or(Self::Occupied, Self::MemberAdded)
    }

    /// A user left a presence channel; without a user: a channel was vacated.
    pub fn departed(user: Option<UserId>) -> Self {
        user.map_or(Self::Vacated, Self::MemberRemoved)
    }

    /// The name of [`OutboxEventKind::Notification`] in a store.
    pub const NOTIFICATION: &'static str = "notification";

    /// The event of the Pusher webhook protocol; `None` for a notification.
    pub fn webhook_event(&self) -> Option<WebhookEvent> {
        Some(match self {
            Self::Occupied => WebhookEvent::ChannelOccupied,
            Self::Vacated => WebhookEvent::ChannelVacated,
            Self::CacheMiss => WebhookEvent::CacheMiss,
            Self::MemberAdded(_) => WebhookEvent::MemberAdded,
            Self::MemberRemoved(_) => WebhookEvent::MemberRemoved,
            Self::ClientEvent(_) => WebhookEvent::ClientEvent,
            Self::SubscriptionCount(_) => WebhookEvent::SubscriptionCount,
            Self::Notification(_) => return None,
        })
    }

    /// The name of the kind in a store.
    pub fn name(&self) -> &'static str {
        self.webhook_event()
            .map_or(Self::NOTIFICATION, WebhookEvent::name)
    }

    /// For a notification: what its publish has in common.
    pub fn publish(&self) -> Option<&str> {
        match self {
            Self::Notification(notification) => Some(&notification.publish),
            _ => None,
        }
    }

    /// The bytes of its texts.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Occupied | Self::Vacated | Self::CacheMiss | Self::SubscriptionCount(_) => 0,
            Self::MemberAdded(user) | Self::MemberRemoved(user) => user.as_str().len(),
            Self::ClientEvent(details) => {
                let user = details.user.as_ref().map_or(0, |user| user.as_str().len());
                details.event.len() + details.data.len() + details.socket.len() + user
            }
            Self::Notification(one) => one.event.len() + one.frame.len() + one.mid.len(),
        }
    }

    /// For an arrival or departure: the user (`None`: the channel as a whole), and whether it is present now.
    pub fn presence(&self) -> Option<(Option<&UserId>, bool)> {
        match self {
            Self::Occupied => Some((None, true)),
            Self::Vacated => Some((None, false)),
            Self::MemberAdded(user) => Some((Some(user), true)),
            Self::MemberRemoved(user) => Some((Some(user), false)),
            Self::CacheMiss
            | Self::ClientEvent(_)
            | Self::SubscriptionCount(_)
            | Self::Notification(_) => None,
        }
    }
}

/// An event, and the webhooks that receive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// The app of the channel.
    pub app: AppIdent,
    /// The channel's name.
    pub channel: ChannelName,
    /// The time of the event.
    pub at: Timestamp,
    /// The kind, with its data.
    pub kind: OutboxEventKind,
    /// The URLs of the webhooks, without duplicates; empty: only the reported presence changes.
    pub addresses: Arc<[Arc<str>]>,
}

/// A user, or a channel as a whole, that was reported as present.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportedPresence {
    /// The channel's name.
    pub channel: ChannelName,
    /// The user; `None`: the channel is occupied.
    pub user: Option<UserId>,
}

/// An event in the queue of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent {
    /// A number that grows in the order of sending.
    pub id: u64,
    /// The channel's name.
    pub channel: ChannelName,
    /// The kind, with its data.
    pub kind: OutboxEventKind,
    /// The time of the event.
    pub at: Timestamp,
    /// The time from which retries are counted: that of the event, or of the last replay.
    pub since: Timestamp,
}
