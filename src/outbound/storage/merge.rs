//! The merge behind a user's inbox: intervals of events, newest first, read only as far as the page requires.
//!
//! Of an interval only an upper bound of its ids is known at first. A page of n events lies in at most n intervals, those
//! with the newest ids; only they are read, in batches.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::page::EventPage;
use crate::core::model::Event;
use crate::core::ports::ReadLimit;

/// Maximum number of events per read of one interval.
const MAX_READ: usize = 100;

/// Maximum bytes of the events of such a read, because several intervals are kept at once. The last event may exceed it.
const MAX_READ_BYTES: usize = 64 * 1024;

/// The remaining part of a source: the events in `ready`, followed by the unread events (`low`, `high`].
pub(super) struct InboxInterval<S> {
    source: S,
    low: i64,
    high: i64,
    /// The id of the newest remaining event; an upper bound of it while `ready` is empty.
    newest: u64,
    ready: VecDeque<Event>,
}

/// A request to read the newest events of (`low`, `high`], newest first, within `limit`.
pub(super) struct InboxRead<S> {
    pub source: S,
    pub low: i64,
    pub high: i64,
    pub limit: ReadLimit,
    newest: u64,
}

/// The state of a merge.
pub(super) struct InboxMerge<S> {
    heap: BinaryHeap<InboxInterval<S>>,
    skip: usize,
    newest_seen: Option<u64>,
    inbox: EventPage,
}

impl<S> InboxRead<S> {
    /// The oldest of the events read, where older ones may have been left out.
    pub(super) fn oldest_if_cut<'a>(&self, events: &'a [Event]) -> Option<&'a Event> {
        events
            .last()
            .filter(|_| events.len() == self.limit.events || self.limit.bytes_reached(events))
    }
}

impl<S> InboxInterval<S> {
    /// The events (`low`, `high`] of a source. Their ids grow from `low` to `high`, and none is above `newest`.
    pub(super) fn new(source: S, low: i64, high: i64, newest: u64) -> Self {
        Self {
            source,
            low,
            high,
            newest,
            ready: VecDeque::new(),
        }
    }

    /// An upper bound of the ids.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Updates `newest` after a change of `ready`; `None` if the interval is exhausted.
    fn advanced(self) -> Option<Self> {
        match self.ready.front() {
            Some(event) => Some(Self {
                newest: event.position.id,
                ..self
            }),
            // Older events have smaller ids, so `newest` is still an upper bound.
            None if self.low < self.high => Some(self),
            None => None,
        }
    }
}

impl<S> InboxMerge<S> {
    /// Starts the merge of a page: the events after `skip`, within `limit`. An event that several intervals contain is returned once.
    pub(super) fn new(
        intervals: impl IntoIterator<Item = InboxInterval<S>>,
        skip: usize,
        limit: ReadLimit,
    ) -> Self {
        let heap = intervals
            .into_iter()
            .filter_map(InboxInterval::advanced)
            .collect();
        Self {
            heap,
            skip,
            newest_seen: None,
            inbox: EventPage::new(limit),
        }
    }

    /// Merges until it needs a read; `None` when the page is full or no events remain.
    pub(super) fn next_read(&mut self) -> Option<InboxRead<S>> {
        while !self.inbox.is_full() {
            let mut next = self.heap.pop()?;
            let Some(event) = next.ready.pop_front() else {
                let events = self
                    .skip
                    .saturating_add(self.inbox.events_left())
                    .min(MAX_READ);
                return Some(InboxRead {
                    source: next.source,
                    low: next.low,
                    high: next.high,
                    limit: ReadLimit {
                        events,
                        bytes: MAX_READ_BYTES,
                    },
                    newest: next.newest,
                });
            };
            self.heap.extend(next.advanced());
            if self.newest_seen == Some(event.position.id) {
                continue;
            }
            self.newest_seen = Some(event.position.id);
            match self.skip.checked_sub(1) {
                Some(left) => self.skip = left,
                None => self.inbox.push(event),
            }
        }
        None
    }

    /// Adds the events of a read. `rest` is the new upper end of the unread part; `low` if nothing is left.
    pub(super) fn add(&mut self, read: InboxRead<S>, events: Vec<Event>, rest: i64) {
        let interval = InboxInterval {
            source: read.source,
            low: read.low,
            high: rest,
            newest: read.newest,
            ready: events.into(),
        };
        self.heap.extend(interval.advanced());
    }

    /// Returns the page.
    pub(super) fn finish(self) -> Vec<Event> {
        self.inbox.into_events()
    }
}

impl<S> Ord for InboxInterval<S> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Exact ids precede bounds, so that reads are deferred as long as possible.
        (self.newest, !self.ready.is_empty()).cmp(&(other.newest, !other.ready.is_empty()))
    }
}

impl<S> PartialOrd for InboxInterval<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<S> PartialEq for InboxInterval<S> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<S> Eq for InboxInterval<S> {}
