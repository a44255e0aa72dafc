//! The delivery log.

use async_trait::async_trait;

use super::put::target_of;
use super::settle::INSERT_DELIVERY;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Attempt, Delivery, LostEvents, QueuedAddress, Timestamp};
use crate::core::ports::DeliveryLog;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::SqlStore;
use crate::outbound::storage::sql::driver::{Driver, SqlConnection};
use crate::outbound::storage::sql::value::{Arg, SqlRow, signed, unsigned};

pub(in super::super) const WAITING: &str = "SELECT q.address, q.attempts, q.due, q.status, q.problem, \
    (SELECT count(*) FROM outbox_notices n WHERE n.queue = q.id) FROM outbox_queues q \
    WHERE q.app = (SELECT id FROM apps WHERE ident = $1) AND q.target = '' ORDER BY q.address";
pub(in super::super) const DELIVERIES: &str = "SELECT id, address, time, notices, attempts, status, problem, given_up \
    FROM outbox_deliveries WHERE app = (SELECT id FROM apps WHERE ident = $1) AND target = '' AND id < $2 ORDER BY id DESC LIMIT $3";
pub(in super::super) const GIVEN_UP: &str = "SELECT d.app, d.address, (SELECT count(*) FROM outbox_notices n WHERE n.delivery = d.id) FROM outbox_deliveries d \
    JOIN apps a ON a.id = d.app WHERE a.ident = $1 AND d.id = $2 AND d.given_up = 1";
const MAKE_QUEUE_DUE: &str = "INSERT INTO outbox_queues (app, address, due, holder, held_until, attempts, status, target) \
    VALUES ($1, $2, $3, '', 0, 0, 0, $4) ON CONFLICT (app, address) DO UPDATE SET due = excluded.due RETURNING id";
/// Inserts the events again with new ids: a claim that is in progress settles by the ids that it has read.
const REQUEUE: &str = "INSERT INTO outbox_notices (app, queue, delivery, channel, kind, user_id, event, data, socket, count, time, since, publish) \
    SELECT app, $2, 0, channel, kind, user_id, event, data, socket, count, time, $3, publish FROM outbox_notices WHERE delivery = $1 ORDER BY id";
pub(in super::super) const EXPIRED: &str =
    "SELECT id FROM outbox_deliveries WHERE given_up = $1 AND time < $2 ORDER BY time LIMIT $3";
const DELETE_EVENTS: &str = "DELETE FROM outbox_notices WHERE delivery = $1";
const DELETE: &str = "DELETE FROM outbox_deliveries WHERE id = $1";

#[async_trait]
impl<D: Driver> DeliveryLog for SqlStore<D> {
    async fn waiting(&self, app: &AppIdent) -> Result<Vec<QueuedAddress>, StorageError> {
        let app = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move { connection.rows(WAITING, &[Arg::Text(app.as_str())]).await })
        });
        let waiting: Vec<QueuedAddress> = rows
            .await?
            .iter()
            .map(waiting_from)
            .collect::<StorageResult<_>>()?;
        Ok(waiting
            .into_iter()
            .filter(|waiting| waiting.events > 0)
            .collect())
    }

    async fn deliveries(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StorageError> {
        let app = app.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(app.as_str()),
                    Arg::Int(before.map_or(i64::MAX, signed)),
                    Arg::Int(signed(limit)),
                ];
                connection.rows(DELIVERIES, &args).await
            })
        });
        rows.await?.iter().map(delivery_from).collect()
    }

    async fn log_lost(&self, lost: &[LostEvents]) -> Result<(), StorageError> {
        let lost = lost.to_vec();
        self.driver
            .write(move |connection| Box::pin(log_lost(connection, lost)))
            .await
    }

    async fn replay(
        &self,
        app: &AppIdent,
        delivery: u64,
        now: Timestamp,
    ) -> Result<u64, StorageError> {
        let app = app.clone();
        self.driver
            .write(move |connection| Box::pin(replay(connection, app, signed(delivery), now)))
            .await
    }

    async fn prune(
        &self,
        delivered: Timestamp,
        given_up: Timestamp,
        limit: usize,
    ) -> Result<u64, StorageError> {
        let expired = self.driver.read(move |connection| {
            Box::pin(async move {
                let mut expired = Vec::new();
                for (kind, before) in [(0, delivered), (1, given_up)] {
                    let left = limit.saturating_sub(expired.len());
                    let args = [
                        Arg::Int(kind),
                        Arg::Int(before.micros()),
                        Arg::Int(signed(left)),
                    ];
                    for row in connection.rows(EXPIRED, &args).await? {
                        expired.push(row.int(0)?);
                    }
                }
                Ok(expired)
            })
        });
        let expired = expired.await?;
        if expired.is_empty() {
            return Ok(0);
        }
        let removed = self.driver.write(move |connection| {
            Box::pin(async move {
                let mut removed = 0;
                for id in expired {
                    connection.execute(DELETE_EVENTS, &[Arg::Int(id)]).await?;
                    removed += connection.execute(DELETE, &[Arg::Int(id)]).await?;
                }
                Ok(removed)
            })
        });
        removed.await
    }
}

