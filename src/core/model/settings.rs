//! An app's settings, with the defaults of the protocol page.

use std::collections::BTreeMap;
use std::time::Duration;

use super::channel::ChannelName;
use super::limits::AppLimits;

/// With what a connection over the app's limit is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverCapacity {
    /// 4004: clients do not come back by themselves.
    #[default]
    Stay,
    /// 4100: clients come back after a moment.
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

/// What a webhook can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebhookEvent {
    /// The first subscriber came.
    ChannelOccupied,
    /// The last subscriber left.
    ChannelVacated,
    /// A cache channel had nothing to give.
    CacheMiss,
    /// A user came to a presence channel.
    MemberAdded,
    /// A user left a presence channel.
    MemberRemoved,
    /// A client published.
    ClientEvent,
    /// The number of subscribers changed.
    SubscriptionCount,
}

impl WebhookEvent {
    /// Every one, with the name that it has on the wire.
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

/// An address that is told what happens on the app's channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An `http` or `https` address.
    pub url: String,
    /// What it is told; `None` means everything.
    pub events: Option<Vec<WebhookEvent>>,
    /// Only channels whose name begins so.
    pub channel_prefix: Option<String>,
}

impl Webhook {
    /// Whether it is told of channels with this name.
    pub fn covers(&self, channel: &ChannelName) -> bool {
        self.channel_prefix
            .as_ref()
            .is_none_or(|prefix| channel.as_str().starts_with(prefix.as_str()))
    }

    /// Whether it is told of this.
    pub fn wants(&self, event: WebhookEvent) -> bool {
        self.events
            .as_ref()
            .is_none_or(|events| events.contains(&event))
    }
}

/// What an app's owner or the administrator can set; `Default` is what holds where nothing was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// Otherwise connections get 4003 and REST answers 403.
    pub enabled: bool,
    /// Pushi sockets may publish.
    pub client_publish: bool,
    /// Pusher sockets may send `client-` events.
    pub client_events: bool,
    /// Channel data must be covered by the signature.
    pub signed_presence: bool,
    /// Pusher subscribers are told the count.
    pub subscription_count: bool,
    /// Pusher sockets must sign in.
    pub require_signin: bool,
    /// … within this time.
    pub signin_timeout: Duration,
    /// Plain connections get 4000.
    pub tls_only: bool,
    /// Browsers' origins that may connect; empty means any.
    pub allowed_origins: Vec<String>,
    /// With what a connection over the limit is closed.
    pub over_capacity: OverCapacity,
    /// Channel prefix to the number of events that a Pusher subscriber is replayed.
    pub replay: BTreeMap<String, u32>,
    /// Who is told what happens on the app's channels.
    pub webhooks: Vec<Webhook>,
    /// The app's own limits.
    pub limits: AppLimits,
}

impl AppSettings {
    /// How many events a new subscriber of the Pusher dialect is replayed on a channel: what the longest prefix of its
    /// name in `replay` says. `None`: no prefix names it.
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
            limits: AppLimits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_says_how_much_is_replayed() {
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
