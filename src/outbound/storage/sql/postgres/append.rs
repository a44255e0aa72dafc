//! Appending events: each step takes one round trip, whatever the number of events.

use std::sync::LazyLock;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::value::{bind_arrays, classify};
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::event_row::{EventRow, SerialClaim, SerialRequest};
use crate::outbound::storage::sql::statement::{ColumnType, unnest};
use crate::outbound::storage::sql::value::{Arg, SqlRow};

const CHANNELS: [ColumnType; 3] = [ColumnType::Text, ColumnType::Text, ColumnType::Int];

/// Locks the apps (shared with other writers: only deleting one waits), takes the advisory lock of the instance `$4`
/// (shared as well), and claims serials.
pub(super) static CLAIM: LazyLock<String> = LazyLock::new(|| {
    let requests = unnest(CHANNELS);
    format!(
        "WITH held AS MATERIALIZED (SELECT id, ident, pg_advisory_xact_lock_shared($4) FROM apps WHERE ident = ANY($1) \
            ORDER BY id FOR KEY SHARE), \
        wanted AS MATERIALIZED (SELECT held.id AS app, given.name, given.count, given.place \
            FROM {requests} WITH ORDINALITY AS given(ident, name, count, place) JOIN held ON held.ident = given.ident), \
        claimed AS (INSERT INTO channels (app, name, head) SELECT app, name, count FROM wanted ORDER BY place \
            ON CONFLICT (app, name) DO UPDATE SET head = channels.head + excluded.head RETURNING app, name, id, head) \
        SELECT wanted.place, claimed.app, claimed.id, claimed.head FROM claimed JOIN wanted USING (app, name)"
    )
});

const EVENTS: [ColumnType; 11] = {
    let [int, text] = [ColumnType::Int, ColumnType::Text];
    [int, int, int, text, int, text, text, text, text, text, text]
};

/// Inserts events, marks those as due that have a publish `due`, and records the newest of each channel. Those that are due with
/// their own publish or `mid` are marked by one row. There is no `ON CONFLICT`: it looks up every `mid` first, which took a third of
/// the time.
pub(super) static INSERT: LazyLock<String> = LazyLock::new(|| {
    let events = unnest(EVENTS);
    format!(
        "WITH given AS MATERIALIZED (SELECT given.*, nextval('ids') AS id \
            FROM {events} AS given(app, channel, serial, mid, time, publish, owner, name, data, extra, due)), \
        stored AS (INSERT INTO events (app, channel, serial, mid, time, publish, owner, name, data, extra, id) \
            SELECT app, channel, serial, mid, time, publish, owner, name, data, extra, id FROM given RETURNING channel, id), \
        marked AS (INSERT INTO due_publishes (app, event, publish, holder, held_until) \
            SELECT app, id, due, '', 0 FROM given WHERE due <> coalesce(publish, mid)), \
        batched AS (INSERT INTO due_batches (app, first, events) \
            SELECT app, min(id), array_agg(id ORDER BY id) FROM given WHERE due = coalesce(publish, mid) GROUP BY app), \
        newest AS (UPDATE channels SET newest = top.id FROM (SELECT channel, max(id) AS id FROM stored GROUP BY channel) AS top \
            WHERE channels.id = top.channel) \
        SELECT array_agg(id) FROM stored"
    )
});

/// The unique constraint of `mid`; PostgreSQL chose its name when the table was created.
const MID: &str = "events_mid_key";

pub(super) async fn claim_serials(
    connection: &mut PgConnection,
    instance: i64,
    requests: &[SerialRequest<'_>],
) -> StorageResult<Vec<Option<SerialClaim>>> {
    let rows: Vec<[Arg<'_>; 3]> = requests
        .iter()
        .map(|request| {
            [
                Arg::Text(request.app),
                Arg::Text(request.channel),
                Arg::Int(request.count),
            ]
        })
        .collect();
    let query = sqlx::query_with(CLAIM.as_str(), bind_arrays(&CHANNELS, &rows)?).bind(instance);
    let mut claims = vec![None; requests.len()];
    for row in query.fetch_all(connection).await.map_err(classify)? {
        let claim = usize::try_from(row.int(0)? - 1)
            .ok()
            .and_then(|place| claims.get_mut(place));
        let claim = claim.ok_or_else(|| {
            StorageError::corrupt("the database returned a channel that was not requested")
        })?;
        *claim = Some(SerialClaim {
            app: row.int(1)?,
            channel: row.int(2)?,
            head: row.int(3)?,
        });
    }
    Ok(claims)
}

pub(super) async fn insert_events(
    connection: &mut PgConnection,
    events: &[&EventRow<'_>],
) -> StorageResult<Vec<i64>> {
    let rows: Vec<[Arg<'_>; 11]> = events.iter().map(|event| event.columns()).collect();
    let query = sqlx::query_with(INSERT.as_str(), bind_arrays(&EVENTS, &rows)?);
    let inserted = query.fetch_one(connection).await.map_err(classify_insert)?;
    let mut ids = inserted
        .try_get::<Option<Vec<i64>>, _>(0)
        .map_err(classify)?
        .unwrap_or_default();
    ids.sort_unstable();
    Ok(ids)
}

/// Only a `mid` may exist already. Serials are claimed for one event alone, so a duplicate serial means that the database
/// is damaged.
fn classify_insert(error: sqlx::Error) -> StorageError {
    match error.as_database_error() {
        Some(cause) if cause.is_unique_violation() && cause.constraint() == Some(MID) => {
            StorageError::Conflict("mid")
        }
        Some(cause) if cause.is_unique_violation() => StorageError::corrupt(error),
        _ => classify(error),
    }
}
