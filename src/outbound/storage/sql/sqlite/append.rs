//! How events are stored: in lists of rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use sqlx::sqlite::SqliteConnection;

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::events::{Claimed, Placed, Wanted};
use super::super::rows::ManyRows;
use crate::core::error::StorageError;

static CLAIM: LazyLock<ManyRows> = LazyLock::new(|| {
    let after = " ON CONFLICT (app, name) DO UPDATE SET head = channels.head + excluded.head RETURNING app, name, id, head";
    ManyRows::new(
        "INSERT INTO channels (app, name, head) VALUES ",
        1,
        3,
        after,
    )
});

/// An event whose `mid` is there already is left out, and so counted: no driver's error text needs to be read.
static INSERT: LazyLock<ManyRows> = LazyLock::new(|| {
    let before = "INSERT INTO events (id, app, channel, serial, mid, time, publish, owner, name, data, extra) VALUES ";
    ManyRows::new(before, 1, 11, " ON CONFLICT (mid) DO NOTHING")
});

/// Writes down the ids of the channels' newest events.
pub(super) static NEWEST: LazyLock<ManyRows> = LazyLock::new(|| {
    let after = ") AS given WHERE channels.id = given.column1";
    ManyRows::new(
        "UPDATE channels SET newest = given.column2 FROM (VALUES ",
        1,
        2,
        after,
    )
});

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    wanted: &[Wanted<'_>],
) -> Outcome<Vec<Option<Claimed>>> {
    let mut apps = HashMap::new();
    for Wanted { app, .. } in wanted {
        if !apps.contains_key(app) {
            let row = connection
                .row(SqliteConnection::HOLD_APP, &[Arg::Text(app)])
                .await?;
            apps.insert(*app, row.map(|row| row.int(0)).transpose()?);
        }
    }
    let numbered = |wanted: &Wanted<'_>| apps.get(wanted.app).copied().flatten();
    let rows = wanted.iter().filter_map(|one| {
        Some([
            Arg::Int(numbered(one)?),
            Arg::Text(one.channel),
            Arg::Int(one.count),
        ])
    });
    let mut claimed = HashMap::with_capacity(wanted.len());
    for (sql, run) in CLAIM.runs(&rows.collect::<Vec<_>>()) {
        for row in connection.rows(sql, run.as_flattened()).await? {
            let (app, name) = (row.int(0)?, row.text(1)?.into_owned());
            claimed.insert(
                (app, name),
                Claimed {
                    app,
                    channel: row.int(2)?,
                    head: row.int(3)?,
                },
            );
        }
    }
    let claimed = |wanted: &Wanted<'_>| match numbered(wanted) {
        Some(app) => claimed
            .remove(&(app, wanted.channel.to_owned()))
            .ok_or_else(|| StorageError::corrupt("a channel could not be made"))
            .map(Some),
        None => Ok(None),
    };
    wanted.iter().map(claimed).collect()
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    events: &[&Placed<'_>],
) -> Outcome<Vec<i64>> {
    let ids = number(connection, events).await?;
    let rows: Vec<(i64, &Placed<'_>)> = ids.iter().copied().zip(events.iter().copied()).collect();
    let mut stored = 0;
    for (sql, run) in INSERT.runs(&rows) {
        let args: Vec<Arg<'_>> = run
            .iter()
            .flat_map(|(id, event)| std::iter::once(Arg::Int(*id)).chain(event.row()))
            .collect();
        stored += connection.execute(sql, &args).await?;
    }
    if stored != rows.len() as u64 {
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
    for (sql, run) in NEWEST.runs(&newest) {
        connection.execute(sql, run.as_flattened()).await?;
    }
    Ok(ids)
}

/// Takes a number for each event, of its app.
async fn number(connection: &mut SqliteConnection, events: &[&Placed<'_>]) -> Outcome<Vec<i64>> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(event.app).or_insert(0) += 1;
    }
    let mut ids = HashMap::with_capacity(counts.len());
    for (app, count) in counts {
        ids.insert(app, connection.take_ids(app, count).await?.into_iter());
    }
    let numbered = events.iter().map(|event| ids.get_mut(&event.app)?.next());
    numbered
        .collect::<Option<_>>()
        .ok_or_else(|| StorageError::corrupt("the store gave fewer numbers than were asked for"))
}
