//! Appending events in multi-row statements.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use sqlx::sqlite::SqliteConnection;

use super::due::{self, AppIds};
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::event_row::{EventRow, SerialClaim, SerialRequest};
use crate::outbound::storage::sql::statement::MultiRowStatement;
use crate::outbound::storage::sql::value::{Arg, SqlRow};

/// Needs no lock of the app: there is only one writing transaction.
pub(super) static CLAIM: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let after = ") AS given CROSS JOIN apps ON apps.ident = given.column1 WHERE TRUE \
        ON CONFLICT (app, name) DO UPDATE SET head = channels.head + excluded.head RETURNING app, name, id, head, \
        (SELECT ident FROM apps WHERE apps.id = channels.app)";
    MultiRowStatement::sqlite(
        "INSERT INTO channels (app, name, head) SELECT apps.id, given.column2, given.column3 FROM (VALUES ",
        3,
        after,
    )
});

/// Skips an event whose `mid` exists; the number of inserted rows reveals it without parsing an error text.
static INSERT: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let before = "INSERT INTO events (id, app, channel, serial, mid, time, publish, owner, name, data, extra) VALUES ";
    MultiRowStatement::sqlite(before, 11, " ON CONFLICT (mid) DO NOTHING")
});

/// Records the ids of the channels' newest events.
pub(super) static NEWEST: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let after = ") AS given WHERE channels.id = given.column1";
    MultiRowStatement::sqlite(
        "UPDATE channels SET newest = given.column2 FROM (VALUES ",
        2,
        after,
    )
});

pub(super) async fn claim_serials(
    connection: &mut SqliteConnection,
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
    let mut claims = HashMap::with_capacity(requests.len());
    for (sql, chunk) in CLAIM.chunks(&rows) {
        for row in connection.rows(sql, chunk.as_flattened()).await? {
            let channel = (row.text(4)?.into_owned(), row.text(1)?.into_owned());
            claims.insert(
                channel,
                SerialClaim {
                    app: row.int(0)?,
                    channel: row.int(2)?,
                    head: row.int(3)?,
                },
            );
        }
    }
    let claim = |request: &SerialRequest<'_>| {
        claims.remove(&(request.app.to_owned(), request.channel.to_owned()))
    };
    Ok(requests.iter().map(claim).collect())
}

pub(super) async fn insert_events(
    connection: &mut SqliteConnection,
    events: &[&EventRow<'_>],
) -> StorageResult<Vec<i64>> {
    let (ids, apps) = allocate_ids(connection, events).await?;
    let rows: Vec<(i64, &EventRow<'_>)> = ids.iter().copied().zip(events.iter().copied()).collect();
    let mut inserted = 0;
    for (sql, chunk) in INSERT.chunks(&rows) {
        let args: Vec<Arg<'_>> = chunk
            .iter()
            .flat_map(|(id, event)| {
                let [columns @ .., _due] = event.columns();
                std::iter::once(Arg::Int(*id)).chain(columns)
            })
            .collect();
        inserted += connection.execute(sql, &args).await?;
    }
    if inserted != rows.len() as u64 {
        return Err(StorageError::Conflict("mid"));
    }
    due::mark(connection, &rows, &apps).await?;
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
) -> StorageResult<(Vec<i64>, BTreeMap<i64, AppIds>)> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(event.app).or_insert(0) += 1;
    }
    let mut apps = BTreeMap::new();
    let mut next = HashMap::with_capacity(counts.len());
    for (app, count) in counts {
        let ids = due::allocate(connection, app, count).await?;
        next.insert(app, ids.first..);
        apps.insert(app, ids);
    }
    let ids = events.iter().map(|event| next.get_mut(&event.app)?.next());
    let ids = ids.collect::<Option<_>>();
    let ids = ids
        .ok_or_else(|| StorageError::corrupt("the database allocated fewer ids than requested"))?;
    Ok((ids, apps))
}
