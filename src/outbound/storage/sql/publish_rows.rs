//! Rows that applications insert, to be published.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::events::{append, repeat};
use super::statement::ColumnType::{Int, Text};
use super::statement::{BulkInsert, MultiRowStatement, unnest};
use super::value::{Arg, OutsideText, SqlRow, signed, unsigned};
use crate::core::error::StorageError;
use crate::core::model::{NewEvent, Timestamp};
use crate::core::ports::{
    Moved, OldestRow, PublishRow, PublishRows, RowContent, RowId, RowLimit, RowMove,
};
use crate::outbound::storage::StorageResult;

pub(super) const OLDEST: &str =
    "SELECT app, CAST(created AS BIGINT) FROM pushi_publish ORDER BY id LIMIT 1";

pub(super) const NEXT_APP: &str =
    "SELECT app FROM pushi_publish WHERE app > $1 ORDER BY app LIMIT 1";

/// The texts of large rows are not read, and no more texts of others than fit. The range and the order can only be served by the
/// index of app and id, see [`REMOVE`].
pub(super) const ROWS: &str = "SELECT id, total, persist, channel, event, data, extra FROM (\
        SELECT id, total, persist, \
            CASE WHEN total <= $4 THEN channel END AS channel, CASE WHEN total <= $4 THEN event END AS event, \
            CASE WHEN total <= $4 THEN data END AS data, CASE WHEN total <= $4 THEN extra END AS extra, \
            sum(CASE WHEN total <= $4 THEN total ELSE 0 END) OVER (ORDER BY id) - CASE WHEN total <= $4 THEN total ELSE 0 END AS earlier \
        FROM (SELECT id, CAST(CASE WHEN persist THEN 1 ELSE 0 END AS BIGINT) AS persist, channel, event, data, extra, \
                CAST(octet_length(channel) + octet_length(event) + coalesce(octet_length(data), 0) \
                    + coalesce(octet_length(extra), 0) AS BIGINT) AS total \
            FROM pushi_publish WHERE app >= $1 AND app <= $1 ORDER BY app, id LIMIT $2) AS oldest) AS sized \
    WHERE earlier < $3 ORDER BY id";

/// Finds rows by their id, and on PostgreSQL by their app as well: a table that is mostly empty has such statistics that the
/// planner takes any of the indexes that it can use, and each of them must do.
static REMOVE: LazyLock<BulkInsert<2>> = LazyLock::new(|| {
    BulkInsert {
    row_lists: MultiRowStatement::new(
        "DELETE FROM pushi_publish WHERE id IN (SELECT column1 FROM (VALUES ",
        1,
        2,
        ")) RETURNING id",
    ),
    column_arrays: "DELETE FROM pushi_publish WHERE id = ANY($1::bigint[]) AND app = ANY($2::text[]) RETURNING id"
        .into(),
    column_types: [Int, Text],
}
});

/// The same with a look-up for each row.
static REJECT: LazyLock<BulkInsert<4>> = LazyLock::new(|| {
    let types = [Int, Text, Int, Text];
    let into = "INSERT INTO pushi_publish_failed (id, app, channel, event, data, persist, extra, created, failed, reason) \
        SELECT p.id, p.app, p.channel, p.event, p.data, p.persist, p.extra, p.created, given.failed, given.reason FROM ";
    let conflict = "ON CONFLICT (id) DO NOTHING RETURNING id";
    BulkInsert {
        // SQLite needs the `WHERE`: it takes an `ON` behind a join for a condition of the join.
        row_lists: MultiRowStatement::new(
            "WITH given(id, app, failed, reason) AS (VALUES ",
            1,
            4,
            &format!(
                ") {into} given CROSS JOIN pushi_publish AS p WHERE p.id = given.id {conflict}"
            ),
        ),
        column_arrays: format!(
            "{into} {} AS given(id, app, failed, reason), LATERAL (SELECT * FROM pushi_publish AS row \
                WHERE row.id = given.id AND row.app = given.app OFFSET 0) AS p {conflict}",
            unnest(types)
        ),
        column_types: types,
    }
});

