//! Appending events in multi-row statements.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use sqlx::sqlite::SqliteConnection;

use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::event_row::{EventRow, SerialClaim, SerialRequest};
use crate::outbound::storage::sql::statement::MultiRowStatement;
use crate::outbound::storage::sql::value::{Arg, SqlRow};

static CLAIM: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let after = " ON CONFLICT (app, name) DO UPDATE SET head = channels.head + excluded.head RETURNING app, name, id, head";
    MultiRowStatement::new(
        "INSERT INTO channels (app, name, head) VALUES ",
        1,
        3,
        after,
    )
});

/// Skips an event whose `mid` exists; the number of inserted rows reveals it without parsing an error text.
static INSERT: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let before = "INSERT INTO events (id, app, channel, serial, mid, time, publish, owner, name, data, extra) VALUES ";
    MultiRowStatement::new(before, 1, 11, " ON CONFLICT (mid) DO NOTHING")
});

/// Records the ids of the channels' newest events.
pub(super) static NEWEST: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let after = ") AS given WHERE channels.id = given.column1";
    MultiRowStatement::new(
        "UPDATE channels SET newest = given.column2 FROM (VALUES ",
        1,
        2,
        after,
    )
});

pub(super) async fn claim_serials(
    connection: &mut SqliteConnection,
    requests: &[SerialRequest<'_>],
) -> StorageResult<Vec<Option<SerialClaim>>> {
    let mut apps = HashMap::new();
    for SerialRequest { app, .. } in requests {
        if !apps.contains_key(app) {
            let row = connection
                .row(SqliteConnection::LOCK_APP, &[Arg::Text(app)])
                .await?;
            apps.insert(*app, row.map(|row| row.int(0)).transpose()?);
        }
    }
    let app_id = |request: &SerialRequest<'_>| apps.get(request.app).copied().flatten();
    let rows = requests.iter().filter_map(|request| {
        Some([
            Arg::Int(app_id(request)?),
            Arg::Text(request.channel),
            Arg::Int(request.count),
        ])
    });
    let mut claims = HashMap::with_capacity(requests.len());
    for (sql, chunk) in CLAIM.chunks(&rows.collect::<Vec<_>>()) {
        for row in connection.rows(sql, chunk.as_flattened()).await? {
            let (app, name) = (row.int(0)?, row.text(1)?.into_owned());
            claims.insert(
                (app, name),
                SerialClaim {
                    app,
                    channel: row.int(2)?,
                    head: row.int(3)?,
                },
            );
        }
    }
    let claim = |request: &SerialRequest<'_>| match app_id(request) {
        Some(app) => claims
            .remove(&(app, request.channel.to_owned()))
            .ok_or_else(|| StorageError::corrupt("the database returned no row for a channel"))
            .map(Some),
        None => Ok(None),
    };
    requests.iter().map(claim).collect()
}

pub(super) async fn insert_events(
    connection: &mut SqliteConnection,
    events: &[&EventRow<'_>],
) -> StorageResult<Vec<i64>> {
    let ids = allocate_ids(connection, events).await?;
    let rows: Vec<(i64, &EventRow<'_>)> = ids.iter().copied().zip(events.iter().copied()).collect();
    let mut inserted = 0;
    for (sql, chunk) in INSERT.chunks(&rows) {
        let args: Vec<Arg<'_>> = chunk
            .iter()
            .flat_map(|(id, event)| std::iter::once(Arg::Int(*id)).chain(event.columns()))
            .collect();
        inserted += connection.execute(sql, &args).await?;
    }
    if inserted != rows.len() as u64 {
        return Err(StorageError::Conflict("mid"));
    }
    let newest: BTreeMap<i64, i64> = rows
        .iter()
        .map(|(id, event)| (event.channel, *id))
        .collect();
    let newest: Vec<[Arg<'_>; 2]> = newest
        .into_iter()
        .map(|(channel, id)| [Arg::Int(channel), Arg::Int(id)])
        .collect();
    for (sql, chunk) in NEWEST.chunks(&newest) {
        connection.execute(sql, chunk.as_flattened()).await?;
    }
    Ok(ids)
}

/// Allocates an id for each event, from the counter of its app.
async fn allocate_ids(
    connection: &mut SqliteConnection,
    events: &[&EventRow<'_>],
) -> StorageResult<Vec<i64>> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(event.app).or_insert(0) += 1;
    }
    let mut ids = HashMap::with_capacity(counts.len());
    for (app, count) in counts {
        ids.insert(app, connection.allocate_ids(app, count).await?.into_iter());
    }
    let ids = events.iter().map(|event| ids.get_mut(&event.app)?.next());
    ids.collect::<Option<_>>()
        .ok_or_else(|| StorageError::corrupt("the database allocated fewer ids than requested"))
}
