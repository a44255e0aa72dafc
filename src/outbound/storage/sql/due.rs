//! Events whose notification targets are not all in the outbox yet: those that no node has claimed are in batches, in the way that
//! is cheapest for appends on each database, and the others have rows of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::events::{event_from, select_events};
use super::statement::MultiRowStatement;
use super::value::{Arg, SqlRow, signed, unsigned};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, DueMark, DuePublish, Timestamp};
use crate::core::ports::DuePublishes;
use crate::outbound::storage::StorageResult;

/// The first apps above `$1` with due events, and with batches of them.
pub(super) const NEXT_APP: &str = "SELECT (SELECT app FROM due_publishes WHERE app > $1 ORDER BY app LIMIT 1), \
    (SELECT app FROM due_batches WHERE app > $1 ORDER BY app LIMIT 1)";
pub(super) const APP: &str = "SELECT id FROM apps WHERE ident = $1";
pub(super) const IDENT: &str = "SELECT ident FROM apps WHERE id = $1";
pub(super) const ANY: &str = "SELECT 1 WHERE EXISTS (SELECT 1 FROM due_batches WHERE app = $1) \
    OR EXISTS (SELECT 1 FROM due_publishes WHERE app = $1 AND held_until <= $2)";
/// The time is compared again, because another node may have claimed an event while PostgreSQL waited for its row.
pub(super) const CLAIM: &str = "UPDATE due_publishes SET holder = $2, held_until = $3 WHERE app = $1 AND held_until <= $4 \
    AND event IN (SELECT d.event FROM due_publishes d WHERE d.app = $1 AND d.held_until <= $4 ORDER BY d.event LIMIT $5) \
    RETURNING event, publish, cursor";
pub(super) static EVENTS: LazyLock<MultiRowStatement> =
    LazyLock::new(|| MultiRowStatement::new(select_events!("e.app = $1 AND e.id IN ("), 2, 1, ")"));
const ADVANCE: &str = "UPDATE due_publishes SET cursor = $3, held_until = $4 WHERE app = (SELECT id FROM apps WHERE ident = $1) AND event = $2 AND holder = $5";
pub(super) static FINISH: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let before = "DELETE FROM due_publishes WHERE app = (SELECT id FROM apps WHERE ident = $1) AND event IN (";
    MultiRowStatement::new(before, 2, 1, ")")
});
const RELEASE: &str = "UPDATE due_publishes SET holder = '', held_until = 0 WHERE holder = $1";

#[async_trait]
impl<D: Driver> DuePublishes for SqlStore<D> {
    async fn claim_due(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        (busy, after): (&[AppIdent], Option<&AppIdent>),
        apps: usize,
        events: usize,
    ) -> Result<Vec<DuePublish>, StorageError> {
        let (busy, after) = (busy.to_vec(), after.cloned());
        // Usually nothing is due, and a read is enough to see it.
        let found = self.driver.read(move |connection| {
            Box::pin(async move { claimable(connection, now, (&busy, after), apps).await })
        });
        let found = found.await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let holder: Arc<str> = holder.into();
        let claimed = self.driver.write(move |connection| {
            Box::pin(async move {
                let mut claimed = Vec::new();
                for app in found {
                    claimed.extend(claim(connection, app, &holder, (now, until), events).await?);
                }
                Ok(claimed)
            })
        });
        claimed.await
    }

    async fn advance_due(
        &self,
        due: &DuePublish,
        cursor: Option<&str>,
        until: Timestamp,
    ) -> Result<(), StorageError> {
        let (due, cursor) = (due.clone(), cursor.map(str::to_owned));
        let advanced = self.driver.write(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(due.app.as_str()),
                    Arg::Int(signed(due.event.position.id)),
                    Arg::MaybeText(cursor.as_deref()),
                    Arg::Int(until.micros()),
                    Arg::Text(&due.holder),
                ];
                connection.execute(ADVANCE, &args).await
            })
        });
        advanced.await.map(drop)
    }

    async fn finish_due(&self, due: &[DuePublish]) -> Result<(), StorageError> {
        let mut by_app: BTreeMap<AppIdent, Vec<i64>> = BTreeMap::new();
        for due in due {
            let events = by_app.entry(due.app.clone()).or_default();
            events.push(signed(due.event.position.id));
        }
        let finished = self.driver.write(move |connection| {
            Box::pin(async move {
                for (app, events) in by_app {
                    finish(connection, &app, &events).await?;
                }
                Ok(())
            })
        });
        finished.await
    }

    async fn list_due(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DueMark>, StorageError> {
        let app = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let page = [
                    Arg::Text(app.as_str()),
                    Arg::Int(signed(after)),
                    Arg::Int(signed(limit)),
                ];
                connection.rows(D::Connection::LIST_DUE, &page).await
            })
        });
        let mark = |row: &<D::Connection as SqlConnection>::Row| {
            Ok(DueMark {
                event: unsigned(row.int(0)?)?,
                publish: row.text(1)?.into(),
                cursor: row.maybe_text(2)?.map(Into::into),
            })
        };
        rows.await?.iter().map(mark).collect()
    }

    async fn put_due(&self, app: &AppIdent, due: &[DueMark]) -> Result<(), StorageError> {
        let (app, due) = (app.clone(), due.to_vec());
        let put = self.driver.write(move |connection| {
            Box::pin(async move {
                let row = connection.row(APP, &[Arg::Text(app.as_str())]).await?;
                let app = row.ok_or(StorageError::NotFound)?.int(0)?;
                for mark in due {
                    let args = [
                        Arg::Int(app),
                        Arg::Int(signed(mark.event)),
                        Arg::Text(&mark.publish),
                        Arg::MaybeText(mark.cursor.as_deref()),
                    ];
                    connection.execute(D::Connection::PUT_DUE, &args).await?;
                }
                Ok(())
            })
        });
        put.await
    }

    async fn release_due(&self, holder: &str) -> Result<(), StorageError> {
        let holder = holder.to_owned();
        let released = self.driver.write(move |connection| {
            Box::pin(async move { connection.execute(RELEASE, &[Arg::Text(&holder)]).await })
        });
        released.await.map(drop)
    }
}