const HOLD: &str =
    "UPDATE publish_lease SET holder = $1, held_until = $3 WHERE holder = $1 OR held_until <= $2";
const RELEASE: &str = "UPDATE publish_lease SET holder = '', held_until = 0 WHERE holder = $1";
const PRUNE: &str = "DELETE FROM pushi_publish_failed WHERE id IN (SELECT id FROM pushi_publish_failed WHERE failed < $1 \
    ORDER BY failed LIMIT $2)";

#[async_trait]
impl<D: Driver> PublishRows for SqlStore<D> {
    async fn inserted(&self) {
        self.driver.inserted().await;
    }

    async fn oldest(&self) -> Result<Option<OldestRow>, StorageError> {
        let oldest = self
            .driver
            .read(|connection| Box::pin(async move { connection.row(OLDEST, &[]).await }));
        let Some(row) = oldest.await? else {
            return Ok(None);
        };
        match row.outside_text(0)? {
            OutsideText::Text(app) => Ok(Some(OldestRow {
                app,
                created: Timestamp::from_micros(row.int(1)?),
            })),
            _ => Err(StorageError::corrupt("a row names its app by no text")),
        }
    }

    async fn apps(&self, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
        let after = after.to_owned();
        let apps = self
            .driver
            .read(move |connection| Box::pin(async move { apps(connection, after, limit).await }));
        apps.await
    }

    async fn rows(&self, app: &str, limit: RowLimit) -> Result<Vec<PublishRow>, StorageError> {
        let app = app.to_owned();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Outside(&app),
                    Arg::Int(signed(limit.rows)),
                    Arg::Int(signed(limit.bytes)),
                    Arg::Int(signed(limit.row_bytes)),
                ];
                let mut found = Vec::new();
                let take = |row: &_| {
                    found.push(read_row(row, &app, limit.row_bytes)?);
                    Ok(true)
                };
                connection.take_rows(ROWS, &args, take).await?;
                Ok(found)
            })
        });
        rows.await
    }

    async fn move_rows(&self, moves: &[RowMove]) -> Vec<Result<Moved, StorageError>> {
        let count = moves.len();
        let moves = moves.to_vec();
        let moved = self
            .driver
            .write(move |connection| Box::pin(async move { move_rows(connection, &moves).await }));
        match moved.await {
            Ok(moved) => moved.into_iter().map(Ok).collect(),
            Err(error) => repeat(error, count),
        }
    }

    async fn reject(
        &self,
        rejected: &[(RowId, String)],
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let rejected = rejected.to_vec();
        let moved = self.driver.write(move |connection| {
            Box::pin(async move {
                let mut rows = Vec::with_capacity(rejected.len());
                for (id, reason) in &rejected {
                    let [id, app] = key(id)?;
                    rows.push([id, app, Arg::Int(now.micros()), Arg::Text(reason)]);
                }
                connection.bulk_insert(&REJECT, &rows).await?;
                let ids = rejected.iter().map(|(id, _)| id);
                remove(connection, ids).await.map(drop)
            })
        });
        moved.await
    }

    async fn hold(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StorageError> {
        let holder = holder.to_owned();
        let held = self.driver.write(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(&holder),
                    Arg::Int(now.micros()),
                    Arg::Int(until.micros()),
                ];
                connection.execute(HOLD, &args).await
            })
        });
        Ok(held.await? > 0)
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        let holder = holder.to_owned();
        let released = self.driver.write(move |connection| {
            Box::pin(async move { connection.execute(RELEASE, &[Arg::Text(&holder)]).await })
        });
        released.await.map(drop)
    }

    async fn prune_rejected(&self, before: Timestamp, limit: usize) -> Result<u64, StorageError> {
        let pruned = self.driver.write(move |connection| {
            Box::pin(async move {
                let args = [Arg::Int(before.micros()), Arg::Int(signed(limit))];
                connection.execute(PRUNE, &args).await
            })
        });
        pruned.await
    }
}

