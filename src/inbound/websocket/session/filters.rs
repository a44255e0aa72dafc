//! What decides which items of a mailbox are dropped or held back.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::core::hub::{Broadcast, MailboxItem};
use crate::core::model::{ChannelName, Mid, PeerChannel};

/// The frames that are held back while an answer is prepared that must be sent before them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum HoldBack {
    /// None.
    #[default]
    Nothing,
    /// Frames of this channel; for a presence channel also those of its peer channels.
    Channel(ChannelName),
    /// Frames of all channels but these and their peer channels.
    AllBut(HashSet<ChannelName>),
}

/// Events of cache channels that were sent with the subscription, and must not be sent again.
#[derive(Default)]
pub(super) struct CachedEventFilter(HashMap<ChannelName, CachedEventEntry>);

/// The cached event that a channel's subscription was answered with.
struct CachedEventEntry {
    mid: Mid,
    /// All events before it have passed; only itself can still come, through another node.
    passed: bool,
    /// It has come and was dropped.
    dropped: bool,
}

impl CachedEventFilter {
    /// The event of a channel was sent, and so were the events before it.
    pub(super) fn insert(&mut self, channel: &ChannelName, mid: &Mid) {
        let entry = CachedEventEntry {
            mid: mid.clone(),
            passed: false,
            dropped: false,
        };
        self.0.insert(channel.clone(), entry);
    }

    pub(super) fn remove(&mut self, channel: &ChannelName) {
        self.0.remove(channel);
    }

    /// Whether the client has this event or a later one.
    pub(super) fn covers(&mut self, channel: &ChannelName, mid: &Mid) -> bool {
        let Some(entry) = self.0.get_mut(channel) else {
            return false;
        };
        let is_cached = entry.mid == *mid;
        entry.dropped |= is_cached;
        let covers = is_cached || !entry.passed;
        if entry.dropped && entry.passed {
            self.0.remove(channel);
        }
        covers
    }

    /// All events before the cached one have passed.
    pub(super) fn set_passed(&mut self, channel: &ChannelName) {
        if let Some(entry) = self.0.get_mut(channel) {
            entry.passed = true;
            if entry.dropped {
                self.0.remove(channel);
            }
        }
    }
}

/// What happens to an item that is not held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterVerdict {
    Send,
    /// It is sent unless the client has a copy of it by another channel.
    SendFirstCopy,
    Drop,
}

/// What decides which items are dropped or held back, and the items that are held.
#[derive(Default)]
pub(super) struct Filters {
    pub(super) hold_back: HoldBack,
    pub(super) held: Vec<MailboxItem>,
    pub(super) held_bytes: usize,
    /// Per channel subscribed with `since`: the serial up to which events have been sent with the
    /// answer.
    pub(super) covered: HashMap<ChannelName, u64>,
    /// Channels of which stored events follow in a further page: their live ones are dropped when they are stored, and held
    /// back otherwise.
    #[expect(
        clippy::box_collection,
        reason = "few clients are behind: a set takes 40 bytes more"
    )]
    pub(super) behind: Option<Box<HashSet<ChannelName>>>,
    /// Per presence channel: the version up to which changes are part of an answer.
    pub(super) versions: HashMap<ChannelName, u64>,
    /// The version up to which changes of watched users are part of an answer.
    pub(super) watched: u64,
    /// Boxed, because most clients have no cache channel.
    pub(super) cached: Option<Box<CachedEventFilter>>,
    pub(super) unsubscribed: VecDeque<ChannelName>,
}

impl Filters {
    /// Whether frames can be sent as they are, apart from changes of members.
    pub(super) fn is_pass_through(&self) -> bool {
        self.covered.is_empty()
            && self.unsubscribed.is_empty()
            && self.cached.is_none()
            && self.behind.is_none()
            && self.hold_back == HoldBack::Nothing
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.is_pass_through()
            && self.held.is_empty()
            && self.versions.is_empty()
            && self.watched == 0
    }

    pub(super) fn is_behind(&self, channel: &ChannelName) -> bool {
        self.behind
            .as_ref()
            .is_some_and(|behind| behind.contains(channel))
    }

    /// Whether an item must wait.
    pub(super) fn holds(&self, broadcast: &Broadcast) -> bool {
        let Some(channel) = broadcast.channel() else {
            return matches!(self.hold_back, HoldBack::AllBut(_));
        };
        if broadcast.mid().is_some() && broadcast.serial().is_none() && self.is_behind(channel) {
            return true;
        }
        let presence_of = || PeerChannel::parse(channel.as_str()).map(|peer| peer.presence());
        match &self.hold_back {
            HoldBack::Nothing => false,
            HoldBack::Channel(held) => {
                held == channel || presence_of().is_some_and(|presence| presence == held.as_str())
            }
            HoldBack::AllBut(passing) => {
                !passing.contains(channel)
                    && !presence_of().is_some_and(|presence| passing.contains(presence.as_str()))
            }
        }
    }

    /// Whether the client still needs an item, by the answers that it was sent.
    pub(super) fn decide(&mut self, broadcast: &Broadcast) -> FilterVerdict {
        let send_if = |is_new| {
            if is_new {
                FilterVerdict::Send
            } else {
                FilterVerdict::Drop
            }
        };
        let Some(channel) = broadcast.channel() else {
            let version = broadcast.users_version();
            return send_if(version.is_none_or(|version| version > self.watched));
        };
        if self.unsubscribed.contains(channel) {
            return FilterVerdict::Drop;
        }
        if let Some(version) = broadcast.presence_version() {
            let known = self.versions.get(channel);
            return send_if(known.is_none_or(|known| version > *known));
        }
        if let (Some(cached), Some(mid)) = (&mut self.cached, broadcast.mid())
            && cached.covers(channel, mid)
        {
            return FilterVerdict::Drop;
        }
        let covered = if self.covered.is_empty() {
            None
        } else {
            self.covered.get(channel)
        };
        match (covered, broadcast.serial()) {
            (None, _) => FilterVerdict::SendFirstCopy,
            (Some(_), None) => FilterVerdict::Send,
            (Some(covered), Some(serial)) => send_if(serial > *covered && !self.is_behind(channel)),
        }
    }
}
