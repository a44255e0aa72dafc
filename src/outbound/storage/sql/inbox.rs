//! A user's inbox: a merge of intervals of channels. The first statement finds the intervals that the page can lie in, by
//! what is written down of their newest events.

use super::driver::{Arg, Connection, Driver, Outcome, Row};
use super::events::{event_of, select_events};
use super::number::{signed, unsigned};
use super::{SqlStore, app};
use crate::core::model::{AppIdent, ChannelName, Event, UserId};
use crate::outbound::storage::merge::{Interval, Merge};

/// The intervals of a user, none overlapping another: the personal channel is there as a whole, so what the user subscribed
/// to of it adds nothing.
macro_rules! intervals {
    () => {
        concat!(
            "(SELECT s.channel AS channel, s.from_serial AS low, c.head AS high, c.newest AS newest FROM subscriptions s ",
            "JOIN channels c ON c.id = s.channel WHERE s.app = ",
            app!(),
            " AND s.user_id = $2 AND c.name <> $3 AND c.head > s.from_serial ",
            "UNION ALL SELECT v.channel, v.from_serial, v.upto_serial, v.newest FROM intervals v ",
            "JOIN channels c ON c.id = v.channel WHERE v.app = ",
            app!(),
            " AND v.user_id = $2 AND c.name <> $3 UNION ALL SELECT id, 0, head, newest FROM channels WHERE app = ",
            app!(),
            " AND name = $3 AND head > 0) i"
        )
    };
}

/// Those that may have the newest events, each with an id that none of its events is above. It is exact, except where
/// events were removed or nothing was written down.
pub(super) const INTERVALS: &str = concat!(
    "SELECT i.channel, i.low, i.high, CASE WHEN i.newest = 0 THEN 9223372036854775807 ELSE i.newest END AS bound FROM ",
    intervals!(),
    " ORDER BY bound DESC LIMIT $4"
);
/// Those that have the newest events, each with the id of its newest: a step in an index for every interval.
pub(super) const LOOKED_UP: &str = concat!(
    "SELECT i.channel, i.low, i.high, (SELECT e.id FROM events e WHERE e.channel = i.channel AND e.serial > i.low ",
    "AND e.serial <= i.high ORDER BY e.serial DESC LIMIT 1) AS bound FROM ",
    intervals!(),
    " ORDER BY bound DESC NULLS LAST LIMIT $4"
);
pub(super) const RUN: &str = select_events!(
    "e.channel = $1 AND e.serial > $2 AND e.serial <= $3 ORDER BY e.serial DESC LIMIT $4"
);

impl<D: Driver> SqlStore<D> {
    pub(super) async fn read_inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        let (app, user) = (app.clone(), user.clone());
        self.driver
            .read(move |connection| {
                Box::pin(async move { read(connection, &app, &user, skip, limit).await })
            })
            .await
    }
}

/// A page of so many events lies in as many intervals at most: those whose newest events are the newest.
async fn read(
    connection: &mut impl Connection,
    app: &AppIdent,
    user: &UserId,
    skip: usize,
    limit: usize,
) -> Outcome<Vec<Event>> {
    let most = skip.saturating_add(limit);
    let found = intervals(connection, INTERVALS, app, user, most).await?;
    let (all, bound) = (found.len() < most, found.last().map_or(0, Interval::newest));
    let page = merged(connection, app, found, skip, limit).await?;
    // No event of the others is newer than `bound`.
    let full = page.len() == limit && page.last().is_none_or(|oldest| oldest.position.id >= bound);
    if all || full {
        return Ok(page);
    }
    let found = intervals(connection, LOOKED_UP, app, user, most).await?;
    merged(connection, app, found, skip, limit).await
}

async fn merged(
    connection: &mut impl Connection,
    app: &AppIdent,
    intervals: Vec<Interval<i64>>,
    skip: usize,
    limit: usize,
) -> Outcome<Vec<Event>> {
    let mut merge = Merge::new(intervals, skip, limit);
    while let Some(run) = merge.next_run() {
        let args = [
            Arg::Int(run.source),
            Arg::Int(run.low),
            Arg::Int(run.high),
            Arg::Int(signed(run.count)),
        ];
        let rows = connection.rows(RUN, &args).await?;
        let events = rows
            .iter()
            .map(|row| event_of(app, row))
            .collect::<Outcome<Vec<_>>>()?;
        let rest = match events.last() {
            Some(oldest) if events.len() == run.count => signed(oldest.position.serial) - 1,
            _ => run.low,
        };
        merge.take(run, events, rest);
    }
    Ok(merge.finish())
}

async fn intervals(
    connection: &mut impl Connection,
    sql: &'static str,
    app: &AppIdent,
    user: &UserId,
    most: usize,
) -> Outcome<Vec<Interval<i64>>> {
    let personal = ChannelName::personal_of(user);
    let args = [
        Arg::Text(app.as_str()),
        Arg::Text(user.as_str()),
        Arg::Text(personal.as_str()),
        Arg::Int(signed(most)),
    ];
    let mut intervals = Vec::new();
    for row in connection.rows(sql, &args).await? {
        // Nothing is left of an interval without a newest event.
        if let Some(newest) = row.maybe_int(3)? {
            intervals.push(Interval::new(
                row.int(0)?,
                row.int(1)?,
                row.int(2)?,
                unsigned(newest)?,
            ));
        }
    }
    Ok(intervals)
}