/// The apps of rows, by the index: one look-up each.
async fn apps(
    connection: &mut impl SqlConnection,
    after: String,
    limit: usize,
) -> StorageResult<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    let mut last = after.clone();
    let mut is_round = after.is_empty();
    while found.len() < limit {
        let next = connection.row(NEXT_APP, &[Arg::Outside(&last)]).await?;
        let next = next.map(|row| row.outside_text(0)).transpose()?;
        match next {
            Some(OutsideText::Text(app)) if is_round && !after.is_empty() && app > after => break,
            Some(OutsideText::Text(app)) => {
                last.clone_from(&app);
                found.push(app);
            }
            Some(_) => return Err(StorageError::corrupt("a row names its app by no text")),
            None if is_round => break,
            None => {
                is_round = true;
                last.clear();
            }
        }
    }
    Ok(found)
}

fn read_row(row: &impl SqlRow, app: &str, limit: usize) -> StorageResult<PublishRow> {
    let total = unsigned(row.int(1)?)?;
    let content = if total > limit as u64 {
        RowContent::TooLarge(total)
    } else {
        let [channel, event, data, extra] = [
            row.outside_text(3)?,
            row.outside_text(4)?,
            row.outside_text(5)?,
            row.outside_text(6)?,
        ];
        match (channel, event, data.optional(), extra.optional()) {
            (OutsideText::Text(channel), OutsideText::Text(event), Some(data), Some(extra)) => {
                RowContent::Event {
                    channel,
                    event,
                    data,
                    extra,
                    persist: row.int(2)? != 0,
                }
            }
            _ => RowContent::Invalid("a column is no text in UTF-8"),
        }
    };
    Ok(PublishRow {
        id: RowId(format!("{} {app}", row.int(0)?).into()),
        mid: None,
        content,
    })
}

/// Rows first: where one is not there any more, another node has moved it, or is about to.
async fn move_rows(
    connection: &mut impl SqlConnection,
    moves: &[RowMove],
) -> StorageResult<Vec<Moved>> {
    let removed = remove(connection, moves.iter().map(|moved| &moved.row)).await?;
    if removed != moves.len() {
        return Err(StorageError::Conflict("row"));
    }
    let stored = || moves.iter().filter(|moved| moved.persist);
    let events: Vec<NewEvent> = stored()
        .map(|moved| NewEvent::clone(&moved.event))
        .collect();
    if events.is_empty() {
        return Ok(vec![Moved::Removed; moves.len()]);
    }
    let due: Vec<Option<Arc<str>>> = stored().map(|moved| moved.due.clone()).collect();
    let mut positions = append(connection, &events, &due).await?.into_iter();
    let moved = moves.iter().map(|moved| match moved.persist {
        true => match positions.next().flatten() {
            Some(position) => Ok(Moved::Stored(position)),
            None => Err(StorageError::NotFound),
        },
        false => Ok(Moved::Removed),
    });
    moved.collect()
}

/// Removes rows; returns how many.
async fn remove<'a>(
    connection: &mut impl SqlConnection,
    ids: impl Iterator<Item = &'a RowId>,
) -> StorageResult<usize> {
    let mut rows = Vec::new();
    for id in ids {
        rows.push(key(id)?);
    }
    Ok(connection.bulk_insert(&REMOVE, &rows).await?.len())
}

/// The number and the app of a row.
fn key(id: &RowId) -> StorageResult<[Arg<'_>; 2]> {
    let malformed = || StorageError::corrupt("the id of a row is malformed");
    let (number, app) = id.0.split_once(' ').ok_or_else(malformed)?;
    let number = number.parse().map_err(StorageError::corrupt)?;
    Ok([Arg::Int(number), Arg::Outside(app)])
}
