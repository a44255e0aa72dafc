//! The log of notifications.

use std::sync::Arc;

use async_trait::async_trait;

use super::log::attempt_from;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, LoggedNotification, Notification, NotificationFilter, NotificationState,
    OutboxEvent, OutboxEventKind, TargetKind, Timestamp,
};
use crate::core::ports::NotificationLog;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::SqlStore;
use crate::outbound::storage::sql::driver::{Driver, SqlConnection};
use crate::outbound::storage::sql::value::{Arg, SqlRow, signed, unsigned};

macro_rules! waiting {
    ($condition:literal) => {
        concat!(
            "SELECT n.id, q.address, n.channel, n.event, q.attempts, q.status, q.problem, q.due, n.time FROM outbox_notices n \
            JOIN outbox_queues q ON q.id = n.queue WHERE n.app = (SELECT id FROM apps WHERE ident = $1) AND n.publish IS NOT NULL ",
            $condition,
            " ORDER BY n.id DESC LIMIT $2"
        )
    };
}
macro_rules! ended {
    ($condition:literal) => {
        concat!(
            "SELECT id, address, channel, event, attempts, status, problem, given_up, created FROM outbox_deliveries \
            WHERE app = (SELECT id FROM apps WHERE ident = $1) AND publish IS NOT NULL ",
            $condition,
            " ORDER BY id DESC LIMIT $2"
        )
    };
}

const WAITING: &str = waiting!("");
const WAITING_OF_KIND: &str = waiting!("AND q.target = $3");
const ENDED: &str = ended!("");
const ENDED_OF_KIND: &str = ended!("AND target = $3");
const ENDED_IN_STATE: &str = ended!("AND given_up = $3");
const ENDED_OF_BOTH: &str = ended!("AND given_up = $3 AND target = $4");
const HASTEN: &str = "UPDATE outbox_queues SET due = $3 WHERE app = (SELECT id FROM apps WHERE ident = $1) AND address = $2 AND due > $3";
const EXPORT: &str = "SELECT n.id, q.address, n.channel, n.time, n.event, n.data, n.socket, n.publish FROM outbox_notices n \
    JOIN outbox_queues q ON q.id = n.queue WHERE n.app = (SELECT id FROM apps WHERE ident = $1) AND n.publish IS NOT NULL AND n.id > $2 \
    ORDER BY n.id LIMIT $3";
const QUEUED: &str = "SELECT 1 FROM outbox_notices n WHERE n.publish = $3 AND n.queue = \
    (SELECT id FROM outbox_queues WHERE app = (SELECT id FROM apps WHERE ident = $1) AND address = $2) LIMIT 1";
const LOGGED: &str = "SELECT 1 FROM outbox_deliveries WHERE app = (SELECT id FROM apps WHERE ident = $1) AND address = $2 AND publish = $3 LIMIT 1";
const QUEUE: &str = "SELECT id FROM outbox_queues WHERE app = (SELECT id FROM apps WHERE ident = $1) AND address = $2";

#[async_trait]
impl<D: Driver> NotificationLog for SqlStore<D> {
    async fn notifications(
        &self,
        app: &AppIdent,
        filter: NotificationFilter,
        limit: usize,
    ) -> Result<Vec<LoggedNotification>, StorageError> {
        let app = app.clone();
        let found = self.driver.read(move |connection| {
            Box::pin(async move { list(connection, &app, filter, limit).await })
        });
        found.await
    }

    async fn waiting_notifications(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, OutboxEvent)>, StorageError> {
        let ident = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let page = [
                    Arg::Text(ident.as_str()),
                    Arg::Int(signed(after)),
                    Arg::Int(signed(limit)),
                ];
                connection.rows(EXPORT, &page).await
            })
        });
        rows.await?.iter().map(|row| exported(app, row)).collect()
    }

    async fn is_known(
        &self,
        app: &AppIdent,
        address: &str,
        publish: &str,
    ) -> Result<bool, StorageError> {
        let (app, address, publish) = (app.clone(), address.to_owned(), publish.to_owned());
        let found = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(app.as_str()),
                    Arg::Text(&address),
                    Arg::Text(&publish),
                ];
                // In this order: a notification moves from the queue to the log.
                Ok(connection.row(QUEUED, &args).await?.is_some()
                    || connection.row(LOGGED, &args).await?.is_some())
            })
        });
        found.await
    }

    async fn hasten(
        &self,
        app: &AppIdent,
        address: &str,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let (app, address) = (app.clone(), address.to_owned());
        let found = self.driver.write(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(app.as_str()),
                    Arg::Text(&address),
                    Arg::Int(now.micros()),
                ];
                connection.execute(HASTEN, &args).await?;
                connection.row(QUEUE, &args[..2]).await
            })
        });
        Ok(found.await?.is_some())
    }
}

