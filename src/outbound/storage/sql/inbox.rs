//! A user's inbox: a merge of intervals of channels, newest first, read no further than the page asks for.
//!
//! The first statement finds, for each interval, the id of its newest event: one step in an index. A page of so many
//! events lies in as many intervals at most, those with the newest ids; only they are read, a run of events at a time.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::driver::{Arg, Connection, Driver, Outcome, Row};
use super::events::{event_of, select_events};
use super::number::{signed, unsigned};
use super::{SqlStore, app};
use crate::core::model::{AppIdent, ChannelName, Event, UserId};

/// The intervals with the newest events, none overlapping another: the personal channel is there as a whole, so what the
/// user subscribed to of it adds nothing.
pub(super) const INTERVALS: &str = concat!(
    "SELECT i.channel, i.low, i.high, (SELECT e.id FROM events e WHERE e.channel = i.channel AND e.serial > i.low ",
    "AND e.serial <= i.high ORDER BY e.serial DESC LIMIT 1) AS newest FROM (",
    "SELECT s.channel AS channel, s.from_serial AS low, c.head AS high FROM subscriptions s ",
    "JOIN channels c ON c.id = s.channel WHERE s.app = ",
    app!(),
    " AND s.user_id = $2 AND c.name <> $3 UNION ALL SELECT v.channel, v.from_serial, v.upto_serial FROM intervals v ",
    "JOIN channels c ON c.id = v.channel WHERE v.app = ",
    app!(),
    " AND v.user_id = $2 AND c.name <> $3 UNION ALL SELECT id, 0, head FROM channels WHERE app = ",
    app!(),
    " AND name = $3) i ORDER BY newest DESC NULLS LAST LIMIT $4"
);
pub(super) const RUN: &str = select_events!("e.channel = $1 AND e.serial > $2 AND e.serial <= $3 ORDER BY e.serial DESC LIMIT $4");

/// At most this many events are read of one interval at a time.
const RUN_EVENTS: usize = 100;

/// What of an interval is still to be merged: events (`low`, `high`] that were not read, behind those in `ready`.
struct Interval {
    /// The id of the newest event that is still to come; where `ready` is empty, no less than it.
    newest: u64,
    channel: i64,
    low: i64,
    high: i64,
    ready: VecDeque<Event>,
}

impl<D: Driver> SqlStore<D> {
    pub(super) async fn read_inbox(&self, app: &AppIdent, user: &UserId, skip: usize, limit: usize) -> Outcome<Vec<Event>> {
        let (app, user) = (app.clone(), user.clone());
        self.driver.read(move |connection| Box::pin(async move { read(connection, &app, &user, skip, limit).await })).await
    }
}

async fn read(connection: &mut impl Connection, app: &AppIdent, user: &UserId, skip: usize, limit: usize) -> Outcome<Vec<Event>> {
    let mut heap = BinaryHeap::from(intervals(connection, app, user, skip.saturating_add(limit)).await?);
    let (mut skipped, mut inbox) = (0, Vec::new());
    while inbox.len() < limit {
        let Some(mut next) = heap.pop() else { break };
        match next.ready.pop_front() {
            Some(_) if skipped < skip => skipped += 1,
            Some(event) => inbox.push(event),
            None => next.read_run(connection, app, (skip - skipped).saturating_add(limit - inbox.len())).await?,
        }
        heap.extend(next.looked_ahead());
    }
    Ok(inbox)
}

async fn intervals(connection: &mut impl Connection, app: &AppIdent, user: &UserId, most: usize) -> Outcome<Vec<Interval>> {
    let personal = ChannelName::personal_of(user);
    let args = [Arg::Text(app.as_str()), Arg::Text(user.as_str()), Arg::Text(personal.as_str()), Arg::Int(signed(most))];
    let mut intervals = Vec::new();
    for row in connection.rows(INTERVALS, &args).await? {
        // Nothing is left of an interval without a newest event.
        if let Some(newest) = row.maybe_int(3)? {
            let (newest, ready) = (unsigned(newest)?, VecDeque::new());
            intervals.push(Interval { newest, channel: row.int(0)?, low: row.int(1)?, high: row.int(2)?, ready });
        }
    }
    Ok(intervals)
}

impl Interval {
    /// Reads the newest events that were not read, no more than are wanted.
    async fn read_run(&mut self, connection: &mut impl Connection, app: &AppIdent, wanted: usize) -> Outcome<()> {
        let count = wanted.min(RUN_EVENTS);
        let args = [Arg::Int(self.channel), Arg::Int(self.low), Arg::Int(self.high), Arg::Int(signed(count))];
        for row in connection.rows(RUN, &args).await? {
            self.ready.push_back(event_of(app, &row)?);
        }
        self.high = match self.ready.back() {
            Some(oldest) if self.ready.len() == count => signed(oldest.position.serial) - 1,
            _ => self.low,
        };
        Ok(())
    }

    /// With `newest` set anew after `ready` has changed; `None` where nothing is still to come.
    fn looked_ahead(self) -> Option<Self> {
        match self.ready.front() {
            Some(event) => Some(Self { newest: event.position.id, ..self }),
            // What is older in a channel has a smaller id, so `newest` still is no less than any.
            None if self.low < self.high => Some(self),
            None => None,
        }
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Self) -> Ordering {
        // Exact numbers come before bounds, so that reading a run is put off for as long as it can be.
        (self.newest, !self.ready.is_empty()).cmp(&(other.newest, !other.ready.is_empty()))
    }
}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Interval {}
