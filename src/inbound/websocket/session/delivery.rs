//! Items from a connection's mailbox on their way to the client: which are dropped, which are held
//! back, which are next. No I/O.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::dedup::PublishDedup;
use crate::core::hub::{Broadcast, MailboxItem, Receipt};
use crate::core::model::{ChannelKind, ChannelName, Mid, PeerChannel};
use crate::core::ports::DialectId;

/// The number of unsubscribed channels that are remembered (more where one request left more):
/// frames of theirs that are still queued are dropped.
const MAX_UNSUBSCRIBED: usize = 16;

/// The capacity for taken items that an idle connection may keep.
const KEPT_CAPACITY: usize = 16;

/// The frames that are held back while an answer is prepared that must be sent before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HoldBack {
    /// None.
    Nothing,
    /// Frames of this channel; for a presence channel also those of its peer channels.
    Channel(ChannelName),
    /// Frames of all channels but these and their peer channels.
    AllBut(HashSet<ChannelName>),
}

/// The next thing to do for the client.
#[derive(Debug)]
pub(super) enum DeliveryStep {
    /// Send this frame.
    Frame(Arc<Broadcast>),
    /// Send those of these changes of a presence channel that are later than the version, if there
    /// is one.
    MemberChanges(Arc<Broadcast>, Option<u64>),
    /// Send the rest of a frame that was written in part.
    Rest(Box<[u8]>),
    /// Send a ping.
    Ping,
    /// A publish of this socket was settled.
    Receipt(Box<Receipt>),
    /// The channels that the user of this personal channel follows changed.
    AliasesChanged(Box<ChannelName>),
    /// The app's limit for messages changed.
    LimitChanged,
    /// More bytes are held back than the client may have pending.
    Overflow,
}

/// Events of cache channels that were sent with the subscription, and must not be sent again.
#[derive(Default)]
struct CachedEventFilter(HashMap<ChannelName, CachedEventEntry>);

/// The cached event that a channel's subscription was answered with.
struct CachedEventEntry {
    mid: Mid,
    /// All events before it have passed; only itself can still come, through another node.
    passed: bool,
    /// It has come and was dropped.
    dropped: bool,
}

impl CachedEventFilter {
    /// Whether the client has this event or a later one.
    fn covers(&mut self, channel: &ChannelName, mid: &Mid) -> bool {
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
    fn set_passed(&mut self, channel: &ChannelName) {
        if let Some(entry) = self.0.get_mut(channel) {
            entry.passed = true;
            if entry.dropped {
                self.0.remove(channel);
            }
        }
    }
}

/// The items that were taken from the mailbox, with what decides about them.
pub(super) struct DeliveryQueue {
    taken: VecDeque<MailboxItem>,
    hold_back: HoldBack,
    held: Vec<MailboxItem>,
    held_bytes: usize,
    max_held_bytes: usize,
    /// Per channel subscribed with `since`: the serial up to which events have been sent with the
    /// answer.
    covered: HashMap<ChannelName, u64>,
    /// Channels of which stored events follow in a further page: their live ones are dropped when they are stored, and held
    /// back otherwise.
    #[expect(
        clippy::box_collection,
        reason = "few clients are behind: a set takes 40 bytes more"
    )]
    behind: Option<Box<HashSet<ChannelName>>>,
    /// Per presence channel: the version up to which changes are part of an answer.
    versions: HashMap<ChannelName, u64>,
    /// The version up to which changes of watched users are part of an answer.
    watched: u64,
    /// Boxed, because most clients have no cache channel.
    cached: Option<Box<CachedEventFilter>>,
    unsubscribed: VecDeque<ChannelName>,
    dedup: PublishDedup,
}

