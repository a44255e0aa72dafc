//! What happens on channels, as webhooks are told it.

use std::sync::Arc;

use super::app::AppIdent;
use super::channel::ChannelName;
use super::ids::UserId;
use super::settings::WebhookEvent;
use super::time::Timestamp;

/// What happened on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxEventKind {
    /// The first subscriber came.
    Occupied,
    /// The last subscriber has gone.
    Vacated,
    /// A cache channel had nothing to give.
    CacheMiss,
    /// A user came to a presence channel.
    MemberAdded(UserId),
    /// A user has left a presence channel.
    MemberRemoved(UserId),
    /// A client said something to the others.
    ClientEvent(ClientEventDetails),
    /// So many are on the channel now.
    SubscriptionCount(u64),
}

/// A client event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEventDetails {
    /// Its name.
    pub event: Arc<str>,
    /// Its data.
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

    /// What a webhook calls it.
    pub fn kind(&self) -> WebhookEvent {
        match self {
            Self::Occupied => WebhookEvent::ChannelOccupied,
            Self::Vacated => WebhookEvent::ChannelVacated,
            Self::CacheMiss => WebhookEvent::CacheMiss,
            Self::MemberAdded(_) => WebhookEvent::MemberAdded,
            Self::MemberRemoved(_) => WebhookEvent::MemberRemoved,
            Self::ClientEvent(_) => WebhookEvent::ClientEvent,
            Self::SubscriptionCount(_) => WebhookEvent::SubscriptionCount,
        }
    }

    /// What it says of who is there, where it does: the user (`None`: anybody at all), and whether they are there now.
    pub fn standing(&self) -> Option<(Option<&UserId>, bool)> {
        match self {
            Self::Occupied => Some((None, true)),
            Self::Vacated => Some((None, false)),
            Self::MemberAdded(user) => Some((Some(user), true)),
            Self::MemberRemoved(user) => Some((Some(user), false)),
            Self::CacheMiss | Self::ClientEvent(_) | Self::SubscriptionCount(_) => None,
        }
    }
}

/// Something that happened, and who is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// The app.
    pub app: AppIdent,
    /// The channel.
    pub channel: ChannelName,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: OutboxEventKind,
    /// The webhooks that are told, none twice; where there is none, it is only remembered who is there.
    pub addresses: Vec<Arc<str>>,
}

/// Who is there, as far as webhooks were told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportedPresence {
    /// The channel.
    pub channel: ChannelName,
    /// The user; `None`: anybody at all.
    pub user: Option<UserId>,
}

/// Something that waits to be told to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Grows in the order in which an address is to be told.
    pub id: u64,
    /// The channel.
    pub channel: ChannelName,
    /// What happened there.
    pub what: OutboxEventKind,
    /// When it happened.
    pub at: Timestamp,
    /// Since when it waits: when it happened, or when it was last replayed.
    pub since: Timestamp,
}
