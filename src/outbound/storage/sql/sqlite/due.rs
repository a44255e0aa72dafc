//! Batches of due events. What is due of an app are usually all events since some time, and an open batch has them, so that an
//! append writes a mark only where it opens one. There is one writing transaction at a time, so that no event of a batch is
//! stored after a later one was claimed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::event_row::EventRow;
use crate::outbound::storage::sql::statement::MultiRowStatement;
use crate::outbound::storage::sql::value::{Arg, SqlRow};

/// The `last` of an open batch.
const OPEN_END: i64 = i64::MAX;

/// The events `e` in batches of an app, in order, with numbers above another one. `max` makes one bound of two, so that the index
/// of events serves it.
macro_rules! from_batches {
    ($app:literal, $after:literal) => {
        concat!(
            "FROM due_batches b CROSS JOIN events e WHERE b.app = ",
            $app,
            " AND b.last > ",
            $after,
            " AND e.app = ",
            $app,
            " AND e.id > max(b.first - 1, ",
            $after,
            ") AND e.id <= b.last ORDER BY b.first, e.id"
        )
    };
}

pub(super) const LIST: &str = concat!(
    "SELECT event, publish, cursor FROM (SELECT * FROM (SELECT event, publish, cursor FROM due_publishes \
            WHERE app = (SELECT id FROM apps WHERE ident = $1) AND event > $2 ORDER BY event LIMIT $3) \
        UNION ALL SELECT * FROM (SELECT e.id, coalesce(e.publish, e.mid), NULL ",
    from_batches!("(SELECT id FROM apps WHERE ident = $1)", "$2"),
    " LIMIT $3)) ORDER BY event LIMIT $3"
);
pub(super) const PUT: &str = "INSERT INTO due_publishes (app, event, publish, cursor, holder, held_until) SELECT $1, $2, $3, $4, '', 0 \
    WHERE NOT EXISTS (SELECT 1 FROM due_batches WHERE app = $1 AND first <= $2 AND last >= $2) ON CONFLICT DO NOTHING";
/// An event that is marked as well keeps its mark.
pub(super) const CLAIM: &str = concat!(
    "INSERT INTO due_publishes (app, event, publish, holder, held_until) \
        SELECT e.app, e.id, coalesce(e.publish, e.mid), $2, $3 ",
    from_batches!("$1", "0"),
    " LIMIT $4 ON CONFLICT (app, event) DO UPDATE SET holder = due_publishes.holder RETURNING event, publish, cursor"
);
pub(super) const REMOVE: &str = "DELETE FROM due_batches WHERE app = $1";
/// Removes the events up to `$2`.
const SHRINK: &str = "DELETE FROM due_batches WHERE app = $1 AND first <= $2 AND last <= $2; \
    UPDATE due_batches SET first = $2 + 1 WHERE app = $1 AND first <= $2";

/// Allocates ids, and selects the end of the app's last batch.
pub(super) const ALLOCATE: &str = "INSERT INTO counters (app, last_id) VALUES ($1, $2) \
    ON CONFLICT (app) DO UPDATE SET last_id = last_id + excluded.last_id RETURNING last_id, \
    (SELECT last FROM due_batches WHERE due_batches.app = counters.app ORDER BY first DESC LIMIT 1)";
const OPEN: &str = "INSERT INTO due_batches (app, first, last) VALUES ($1, $2, $3)";
pub(super) const CLOSE: &str = "UPDATE due_batches SET last = $2 WHERE app = $1 AND last = $3 \
    AND first = (SELECT max(first) FROM due_batches WHERE app = $1)";
const NEWEST_ID: &str = "SELECT last_id FROM counters WHERE app = $1";

static MARK: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let before = "INSERT INTO due_publishes (app, event, publish, holder, held_until) SELECT column1, column2, column3, '', 0 FROM (VALUES ";
    MultiRowStatement::sqlite(before, 3, ")")
});

/// The ids that an append has allocated, in one app.
pub(super) struct AppIds {
    pub first: i64,
    /// Whether the app has an open batch.
    is_open: bool,
}

/// Allocates `count` ids for events.
pub(super) async fn allocate(
    connection: &mut SqliteConnection,
    app: i64,
    count: i64,
) -> StorageResult<AppIds> {
    let args = [Arg::Int(app), Arg::Int(count)];
    let row = connection.row(ALLOCATE, &args).await?;
    let row = row.ok_or_else(|| StorageError::corrupt("the database allocated no id"))?;
    Ok(AppIds {
        first: row.int(0)? - count + 1,
        is_open: row.maybe_int(1)? == Some(OPEN_END),
    })
}

/// Marks events as due, whose ids were allocated: all of them with their app's open batch, or else each.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    events: &[(i64, &EventRow<'_>)],
    apps: &BTreeMap<i64, AppIds>,
) -> StorageResult<()> {
    let mut batched: BTreeMap<i64, bool> = BTreeMap::new();
    for (_, row) in events {
        *batched.entry(row.app).or_insert(true) &= row.is_due_as_itself();
    }
    for (app, ids) in apps {
        let is_batched = batched.get(app) == Some(&true);
        let (sql, id) = match (is_batched, ids.is_open) {
            (true, false) => (OPEN, ids.first),
            (false, true) => (CLOSE, ids.first - 1),
            (true, true) | (false, false) => continue,
        };
        let args = [Arg::Int(*app), Arg::Int(id), Arg::Int(OPEN_END)];
        connection.execute(sql, &args).await?;
    }
    let each = events
        .iter()
        .filter(|(_, row)| batched.get(&row.app) == Some(&false));
    let each =
        each.filter_map(|(id, row)| Some([Arg::Int(row.app), Arg::Int(*id), Arg::Text(row.due?)]));
    let each: Vec<[Arg<'_>; 3]> = each.collect();
    for (sql, chunk) in MARK.chunks(&each) {
        connection.execute(sql, chunk.as_flattened()).await?;
    }
    Ok(())
}

/// Closes the open batch of an app, before ids are skipped.
pub(super) async fn close(connection: &mut SqliteConnection, app: i64) -> StorageResult<()> {
    let Some(newest) = connection.row(NEWEST_ID, &[Arg::Int(app)]).await? else {
        return Ok(());
    };
    let args = [Arg::Int(app), Arg::Int(newest.int(0)?), Arg::Int(OPEN_END)];
    connection.execute(CLOSE, &args).await.map(drop)
}

/// Claims the first events in batches of an app.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    app: i64,
    holder: &str,
    until: i64,
    limit: i64,
) -> StorageResult<Vec<SqliteRow>> {
    let args = [
        Arg::Int(app),
        Arg::Text(holder),
        Arg::Int(until),
        Arg::Int(limit),
    ];
    let claimed = connection.rows(CLAIM, &args).await?;
    let mut last = None;
    for row in &claimed {
        last = last.max(Some(row.int(0)?));
    }
    let is_limited = i64::try_from(claimed.len()).is_ok_and(|count| count >= limit);
    let app = Arg::Int(app);
    match last.filter(|_| is_limited) {
        Some(last) => connection.execute(SHRINK, &[app, Arg::Int(last)]).await?,
        None => connection.execute(REMOVE, &[app]).await?,
    };
    Ok(claimed)
}
