//! What a user's inbox is made of: intervals of events, merged newest first and read no further than the page asks for.
//!
//! An interval says no more than how new its newest event can be. A page of so many events lies in as many intervals at
//! most, those with the newest ids; only they are read, a run of events at a time.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::core::model::Event;

/// At most this many events are read of one interval at a time.
const RUN_EVENTS: usize = 100;

/// What of a source is still to be merged: events (`low`, `high`] that were not read, behind those in `ready`.
pub(super) struct Interval<S> {
    source: S,
    low: i64,
    high: i64,
    /// The id of the newest event that is still to come; where `ready` is empty, no less than it.
    newest: u64,
    ready: VecDeque<Event>,
}

/// Events to be read next: the newest `count` of (`low`, `high`], newest first.
pub(super) struct Run<S> {
    /// Of what.
    pub source: S,
    /// Not included.
    pub low: i64,
    /// Included.
    pub high: i64,
    /// At most so many.
    pub count: usize,
    newest: u64,
}

/// An inbox that is being put together.
pub(super) struct Merge<S> {
    heap: BinaryHeap<Interval<S>>,
    skip: usize,
    limit: usize,
    newest_seen: Option<u64>,
    inbox: Vec<Event>,
}

impl<S> Interval<S> {
    /// Events (`low`, `high`] of a source, none with an id above `newest`. Ids grow from `low` to `high`.
    pub fn new(source: S, low: i64, high: i64, newest: u64) -> Self {
        Self {
            source,
            low,
            high,
            newest,
            ready: VecDeque::new(),
        }
    }

    /// No event of it has an id above this one.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// With `newest` set anew after `ready` has changed; `None` where nothing is still to come.
    fn looked_ahead(self) -> Option<Self> {
        match self.ready.front() {
            Some(event) => Some(Self {
                newest: event.position.id,
                ..self
            }),
            // What is older in a source has a smaller id, so `newest` still is no less than any.
            None if self.low < self.high => Some(self),
            None => None,
        }
    }
}

impl<S> Merge<S> {
    /// A page of an inbox: `limit` events after `skip`. An event that several intervals hold comes once.
    pub fn new(
        intervals: impl IntoIterator<Item = Interval<S>>,
        skip: usize,
        limit: usize,
    ) -> Self {
        let heap = intervals
            .into_iter()
            .filter_map(Interval::looked_ahead)
            .collect();
        Self {
            heap,
            skip,
            limit,
            newest_seen: None,
            inbox: Vec::new(),
        }
    }

    /// What must be read before it can go on; `None`: the page is full, or there is no more.
    pub fn next_run(&mut self) -> Option<Run<S>> {
        while self.inbox.len() < self.limit {
            let mut next = self.heap.pop()?;
            let Some(event) = next.ready.pop_front() else {
                let count = self
                    .skip
                    .saturating_add(self.limit - self.inbox.len())
                    .min(RUN_EVENTS);
                return Some(Run {
                    source: next.source,
                    low: next.low,
                    high: next.high,
                    count,
                    newest: next.newest,
                });
            };
            self.heap.extend(next.looked_ahead());
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

    /// Goes on with what was read of a run. `rest`: up to where the source was not read yet; its `low` where all was.
    pub fn take(&mut self, run: Run<S>, events: Vec<Event>, rest: i64) {
        let interval = Interval {
            source: run.source,
            low: run.low,
            high: rest,
            newest: run.newest,
            ready: events.into(),
        };
        self.heap.extend(interval.looked_ahead());
    }

    /// The page.
    pub fn finish(self) -> Vec<Event> {
        self.inbox
    }
}

impl<S> Ord for Interval<S> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Exact numbers come before bounds, so that reading a run is put off for as long as it can be.
        (self.newest, !self.ready.is_empty()).cmp(&(other.newest, !other.ready.is_empty()))
    }
}

impl<S> PartialOrd for Interval<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<S> PartialEq for Interval<S> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<S> Eq for Interval<S> {}