impl DeliveryQueue {
    /// Holds back at most `max_held_bytes` (0: no limit).
    pub(super) fn new(max_held_bytes: u64) -> Self {
        let max_held_bytes = match max_held_bytes {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        Self {
            taken: VecDeque::new(),
            hold_back: HoldBack::Nothing,
            held: Vec::new(),
            held_bytes: 0,
            max_held_bytes,
            covered: HashMap::new(),
            behind: None,
            versions: HashMap::new(),
            watched: 0,
            cached: None,
            unsubscribed: VecDeque::new(),
            dedup: PublishDedup::default(),
        }
    }

    /// The client is no longer subscribed: frames of these channels that are still queued are
    /// dropped.
    pub(super) fn unsubscribe(&mut self, channels: &[ChannelName]) {
        for channel in channels {
            self.covered.remove(channel);
            if self.is_behind(channel) {
                self.end_behind(channel);
                self.drop_held(channel);
            }
            self.versions.remove(channel);
            if let Some(cached) = &mut self.cached {
                cached.0.remove(channel);
            }
        }
        let kept = MAX_UNSUBSCRIBED.saturating_sub(channels.len());
        let surplus = self.unsubscribed.len().saturating_sub(kept);
        self.unsubscribed.drain(..surplus);
        self.unsubscribed.extend(channels.iter().cloned());
    }

    /// The client subscribes: frames of the channel are sent again.
    pub(super) fn subscribe(&mut self, channel: &ChannelName) {
        self.unsubscribed.retain(|other| other != channel);
    }

    /// Holds frames back until [`DeliveryQueue::release`].
    pub(super) fn hold_back(&mut self, hold_back: HoldBack) {
        self.hold_back = hold_back;
    }

    /// Puts the held items back to the front, in their order.
    pub(super) fn release(&mut self) {
        self.hold_back = HoldBack::Nothing;
        self.held_bytes = 0;
        for item in self.held.drain(..).rev() {
            self.taken.push_front(item);
        }
        self.held.shrink_to_fit();
    }

    /// Drops events of these channels up to these serials: an answer contained them.
    pub(super) fn cover(&mut self, serials: Vec<(ChannelName, u64)>) {
        self.covered.extend(serials);
    }

    /// The client has not asked for all stored events of these channels yet.
    pub(super) fn set_behind(&mut self, channels: &[ChannelName]) {
        if !channels.is_empty() {
            let behind = self.behind.get_or_insert_default();
            behind.extend(channels.iter().cloned());
        }
    }

    /// An answer has the channel's stored events, or the client no longer wants them.
    pub(super) fn end_behind(&mut self, channel: &ChannelName) {
        if let Some(behind) = &mut self.behind {
            behind.remove(channel);
            if behind.is_empty() {
                self.behind = None;
            }
        }
    }

    /// Drops held items of a channel.
    fn drop_held(&mut self, channel: &ChannelName) {
        self.held.retain(|item| match item {
            MailboxItem::Broadcast(broadcast) => broadcast.channel() != Some(channel),
            _ => true,
        });
    }

    fn is_behind(&self, channel: &ChannelName) -> bool {
        self.behind
            .as_ref()
            .is_some_and(|behind| behind.contains(channel))
    }

    /// Whether the events of a channel are covered up to some serial.
    pub(super) fn is_covered(&self, channel: &ChannelName) -> bool {
        self.covered.contains_key(channel)
    }

    /// Forgets the covered serial of a channel.
    pub(super) fn uncover(&mut self, channel: &ChannelName) {
        self.covered.remove(channel);
        self.end_behind(channel);
    }

    /// Forgets the covered serials of all channels but those that `keep` selects.
    pub(super) fn retain_covered(&mut self, keep: impl Fn(&ChannelName) -> bool) {
        self.covered.retain(|channel, _| keep(channel));
    }

    /// The number of peer channels with a covered serial.
    pub(super) fn covered_peers(&self) -> u64 {
        let is_peer = |channel: &&ChannelName| channel.kind() == ChannelKind::Peer;
        self.covered.keys().filter(is_peer).count() as u64
    }

    /// Drops changes of these presence channels up to these versions: an answer contained them.
    pub(super) fn cover_versions(&mut self, versions: Vec<(ChannelName, u64)>) {
        self.versions.extend(versions);
    }

    /// Drops changes of watched users up to this version: an answer contained them.
    pub(super) fn cover_watched(&mut self, version: u64) {
        self.watched = version;
    }

    /// Drops a cache channel's event, and the events before it: an answer contained it.
    pub(super) fn cover_cached(&mut self, channel: &ChannelName, mid: &Mid) {
        let entry = CachedEventEntry {
            mid: mid.clone(),
            passed: false,
            dropped: false,
        };
        let cached = self.cached.get_or_insert_default();
        cached.0.insert(channel.clone(), entry);
    }

    /// Whether every frame can be sent as it is, so that publishers may write directly.
    pub(super) fn is_pass_through(&self) -> bool {
        self.taken.is_empty()
            && self.covered.is_empty()
            && self.unsubscribed.is_empty()
            && self.cached.is_none()
            && self.behind.is_none()
            && self.hold_back == HoldBack::Nothing
    }

    /// Appends items with `take`.
    pub(super) fn fill<T>(&mut self, take: impl FnOnce(&mut Vec<MailboxItem>) -> T) -> T {
        let mut taken = Vec::from(std::mem::take(&mut self.taken));
        let result = take(&mut taken);
        self.taken = VecDeque::from(taken);
        result
    }

    /// Frees memory that a burst left behind.
    pub(super) fn shrink(&mut self) {
        if self.taken.capacity() > KEPT_CAPACITY {
            self.taken = VecDeque::new();
        }
    }

    /// The next thing to do; `None`: nothing is left, apart from held items.
    pub(super) fn pop(&mut self, dialect: DialectId) -> Option<DeliveryStep> {
        loop {
            return Some(match self.taken.pop_front()? {
                MailboxItem::Broadcast(broadcast) => {
                    if self.holds(&broadcast) {
                        self.held_bytes += broadcast.size(dialect).unwrap_or(0);
                        self.held.push(MailboxItem::Broadcast(broadcast));
                        if self.held_bytes <= self.max_held_bytes {
                            continue;
                        }
                        DeliveryStep::Overflow
                    } else if broadcast.is_batch() {
                        match self.known_version(&broadcast) {
                            Some(version) => DeliveryStep::MemberChanges(broadcast, version),
                            None => continue,
                        }
                    } else if self.is_wanted(&broadcast, dialect) {
                        DeliveryStep::Frame(broadcast)
                    } else {
                        continue;
                    }
                }
                MailboxItem::PartialFrame(rest) => DeliveryStep::Rest(rest),
                MailboxItem::Ping => DeliveryStep::Ping,
                MailboxItem::CacheRead(channel) => {
                    match (&self.hold_back, &mut self.cached) {
                        (HoldBack::Nothing, Some(cached)) => cached.set_passed(&channel),
                        (HoldBack::Nothing, None) => {}
                        _ => self.held.push(MailboxItem::CacheRead(channel)),
                    }
                    continue;
                }
                MailboxItem::Receipt(receipt) => DeliveryStep::Receipt(receipt),
                MailboxItem::AliasesChanged(channel) => DeliveryStep::AliasesChanged(channel),
                MailboxItem::LimitChanged => DeliveryStep::LimitChanged,
            });
        }
    }

    fn holds(&self, broadcast: &Broadcast) -> bool {
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

    /// The version of a presence channel that the client has; the outer `None`: it has left the
    /// channel.
    fn known_version(&self, broadcast: &Broadcast) -> Option<Option<u64>> {
        let channel = broadcast.channel()?;
        (!self.unsubscribed.contains(channel)).then(|| self.versions.get(channel).copied())
    }

    /// Whether the client does not have it yet: neither by an answer that covers it, nor as a copy
    /// on another channel.
    fn is_wanted(&mut self, broadcast: &Broadcast, dialect: DialectId) -> bool {
        let Some(channel) = broadcast.channel() else {
            return broadcast
                .users_version()
                .is_none_or(|version| version > self.watched);
        };
        if self.unsubscribed.contains(channel) {
            return false;
        }
        if let Some(version) = broadcast.presence_version() {
            return self
                .versions
                .get(channel)
                .is_none_or(|known| version > *known);
        }
        if let (Some(cached), Some(mid)) = (&mut self.cached, broadcast.mid())
            && cached.covers(channel, mid)
        {
            return false;
        }
        let covered = if self.covered.is_empty() {
            None
        } else {
            self.covered.get(channel)
        };
        if let (Some(covered), Some(serial)) = (covered, broadcast.serial()) {
            return serial > *covered && !self.is_behind(channel);
        }
        // A Pusher client receives one copy per channel.
        let copy = broadcast
            .publish()
            .filter(|_| covered.is_none() && dialect == DialectId::Pushi);
        copy.is_none_or(|publish| self.dedup.is_first(publish))
    }
}