/// The apps that have events which can be claimed.
async fn claimable(
    connection: &mut impl SqlConnection,
    now: Timestamp,
    (busy, after): (&[AppIdent], Option<AppIdent>),
    apps: usize,
) -> StorageResult<Vec<(i64, AppIdent)>> {
    let start = match &after {
        Some(after) => connection.row(APP, &[Arg::Text(after.as_str())]).await?,
        None => None,
    };
    let start = start.map_or(Ok(0), |row| row.int(0))?;
    let (mut found, mut app, mut left) = (Vec::new(), start, apps);
    let mut is_round = start == 0;
    while left > 0 {
        let next = match connection.row(NEXT_APP, &[Arg::Int(app)]).await? {
            Some(row) => [row.maybe_int(0)?, row.maybe_int(1)?],
            None => [None, None],
        };
        let Some(next) = next.into_iter().flatten().min() else {
            if is_round {
                break;
            }
            (app, is_round) = (0, true);
            continue;
        };
        app = next;
        if is_round && start > 0 && app > start {
            break;
        }
        let Some(row) = connection.row(IDENT, &[Arg::Int(app)]).await? else {
            continue;
        };
        let ident = AppIdent::trusted(&row.text(0)?);
        if busy.contains(&ident) {
            continue;
        }
        let args = [Arg::Int(app), Arg::Int(now.micros())];
        if connection.row(ANY, &args).await?.is_some() {
            left -= 1;
            found.push((app, ident));
        }
    }
    Ok(found)
}

/// Claims the oldest events of an app.
async fn claim(
    connection: &mut impl SqlConnection,
    (app, ident): (i64, AppIdent),
    holder: &Arc<str>,
    (now, until): (Timestamp, Timestamp),
    events: usize,
) -> StorageResult<Vec<DuePublish>> {
    let args = [
        Arg::Int(app),
        Arg::Text(holder),
        Arg::Int(until.micros()),
        Arg::Int(now.micros()),
        Arg::Int(signed(events)),
    ];
    let mut rows = connection.rows(CLAIM, &args).await?;
    let rest = signed(events.saturating_sub(rows.len()));
    if rest > 0 {
        let batched = connection.claim_batched(app, holder, until.micros(), rest);
        rows.extend(batched.await?);
    }
    let mut marks = BTreeMap::new();
    for row in rows {
        let (publish, cursor) = (row.text(1)?.into(), row.maybe_text(2)?.map(Into::into));
        marks.insert(row.int(0)?, (publish, cursor));
    }
    let ids: Vec<i64> = marks.keys().copied().collect();
    let mut claimed = BTreeMap::new();
    for (sql, chunk) in EVENTS.chunks(&ids) {
        let events = chunk.iter().copied().map(Arg::Int);
        let args = std::iter::once(Arg::Int(app)).chain(events);
        for row in connection.rows(sql, &args.collect::<Vec<_>>()).await? {
            let Some((publish, cursor)) = marks.remove(&row.int(0)?) else {
                continue;
            };
            let due = DuePublish {
                holder: Arc::clone(holder),
                event: event_from(&ident, &row)?,
                app: ident.clone(),
                publish,
                cursor,
            };
            claimed.insert(due.event.position.id, due);
        }
    }
    // Retention removed the events of these.
    let removed: Vec<i64> = marks.into_keys().collect();
    finish(connection, &ident, &removed).await?;
    Ok(claimed.into_values().collect())
}

async fn finish(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    events: &[i64],
) -> StorageResult<()> {
    for (sql, chunk) in FINISH.chunks(events) {
        let events = chunk.iter().copied().map(Arg::Int);
        let args = std::iter::once(Arg::Text(app.as_str())).chain(events);
        connection.execute(sql, &args.collect::<Vec<_>>()).await?;
    }
    Ok(())
}