fn exported(app: &AppIdent, row: &impl SqlRow) -> StorageResult<(u64, OutboxEvent)> {
    let text = |column| {
        let text = row.maybe_text(column)?;
        let text = text.ok_or_else(|| StorageError::corrupt("a notification lacks a value"))?;
        Ok::<Arc<str>, StorageError>(text.into())
    };
    let event = OutboxEvent {
        app: app.clone(),
        channel: ChannelName::trusted(&row.text(2)?),
        at: Timestamp::from_micros(row.int(3)?),
        kind: OutboxEventKind::Notification(Notification {
            event: text(4)?,
            frame: text(5)?,
            mid: text(6)?,
            publish: text(7)?,
        }),
        addresses: [text(1)?].into(),
    };
    Ok((unsigned(row.int(0)?)?, event))
}

async fn list(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    filter: NotificationFilter,
    limit: usize,
) -> StorageResult<Vec<LoggedNotification>> {
    let kind = filter.kind.map(|kind| Arg::Text(kind.label()));
    let mut found = Vec::new();
    if filter
        .state
        .is_none_or(|state| state == NotificationState::Waiting)
    {
        let sql = match kind {
            None => WAITING,
            Some(_) => WAITING_OF_KIND,
        };
        let args = [Arg::Text(app.as_str()), Arg::Int(signed(limit))];
        let args: Vec<Arg<'_>> = args.into_iter().chain(kind).collect();
        for row in connection.rows(sql, &args).await? {
            found.extend(logged(&row, true)?);
        }
    }
    let given_up = match filter.state {
        Some(NotificationState::Waiting) => return Ok(found),
        Some(NotificationState::Failed) => Some(Arg::Int(1)),
        Some(NotificationState::Done) => Some(Arg::Int(0)),
        None => None,
    };
    let sql = match (given_up, kind) {
        (None, None) => ENDED,
        (None, Some(_)) => ENDED_OF_KIND,
        (Some(_), None) => ENDED_IN_STATE,
        (Some(_), Some(_)) => ENDED_OF_BOTH,
    };
    let left = Arg::Int(signed(limit.saturating_sub(found.len())));
    let args = [Arg::Text(app.as_str()), left];
    let args: Vec<Arg<'_>> = args.into_iter().chain(given_up).chain(kind).collect();
    for row in connection.rows(sql, &args).await? {
        found.extend(logged(&row, false)?);
    }
    Ok(found)
}

/// The notification of a row; `None` where its address is not that of a target.
fn logged(row: &impl SqlRow, waits: bool) -> StorageResult<Option<LoggedNotification>> {
    let address = row.text(1)?;
    let Some((kind, _)) = TargetKind::of_outbox_address(&address) else {
        return Ok(None);
    };
    let state = match (waits, waits || row.int(7)? == 0) {
        (true, _) => NotificationState::Waiting,
        (false, true) => NotificationState::Done,
        (false, false) => NotificationState::Failed,
    };
    let text = |column| Ok(row.maybe_text(column)?.unwrap_or_default().into_owned());
    let due = waits.then(|| row.int(7)).transpose()?;
    Ok(Some(LoggedNotification {
        id: unsigned(row.int(0)?)?,
        kind,
        channel: text(2)?,
        event: text(3)?,
        address: address.into(),
        state,
        attempts: unsigned(row.int(4)?)?,
        last: attempt_from(row, 5, 6)?,
        next_attempt: due.map(Timestamp::from_micros),
        created: Timestamp::from_micros(row.maybe_int(8)?.unwrap_or(0)),
    }))
}
