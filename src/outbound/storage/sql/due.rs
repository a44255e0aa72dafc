//! Events whose notification targets are not all in the outbox yet.

use std::sync::Arc;

use async_trait::async_trait;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::events::{event_from, select_events};
use super::value::{Arg, SqlRow, signed, unsigned};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, DueMark, DuePublish, Timestamp};
use crate::core::ports::DuePublishes;
use crate::outbound::storage::StorageResult;

pub(super) const NEXT_APP: &str =
    "SELECT app FROM due_publishes WHERE app > $1 ORDER BY app LIMIT 1";
pub(super) const APP: &str = "SELECT id FROM apps WHERE ident = $1";
pub(super) const IDENT: &str = "SELECT ident FROM apps WHERE id = $1";
pub(super) const OLDEST: &str =
    "SELECT event FROM due_publishes WHERE app = $1 AND held_until <= $2 ORDER BY event LIMIT $3";
const CLAIM: &str = "UPDATE due_publishes SET holder = $3, held_until = $4 WHERE app = $1 AND event = $2 AND held_until <= $5 RETURNING publish, cursor";
pub(super) const EVENT: &str = select_events!("e.app = $1 AND e.id = $2");
const ADVANCE: &str = "UPDATE due_publishes SET cursor = $3, held_until = $4 WHERE app = (SELECT id FROM apps WHERE ident = $1) AND event = $2 AND holder = $5";
const FINISH: &str =
    "DELETE FROM due_publishes WHERE app = (SELECT id FROM apps WHERE ident = $1) AND event = $2";
const REMOVE: &str = "DELETE FROM due_publishes WHERE app = $1 AND event = $2";
pub(super) const LIST: &str = "SELECT event, publish, cursor FROM due_publishes WHERE app = (SELECT id FROM apps WHERE ident = $1) AND event > $2 \
    ORDER BY event LIMIT $3";
const PUT: &str = "INSERT INTO due_publishes (app, event, publish, cursor, holder, held_until) VALUES ($1, $2, $3, $4, '', 0) ON CONFLICT DO NOTHING";
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
            Box::pin(async move { claimable(connection, now, (&busy, after), apps, events).await })
        });
        let found = found.await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let holder: Arc<str> = holder.into();
        let claimed = self.driver.write(move |connection| {
            Box::pin(async move {
                let mut claimed = Vec::with_capacity(found.len());
                for (app, ident, event) in found {
                    let due = claim(connection, (app, ident), event, &holder, now, until).await?;
                    claimed.extend(due);
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
        let due: Vec<(AppIdent, i64)> = due
            .iter()
            .map(|due| (due.app.clone(), signed(due.event.position.id)))
            .collect();
        let finished = self.driver.write(move |connection| {
            Box::pin(async move {
                for (app, event) in due {
                    let args = [Arg::Text(app.as_str()), Arg::Int(event)];
                    connection.execute(FINISH, &args).await?;
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
                connection.rows(LIST, &page).await
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
                    connection.execute(PUT, &args).await?;
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

/// The oldest events of each app that can be claimed.
async fn claimable(
    connection: &mut impl SqlConnection,
    now: Timestamp,
    (busy, after): (&[AppIdent], Option<AppIdent>),
    apps: usize,
    events: usize,
) -> StorageResult<Vec<(i64, AppIdent, i64)>> {
    let start = match &after {
        Some(after) => connection.row(APP, &[Arg::Text(after.as_str())]).await?,
        None => None,
    };
    let start = start.map_or(Ok(0), |row| row.int(0))?;
    let (mut found, mut app, mut left) = (Vec::new(), start, apps);
    let mut is_round = start == 0;
    while left > 0 {
        let Some(row) = connection.row(NEXT_APP, &[Arg::Int(app)]).await? else {
            if is_round {
                break;
            }
            (app, is_round) = (0, true);
            continue;
        };
        app = row.int(0)?;
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
        let args = [
            Arg::Int(app),
            Arg::Int(now.micros()),
            Arg::Int(signed(events)),
        ];
        let rows = connection.rows(OLDEST, &args).await?;
        left -= usize::from(!rows.is_empty());
        for row in rows {
            found.push((app, ident.clone(), row.int(0)?));
        }
    }
    Ok(found)
}

async fn claim(
    connection: &mut impl SqlConnection,
    (app, ident): (i64, AppIdent),
    event: i64,
    holder: &Arc<str>,
    now: Timestamp,
    until: Timestamp,
) -> StorageResult<Option<DuePublish>> {
    let args = [
        Arg::Int(app),
        Arg::Int(event),
        Arg::Text(holder),
        Arg::Int(until.micros()),
        Arg::Int(now.micros()),
    ];
    let Some(claimed) = connection.row(CLAIM, &args).await? else {
        return Ok(None);
    };
    let key = [Arg::Int(app), Arg::Int(event)];
    let Some(row) = connection.row(EVENT, &key).await? else {
        // It was removed by retention.
        connection.execute(REMOVE, &key).await?;
        return Ok(None);
    };
    Ok(Some(DuePublish {
        holder: Arc::clone(holder),
        event: event_from(&ident, &row)?,
        app: ident,
        publish: claimed.text(0)?.into(),
        cursor: claimed.maybe_text(1)?.map(Into::into),
    }))
}