async fn replay(
    connection: &mut impl SqlConnection,
    app: AppIdent,
    delivery: i64,
    now: Timestamp,
) -> StorageResult<u64> {
    let found = connection
        .row(GIVEN_UP, &[Arg::Text(app.as_str()), Arg::Int(delivery)])
        .await?;
    let found = found.ok_or(StorageError::NotFound)?;
    if found.int(2)? == 0 {
        return Ok(0);
    }
    let address = found.text(1)?;
    let queue = connection
        .row(
            MAKE_QUEUE_DUE,
            &[
                Arg::Int(found.int(0)?),
                Arg::Text(&address),
                Arg::Int(now.micros()),
                Arg::Text(target_of(&address)),
            ],
        )
        .await?;
    let queue = queue
        .ok_or_else(|| StorageError::corrupt("the database returned no row for a queue"))?
        .int(0)?;
    let count = connection
        .execute(
            REQUEUE,
            &[Arg::Int(delivery), Arg::Int(queue), Arg::Int(now.micros())],
        )
        .await?;
    connection
        .execute(DELETE_EVENTS, &[Arg::Int(delivery)])
        .await?;
    Ok(count)
}

pub(super) fn attempt_from(
    row: &impl SqlRow,
    status: usize,
    problem: usize,
) -> StorageResult<Attempt> {
    let status = u16::try_from(row.int(status)?).map_err(StorageError::corrupt)?;
    Ok(Attempt {
        status: Some(status).filter(|status| *status != 0),
        problem: row.maybe_text(problem)?.map(Into::into),
    })
}

fn waiting_from(row: &impl SqlRow) -> StorageResult<QueuedAddress> {
    Ok(QueuedAddress {
        address: row.text(0)?.into(),
        attempts: unsigned(row.int(1)?)?,
        due: Timestamp::from_micros(row.int(2)?),
        last: attempt_from(row, 3, 4)?,
        events: unsigned(row.int(5)?)?,
    })
}

fn delivery_from(row: &impl SqlRow) -> StorageResult<Delivery> {
    Ok(Delivery {
        id: unsigned(row.int(0)?)?,
        address: row.text(1)?.into(),
        at: Timestamp::from_micros(row.int(2)?),
        events: unsigned(row.int(3)?)?,
        attempts: unsigned(row.int(4)?)?,
        last: attempt_from(row, 5, 6)?,
        given_up: row.int(7)? != 0,
    })
}

async fn log_lost<C: SqlConnection>(
    connection: &mut C,
    lost: Vec<LostEvents>,
) -> StorageResult<()> {
    for lost in &lost {
        let app = [Arg::Text(lost.app.as_str())];
        let Some(row) = connection.row(C::LOCK_APP, &app).await? else {
            continue;
        };
        let args = [
            Arg::Int(row.int(0)?),
            Arg::Text(&lost.address),
            Arg::Int(lost.at.micros()),
            Arg::Int(i64::try_from(lost.events).unwrap_or(i64::MAX)),
            Arg::Int(0),
            Arg::Int(0),
            Arg::MaybeText(Some(&lost.problem)),
            Arg::Int(1),
        ];
        connection.row(INSERT_DELIVERY, &args).await?;
    }
    Ok(())
}
