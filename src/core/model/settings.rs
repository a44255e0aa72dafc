//! An app's settings and their defaults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::channel::ChannelName;
use super::limits::AppLimits;
use super::token_key::TokenKey;

/// The close code of a connection above the app's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverCapacity {
    /// 4004: clients do not reconnect.
    #[default]
    Stay,
    /// 4100: clients reconnect after a pause.
    Retry,
}

impl OverCapacity {
    /// The close code.
    pub fn code(self) -> u16 {
        match self {
            Self::Stay => 4004,
            Self::Retry => 4100,
        }
    }

    /// From a close code; `None` for any other.
    pub fn from_code(code: u64) -> Option<Self> {
        match code {
            4004 => Some(Self::Stay),
            4100 => Some(Self::Retry),
            _ => None,
        }
    }
}

/// The events of the Pusher webhook protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebhookEvent {
    /// A channel has its first subscription.
    ChannelOccupied,
    /// The last subscription of a channel has ended.
    ChannelVacated,
    /// A cache channel had no event for a new subscriber.
    CacheMiss,
    /// A user joined a presence channel.
    MemberAdded,
    /// A user left a presence channel.
    MemberRemoved,
    /// A client sent a client event.
    ClientEvent,
    /// The number of subscriptions has changed.
    SubscriptionCount,
}

impl WebhookEvent {
    /// All events with their names on the wire.
    pub const NAMES: [(Self, &'static str); 7] = [
        (Self::ChannelOccupied, "channel_occupied"),
        (Self::ChannelVacated, "channel_vacated"),
        (Self::CacheMiss, "cache_miss"),
        (Self::MemberAdded, "member_added"),
        (Self::MemberRemoved, "member_removed"),
        (Self::ClientEvent, "client_event"),
        (Self::SubscriptionCount, "subscription_count"),
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(event, _)| *event == self)
            .map_or("", |(_, name)| name)
    }

    /// From the name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(event, _)| *event)
    }
}

/// A URL that receives the events of the app's channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An `http` or `https` address.
    pub url: Arc<str>,
    /// The events that it receives; `None`: all.
    pub events: Option<Vec<WebhookEvent>>,
    /// Restricts it to channels with this name prefix.
    pub channel_prefix: Option<String>,
}

impl Webhook {
    /// Whether it receives events of this channel.
    pub fn covers(&self, channel: &ChannelName) -> bool {
        self.channel_prefix
            .as_ref()
            .is_none_or(|prefix| channel.as_str().starts_with(prefix.as_str()))
    }

    /// Whether it receives this event.
    pub fn wants(&self, event: WebhookEvent) -> bool {
        self.events
            .as_ref()
            .is_none_or(|events| events.contains(&event))
    }
}

/// The settings of an app; `Default` has the defaults of the protocol page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// Where false, connections are closed with 4003 and REST returns 403.
    pub enabled: bool,
    /// Pushi sockets may publish.
    pub client_publish: bool,
    /// Pusher sockets may send `client-` events.
    pub client_events: bool,
    /// The signature must cover the channel data.
    pub signed_presence: bool,
    /// Pusher subscribers receive the subscription count.
    pub subscription_count: bool,
    /// Sockets must sign in. Only Pusher sockets can.
    pub require_signin: bool,
    /// The time within which they must sign in.
    pub signin_timeout: Duration,
    /// Connections without TLS are closed with 4000.
    pub tls_only: bool,
    /// Patterns of the browser origins that may connect, in normal form (see [`origin`](super::origin)); empty: all.
    pub allowed_origins: Vec<String>,
    /// The close code of a connection above the limit.
    pub over_capacity: OverCapacity,
    /// The number of events that a new Pusher subscriber receives, by channel prefix.
    pub replay: BTreeMap<String, u32>,
    /// The receivers of the events of the app's channels.
    pub webhooks: Vec<Webhook>,
    /// Public keys that verify the tokens of users, besides the secrets; at most [`MAX_TOKEN_KEYS`](super::MAX_TOKEN_KEYS).
    pub token_keys: Vec<TokenKey>,
    /// The app's own limits.
    pub limits: AppLimits,
}

impl AppSettings {
    /// The number of events that a new Pusher subscriber of a channel receives: that of the longest prefix of the channel's
    /// name in `replay`. `None`: no prefix matches.
    pub fn replay_of(&self, channel: &ChannelName) -> Option<u32> {
        let named = self
            .replay
            .iter()
            .filter(|(prefix, _)| channel.as_str().starts_with(prefix.as_str()));
        named
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, count)| *count)
    }
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            client_publish: true,
            client_events: false,
            signed_presence: false,
            subscription_count: false,
            require_signin: false,
            signin_timeout: Duration::from_secs(30),
            tls_only: false,
            allowed_origins: Vec::new(),
            over_capacity: OverCapacity::default(),
            replay: BTreeMap::new(),
            webhooks: Vec::new(),
            token_keys: Vec::new(),
            limits: AppLimits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_sets_the_number_of_replayed_events() {
        let replay = [("room-", 50), ("room-quiet-", 0), ("x", 1)]
            .map(|(prefix, count)| (prefix.to_owned(), count));
        let settings = AppSettings {
            replay: replay.into(),
            ..AppSettings::default()
        };
        let of = |name| settings.replay_of(&ChannelName::trusted(name));
        assert_eq!(
            [
                of("room-1"),
                of("room-quiet-1"),
                of("x"),
                of("private-room-1")
            ],
            [Some(50), Some(0), Some(1), None]
        );
    }
}
