//! How events are stored: whatever there are of them, each step is one way to the server and back.

use std::sync::LazyLock;

use sqlx::Row as _;

use super::super::driver::{Arg, Outcome, Row};
use super::super::events::{Claimed, Placed, Wanted};
use super::super::rows::{Kind, unnest};
use super::connection::{Link, arrays, classify};
use crate::core::error::StorageError;

const CHANNELS: [Kind; 3] = [Kind::Text, Kind::Text, Kind::Int];

/// Holds the apps (shared with other writers: only deleting one waits), makes the transaction known under the instance
/// `$4`, and claims serials.
pub(super) static CLAIM: LazyLock<String> = LazyLock::new(|| {
    let wanted = unnest(CHANNELS);
    format!(
        "WITH held AS MATERIALIZED (SELECT id, ident, pg_advisory_xact_lock_shared($4) FROM apps WHERE ident = ANY($1) \
            ORDER BY id FOR KEY SHARE), \
        wanted AS MATERIALIZED (SELECT held.id AS app, given.name, given.count, given.place \
            FROM {wanted} WITH ORDINALITY AS given(ident, name, count, place) JOIN held ON held.ident = given.ident), \
        claimed AS (INSERT INTO channels (app, name, head) SELECT app, name, count FROM wanted ORDER BY place \
            ON CONFLICT (app, name) DO UPDATE SET head = channels.head + excluded.head RETURNING app, name, id, head) \
        SELECT wanted.place, claimed.app, claimed.id, claimed.head FROM claimed JOIN wanted USING (app, name)"
    )
});

const EVENTS: [Kind; 10] = {
    let [int, text] = [Kind::Int, Kind::Text];
    [int, int, int, text, int, text, text, text, text, text]
};

/// Stores events and writes down the newest of each channel. `ON CONFLICT` would look every `mid` up first, which was a
/// third of the work.
pub(super) static PUT: LazyLock<String> = LazyLock::new(|| {
    let events = unnest(EVENTS);
    format!(
        "WITH stored AS (INSERT INTO events (app, channel, serial, mid, time, publish, owner, name, data, extra, id) \
            SELECT given.*, nextval('ids') FROM (SELECT * FROM {events}) AS given RETURNING channel, id), \
        newest AS (UPDATE channels SET newest = top.id FROM (SELECT channel, max(id) AS id FROM stored GROUP BY channel) AS top \
            WHERE channels.id = top.channel) \
        SELECT array_agg(id) FROM stored"
    )
});

/// What keeps each `mid` unique; PostgreSQL named it when the table was made.
const MID: &str = "events_mid_key";

pub(super) async fn claim(link: &mut Link, wanted: &[Wanted<'_>]) -> Outcome<Vec<Option<Claimed>>> {
    let rows: Vec<[Arg<'_>; 3]> = wanted
        .iter()
        .map(|one| {
            [
                Arg::Text(one.app),
                Arg::Text(one.channel),
                Arg::Int(one.count),
            ]
        })
        .collect();
    let query = sqlx::query_with(CLAIM.as_str(), arrays(&CHANNELS, &rows)?).bind(link.instance);
    let mut claimed = vec![None; wanted.len()];
    for row in query.fetch_all(&mut link.raw).await.map_err(classify)? {
        let place = usize::try_from(row.int(0)? - 1)
            .ok()
            .and_then(|place| claimed.get_mut(place));
        let place = place.ok_or_else(|| {
            StorageError::corrupt("the store answered a channel that was not asked for")
        })?;
        *place = Some(Claimed {
            app: row.int(1)?,
            channel: row.int(2)?,
            head: row.int(3)?,
        });
    }
    Ok(claimed)
}

pub(super) async fn put(link: &mut Link, events: &[&Placed<'_>]) -> Outcome<Vec<i64>> {
    let rows: Vec<[Arg<'_>; 10]> = events.iter().map(|event| event.row()).collect();
    let query = sqlx::query_with(PUT.as_str(), arrays(&EVENTS, &rows)?);
    let stored = query.fetch_one(&mut link.raw).await.map_err(not_put)?;
    let mut ids = stored
        .try_get::<Option<Vec<i64>>, _>(0)
        .map_err(classify)?
        .unwrap_or_default();
    ids.sort_unstable();
    Ok(ids)
}

/// Only a `mid` may be there before: a place is claimed for one event alone, so a taken one tells of a damaged database.
fn not_put(error: sqlx::Error) -> StorageError {
    match error.as_database_error() {
        Some(cause) if cause.is_unique_violation() && cause.constraint() == Some(MID) => {
            StorageError::Conflict("mid")
        }
        Some(cause) if cause.is_unique_violation() => StorageError::corrupt(error),
        _ => classify(error),
    }
}
