//! A user's inbox: a merge of intervals of channels. The first statement selects the intervals that can contain the page,
//! by the recorded ids of their newest events.

use super::driver::{Driver, SqlConnection};
use super::events::{page, select_events};
use super::value::{Arg, SqlRow, signed, unsigned};
use super::{SqlStore, app};
use crate::core::model::{AppIdent, ChannelName, Event, UserId};
use crate::core::ports::ReadLimit;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::merge::{InboxInterval, InboxMerge};

/// Subquery: the disjoint intervals of a user. The personal channel is included as a whole, so subscriptions to it are left
/// out.
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

/// The intervals that may contain the newest events, each with an upper bound of its ids. The bound is exact unless events
/// were removed or the newest id was not recorded.
pub(super) const INTERVALS: &str = concat!(
    "SELECT i.channel, i.low, i.high, CASE WHEN i.newest = 0 THEN 9223372036854775807 ELSE i.newest END AS bound FROM ",
    intervals!(),
    " ORDER BY bound DESC LIMIT $4"
);
/// The intervals that contain the newest events, each with the id of its newest event. Costs one index lookup per interval.
pub(super) const INTERVALS_EXACT: &str = concat!(
    "SELECT i.channel, i.low, i.high, (SELECT e.id FROM events e WHERE e.channel = i.channel AND e.serial > i.low ",
    "AND e.serial <= i.high ORDER BY e.serial DESC LIMIT 1) AS bound FROM ",
    intervals!(),
    " ORDER BY bound DESC NULLS LAST LIMIT $4"
);
pub(super) const EVENTS: &str = select_events!(
    "e.channel = $1 AND e.serial > $2 AND e.serial <= $3 ORDER BY e.serial DESC LIMIT $4"
);

impl<D: Driver> SqlStore<D> {
    pub(super) async fn read_inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        let (app, user) = (app.clone(), user.clone());
        self.driver
            .read(move |connection| {
                Box::pin(async move { read(connection, &app, &user, skip, limit).await })
            })
            .await
    }
}

/// A page of n events lies in at most n intervals: those whose newest events are the newest.
async fn read(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    user: &UserId,
    skip: usize,
    limit: ReadLimit,
) -> StorageResult<Vec<Event>> {
    let max_intervals = skip.saturating_add(limit.events);
    let found = intervals(connection, INTERVALS, app, user, max_intervals).await?;
    let (complete, bound) = (
        found.len() < max_intervals,
        found.last().map_or(0, InboxInterval::newest),
    );
    let page = merge(connection, app, found, skip, limit).await?;
    // No event of the other intervals is newer than `bound`.
    let full = (page.len() == limit.events || limit.bytes_reached(&page))
        && page.last().is_none_or(|oldest| oldest.position.id >= bound);
    if complete || full {
        return Ok(page);
    }
    let found = intervals(connection, INTERVALS_EXACT, app, user, max_intervals).await?;
    merge(connection, app, found, skip, limit).await
}

async fn merge(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    intervals: Vec<InboxInterval<i64>>,
    skip: usize,
    limit: ReadLimit,
) -> StorageResult<Vec<Event>> {
    let mut merge = InboxMerge::new(intervals, skip, limit);
    while let Some(read) = merge.next_read() {
        let events = page(connection, app, read.limit, EVENTS, |count, last| {
            let high = last.map_or(read.high, |last| signed(last.position.serial) - 1);
            [
                Arg::Int(read.source),
                Arg::Int(read.low),
                Arg::Int(high),
                Arg::Int(count),
            ]
        })
        .await?;
        let rest = read
            .oldest_if_cut(&events)
            .map_or(read.low, |oldest| signed(oldest.position.serial) - 1);
        merge.add(read, events, rest);
    }
    Ok(merge.finish())
}

async fn intervals(
    connection: &mut impl SqlConnection,
    sql: &'static str,
    app: &AppIdent,
    user: &UserId,
    max_intervals: usize,
) -> StorageResult<Vec<InboxInterval<i64>>> {
    let personal = ChannelName::personal_of(user);
    let args = [
        Arg::Text(app.as_str()),
        Arg::Text(user.as_str()),
        Arg::Text(personal.as_str()),
        Arg::Int(signed(max_intervals)),
    ];
    let mut intervals = Vec::new();
    for row in connection.rows(sql, &args).await? {
        // All events of an interval without a newest id were removed.
        if let Some(newest) = row.maybe_int(3)? {
            intervals.push(InboxInterval::new(
                row.int(0)?,
                row.int(1)?,
                row.int(2)?,
                unsigned(newest)?,
            ));
        }
    }
    Ok(intervals)
}
