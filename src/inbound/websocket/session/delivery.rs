//! Items from a connection's mailbox on their way to the client: which are dropped, which are held
//! back, which are next. No I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use super::dedup::PublishDedup;
use super::filters::{FilterVerdict, Filters, HoldBack};
use crate::core::hub::{Broadcast, MailboxItem, Receipt};
use crate::core::model::{ChannelKind, ChannelName, Mid};
use crate::core::ports::DialectId;

/// The number of unsubscribed channels that are remembered (more where one request left more):
/// frames of theirs that are still queued are dropped.
const MAX_UNSUBSCRIBED: usize = 16;

/// The capacity for taken items that an idle connection may keep.
const KEPT_CAPACITY: usize = 16;

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

/// The items that were taken from the mailbox, with what decides about them.
pub(super) struct DeliveryQueue {
    taken: VecDeque<MailboxItem>,
    max_held_bytes: usize,
    /// `None`: all items are sent, as for most clients most of the time.
    filters: Option<Box<Filters>>,
    /// Boxed, because most events are published to one channel.
    dedup: Option<Box<PublishDedup>>,
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
            max_held_bytes,
            filters: None,
            dedup: None,
        }
    }

    fn filters(&mut self) -> &mut Filters {
        self.filters.get_or_insert_default()
    }

    /// The client is no longer subscribed: frames of these channels that are still queued are
    /// dropped.
    pub(super) fn unsubscribe(&mut self, channels: &[ChannelName]) {
        if channels.is_empty() {
            return;
        }
        for channel in channels {
            if self.is_behind(channel) {
                self.end_behind(channel);
                self.drop_held(channel);
            }
        }
        let filters = self.filters();
        for channel in channels {
            filters.covered.remove(channel);
            filters.versions.remove(channel);
            if let Some(cached) = &mut filters.cached {
                cached.remove(channel);
            }
        }
        let kept = MAX_UNSUBSCRIBED.saturating_sub(channels.len());
        let surplus = filters.unsubscribed.len().saturating_sub(kept);
        filters.unsubscribed.drain(..surplus);
        filters.unsubscribed.extend(channels.iter().cloned());
    }

    /// The client subscribes: frames of the channel are sent again.
    pub(super) fn subscribe(&mut self, channel: &ChannelName) {
        if let Some(filters) = &mut self.filters {
            filters.unsubscribed.retain(|other| other != channel);
        }
    }

    /// Holds frames back until [`DeliveryQueue::release`].
    pub(super) fn hold_back(&mut self, hold_back: HoldBack) {
        self.filters().hold_back = hold_back;
    }

    /// Puts the held items back to the front, in their order.
    pub(super) fn release(&mut self) {
        let Some(filters) = &mut self.filters else {
            return;
        };
        filters.hold_back = HoldBack::Nothing;
        filters.held_bytes = 0;
        for item in filters.held.drain(..).rev() {
            self.taken.push_front(item);
        }
        filters.held.shrink_to_fit();
    }

    /// Drops events of these channels up to these serials: an answer contained them.
    pub(super) fn cover(&mut self, serials: Vec<(ChannelName, u64)>) {
        if !serials.is_empty() {
            self.filters().covered.extend(serials);
        }
    }

    /// The client has not asked for all stored events of these channels yet.
    pub(super) fn set_behind(&mut self, channels: &[ChannelName]) {
        if !channels.is_empty() {
            let behind = self.filters().behind.get_or_insert_default();
            behind.extend(channels.iter().cloned());
        }
    }

    /// An answer has the channel's stored events, or the client no longer wants them.
    pub(super) fn end_behind(&mut self, channel: &ChannelName) {
        if let Some(filters) = &mut self.filters
            && let Some(behind) = &mut filters.behind
        {
            behind.remove(channel);
            if behind.is_empty() {
                filters.behind = None;
            }
        }
    }

    /// Drops held items of a channel.
    fn drop_held(&mut self, channel: &ChannelName) {
        self.filters().held.retain(|item| match item {
            MailboxItem::Broadcast(broadcast) => broadcast.channel() != Some(channel),
            _ => true,
        });
    }

    fn is_behind(&self, channel: &ChannelName) -> bool {
        self.filters
            .as_ref()
            .is_some_and(|filters| filters.is_behind(channel))
    }

    /// Whether the events of a channel are covered up to some serial.
    pub(super) fn is_covered(&self, channel: &ChannelName) -> bool {
        self.filters
            .as_ref()
            .is_some_and(|filters| filters.covered.contains_key(channel))
    }

    /// Forgets the covered serial of a channel.
    pub(super) fn uncover(&mut self, channel: &ChannelName) {
        if let Some(filters) = &mut self.filters {
            filters.covered.remove(channel);
        }
        self.end_behind(channel);
    }

    /// Forgets the covered serials of all channels but those that `keep` selects.
    pub(super) fn retain_covered(&mut self, keep: impl Fn(&ChannelName) -> bool) {
        if let Some(filters) = &mut self.filters {
            filters.covered.retain(|channel, _| keep(channel));
        }
    }

    /// The number of peer channels with a covered serial.
    pub(super) fn covered_peers(&self) -> u64 {
        let is_peer = |channel: &&ChannelName| channel.kind() == ChannelKind::Peer;
        self.filters.as_ref().map_or(0, |filters| {
            filters.covered.keys().filter(is_peer).count() as u64
        })
    }

    /// Drops changes of these presence channels up to these versions: an answer contained them.
    pub(super) fn cover_versions(&mut self, versions: Vec<(ChannelName, u64)>) {
        if !versions.is_empty() {
            self.filters().versions.extend(versions);
        }
    }

    /// Drops changes of watched users up to this version: an answer contained them.
    pub(super) fn cover_watched(&mut self, version: u64) {
        self.filters().watched = version;
    }

    /// Drops a cache channel's event, and the events before it: an answer contained it.
    pub(super) fn cover_cached(&mut self, channel: &ChannelName, mid: &Mid) {
        let cached = self.filters().cached.get_or_insert_default();
        cached.insert(channel, mid);
    }

    /// Whether every frame can be sent as it is, so that publishers may write directly.
    pub(super) fn is_pass_through(&self) -> bool {
        self.taken.is_empty()
            && self
                .filters
                .as_ref()
                .is_none_or(|filters| filters.is_pass_through())
    }

    /// Appends items with `take`.
    pub(super) fn fill<T>(&mut self, take: impl FnOnce(&mut Vec<MailboxItem>) -> T) -> T {
        let mut taken = Vec::from(std::mem::take(&mut self.taken));
        let result = take(&mut taken);
        self.taken = VecDeque::from(taken);
        result
    }

    /// Frees memory that a burst or an answer left behind.
    pub(super) fn shrink(&mut self) {
        self.filters.take_if(|filters| filters.is_empty());
        if self.taken.capacity() > KEPT_CAPACITY {
            self.taken = VecDeque::new();
        }
    }

    /// The next thing to do; `None`: nothing is left, apart from held items.
    pub(super) fn pop(&mut self, dialect: DialectId) -> Option<DeliveryStep> {
        loop {
            return Some(match self.taken.pop_front()? {
                MailboxItem::Broadcast(broadcast) => {
                    if let Some(filters) = &mut self.filters
                        && filters.holds(&broadcast)
                    {
                        filters.held_bytes += broadcast.size(dialect).unwrap_or(0);
                        filters.held.push(MailboxItem::Broadcast(broadcast));
                        if filters.held_bytes <= self.max_held_bytes {
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
                    if let Some(filters) = &mut self.filters {
                        match (&filters.hold_back, &mut filters.cached) {
                            (HoldBack::Nothing, Some(cached)) => cached.set_passed(&channel),
                            (HoldBack::Nothing, None) => {}
                            _ => filters.held.push(MailboxItem::CacheRead(channel)),
                        }
                    }
                    continue;
                }
                MailboxItem::Receipt(receipt) => DeliveryStep::Receipt(receipt),
                MailboxItem::AliasesChanged(channel) => DeliveryStep::AliasesChanged(channel),
                MailboxItem::LimitChanged => DeliveryStep::LimitChanged,
            });
        }
    }

    /// The version of a presence channel that the client has; the outer `None`: it has left the
    /// channel.
    fn known_version(&self, broadcast: &Broadcast) -> Option<Option<u64>> {
        let channel = broadcast.channel()?;
        let Some(filters) = &self.filters else {
            return Some(None);
        };
        (!filters.unsubscribed.contains(channel)).then(|| filters.versions.get(channel).copied())
    }

    /// Whether the client does not have it yet: neither by an answer that covers it, nor as a copy
    /// on another channel.
    fn is_wanted(&mut self, broadcast: &Broadcast, dialect: DialectId) -> bool {
        let verdict = match &mut self.filters {
            Some(filters) => filters.decide(broadcast),
            None => FilterVerdict::SendFirstCopy,
        };
        // A Pusher client receives one copy per channel.
        if verdict == FilterVerdict::SendFirstCopy
            && dialect == DialectId::Pushi
            && let Some(publish) = broadcast.publish()
        {
            return self.dedup.get_or_insert_default().is_first(publish);
        }
        verdict != FilterVerdict::Drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_answers_is_freed_with_its_last_use() {
        let name = ChannelName::trusted("a");
        let mut queue = DeliveryQueue::new(0);
        let mut is_empty = |act: &dyn Fn(&mut DeliveryQueue)| {
            act(&mut queue);
            queue.shrink();
            queue.filters.is_none()
        };
        assert!(!is_empty(
            &|queue| queue.hold_back(HoldBack::Channel(name.clone()))
        ));
        assert!(is_empty(&DeliveryQueue::release));
        assert!(!is_empty(
            &|queue| queue.unsubscribe(std::slice::from_ref(&name))
        ));
        assert!(is_empty(&|queue| queue.subscribe(&name)));
        assert!(!is_empty(&|queue| queue.cover(vec![(name.clone(), 1)])));
        assert!(is_empty(&|queue| queue.uncover(&name)));
        assert!(!is_empty(
            &|queue| queue.cover_versions(vec![(name.clone(), 1)])
        ));
    }
}
