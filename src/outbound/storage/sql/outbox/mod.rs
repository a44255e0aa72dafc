//! The queues of webhook events.

pub(super) mod log;
mod notifications;
mod put;
mod settle;

use std::sync::Arc;

use async_trait::async_trait;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::value::{Arg, SqlRow, signed, unsigned};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Claim, ClientEventDetails, Notification, OutboxEvent, OutboxEventKind,
    QueuedEvent, ReportedPresence, TargetKind, Timestamp, UserId, WebhookEvent,
};
use crate::core::ports::{AttemptResult, OLDEST_BYTES, Outbox, OutboxBytes};
use crate::outbound::storage::StorageResult;

macro_rules! due {
    ($condition:literal) => {
        concat!(
            "SELECT q.id, a.ident, q.address, q.attempts FROM outbox_queues q JOIN apps a ON a.id = q.app WHERE ",
            $condition,
            " AND q.due <= $1 AND q.held_until <= $1 AND EXISTS (SELECT 1 FROM outbox_notices n WHERE n.queue = q.id) ORDER BY q.due LIMIT $2"
        )
    };
}
pub(super) const DUE: &str = due!("q.target = ''");
/// `$4` are the idents of apps that are left out, with a comma before and after each.
pub(super) const DUE_TARGETS: &str =
    due!("q.target = $3 AND replace($4, ',' || a.ident || ',', '') = $4");
const CLAIM: &str = "UPDATE outbox_queues SET holder = $2, held_until = $3 WHERE id = $1 AND due <= $4 AND held_until <= $4";
pub(super) const OLDEST: &str = "SELECT n.id, n.channel, n.kind, n.user_id, n.event, n.data, n.socket, n.count, n.time, n.since, n.publish \
    FROM outbox_notices n WHERE n.queue = (SELECT q.id FROM outbox_queues q JOIN apps a ON a.id = q.app WHERE a.ident = $1 AND q.address = $2) \
    ORDER BY n.id LIMIT $3";
/// The bytes of the client events that [`OLDEST`] returns.
pub(super) const OLDEST_SIZES: &str = "SELECT CAST(coalesce(octet_length(n.event), 0) + coalesce(octet_length(n.data), 0) AS BIGINT) \
    FROM outbox_notices n WHERE n.queue = (SELECT q.id FROM outbox_queues q JOIN apps a ON a.id = q.app WHERE a.ident = $1 AND q.address = $2) \
    ORDER BY n.id LIMIT $3";
/// The bytes of an app's events: those that wait, and those that were given up. 200 is `OUTBOX_EVENT_BYTES`.
pub(super) const BYTES: &str = "SELECT CAST(coalesce(sum(CASE WHEN delivery = 0 THEN bytes END), 0) AS BIGINT), \
    CAST(coalesce(sum(CASE WHEN delivery <> 0 THEN bytes END), 0) AS BIGINT) FROM (SELECT delivery, 200 + octet_length(channel) \
    + coalesce(octet_length(user_id), 0) + coalesce(octet_length(event), 0) + coalesce(octet_length(data), 0) + coalesce(octet_length(socket), 0) AS bytes \
    FROM outbox_notices WHERE app = (SELECT id FROM apps WHERE ident = $1)) AS sizes";
const RELEASE: &str = "UPDATE outbox_queues SET holder = '', held_until = 0 WHERE holder = $1";
pub(super) const STANDING: &str = "SELECT channel, user_id FROM outbox_marks WHERE app = (SELECT id FROM apps WHERE ident = $1) \
    AND (channel, user_id) > ($2, $3) ORDER BY channel, user_id LIMIT $4";
pub(super) const DEPTH: &str = "SELECT count(*) FROM outbox_notices WHERE delivery = 0";

#[async_trait]
impl<D: Driver> Outbox for SqlStore<D> {
    async fn put(&self, events: &[OutboxEvent]) -> Result<(), StorageError> {
        let events = events.to_vec();
        self.driver
            .write(move |connection| Box::pin(put::put(connection, events)))
            .await
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        let args = [Arg::Int(now.micros()), Arg::Int(signed(limit))];
        // Usually nothing is due, and a read is enough to see it.
        let due = self
            .driver
            .read(move |connection| Box::pin(async move { connection.rows(DUE, &args).await }))
            .await?;
        self.claim_queues(holder, due, now, until).await
    }

    async fn claim_targets(
        &self,
        kind: TargetKind,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        busy: &[AppIdent],
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        let busy: String = busy.iter().map(|app| format!(",{app},")).collect();
        let due = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Int(now.micros()),
                    Arg::Int(signed(limit)),
                    Arg::Text(kind.label()),
                    Arg::Text(&busy),
                ];
                connection.rows(DUE_TARGETS, &args).await
            })
        });
        self.claim_queues(holder, due.await?, now, until).await
    }

    async fn oldest(&self, claim: &Claim, limit: usize) -> Result<Vec<QueuedEvent>, StorageError> {
        let claim = claim.clone();
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let (app, address) = (Arg::Text(claim.app.as_str()), Arg::Text(&claim.address));
                let sizes = connection
                    .rows(OLDEST_SIZES, &[app, address, Arg::Int(signed(limit))])
                    .await?;
                let mut bytes = 0;
                let mut count = 0;
                for size in &sizes {
                    bytes += unsigned(size.int(0)?)?;
                    if count > 0 && bytes > OLDEST_BYTES as u64 {
                        break;
                    }
                    count += 1;
                }
                if count == 0 {
                    return Ok(Vec::new());
                }
                connection
                    .rows(OLDEST, &[app, address, Arg::Int(count)])
                    .await
            })
        });
        rows.await?.iter().map(queued_event_from).collect()
    }

    async fn settle(
        &self,
        claim: &Claim,
        settlement: &AttemptResult,
    ) -> Result<bool, StorageError> {
        let (claim, settlement) = (claim.clone(), settlement.clone());
        self.driver
            .write(move |connection| Box::pin(settle::settle(connection, claim, settlement)))
            .await
    }

    async fn settle_all(
        &self,
        settled: &[(Claim, AttemptResult)],
    ) -> Result<Vec<bool>, StorageError> {
        let settled = settled.to_vec();
        self.driver
            .write(move |connection| Box::pin(settle::settle_all(connection, settled)))
            .await
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        let holder = holder.to_owned();
        let released = self.driver.write(move |connection| {
            Box::pin(async move { connection.execute(RELEASE, &[Arg::Text(&holder)]).await })
        });
        released.await.map(drop)
    }

    async fn reported_presence(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Result<Vec<ReportedPresence>, StorageError> {
        let (app, after) = (app.clone(), after.cloned());
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let channel = after.as_ref().map_or("", |after| after.channel.as_str());
                let user = after
                    .as_ref()
                    .and_then(|after| after.user.as_ref())
                    .map_or("", UserId::as_str);
                let args = [
                    Arg::Text(app.as_str()),
                    Arg::Text(channel),
                    Arg::Text(user),
                    Arg::Int(signed(limit)),
                ];
                connection.rows(STANDING, &args).await
            })
        });
        let presence = |row: &<D::Connection as SqlConnection>::Row| {
            let user = row.text(1)?;
            let user = if user.is_empty() {
                None
            } else {
                Some(user_from(&user)?)
            };
            Ok(ReportedPresence {
                channel: ChannelName::trusted(&row.text(0)?),
                user,
            })
        };
        rows.await?.iter().map(presence).collect()
    }

    async fn bytes_of(&self, app: &AppIdent) -> Result<OutboxBytes, StorageError> {
        let app = app.clone();
        let row = self.driver.read(move |connection| {
            Box::pin(async move { connection.row(BYTES, &[Arg::Text(app.as_str())]).await })
        });
        let row = row
            .await?
            .ok_or_else(|| StorageError::corrupt("a sum returned no row"))?;
        Ok(OutboxBytes {
            waiting: unsigned(row.int(0)?)?,
            given_up: unsigned(row.int(1)?)?,
        })
    }

    async fn depth(&self) -> Result<u64, StorageError> {
        let row = self
            .driver
            .read(|connection| Box::pin(connection.row(DEPTH, &[])))
            .await?;
        unsigned(
            row.ok_or_else(|| StorageError::corrupt("a count returned no row"))?
                .int(0)?,
        )
    }
}

impl<D: Driver> SqlStore<D> {
    /// Claims those of the queues that no other call has claimed.
    async fn claim_queues(
        &self,
        holder: &str,
        due: Vec<impl SqlRow>,
        now: Timestamp,
        until: Timestamp,
    ) -> StorageResult<Vec<Claim>> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let holder: Arc<str> = holder.into();
        let due: Vec<(i64, Claim)> = due
            .iter()
            .map(|row| claim_from(row, &holder))
            .collect::<StorageResult<_>>()?;
        let claims = self.driver.write(move |connection| {
            Box::pin(async move {
                let mut claimed = Vec::with_capacity(due.len());
                for (place, (queue, claim)) in locking_order(due, |(_, claim)| claim) {
                    let args = [
                        Arg::Int(queue),
                        Arg::Text(&claim.holder),
                        Arg::Int(until.micros()),
                        Arg::Int(now.micros()),
                    ];
                    if connection.execute(CLAIM, &args).await? > 0 {
                        claimed.push((place, claim));
                    }
                }
                claimed.sort_unstable_by_key(|(place, _)| *place);
                Ok(claimed.into_iter().map(|(_, claim)| claim).collect())
            })
        });
        claims.await
    }
}

/// Sorts what a transaction locks, with the places that it had before: two transactions cannot deadlock.
fn locking_order<T>(all: Vec<T>, claim: impl Fn(&T) -> &Claim) -> Vec<(usize, T)> {
    let mut sorted: Vec<(usize, T)> = all.into_iter().enumerate().collect();
    let key = |one: &T| (claim(one).app.clone(), Arc::clone(&claim(one).address));
    sorted.sort_by_cached_key(|(_, one)| key(one));
    sorted
}

fn claim_from(row: &impl SqlRow, holder: &Arc<str>) -> StorageResult<(i64, Claim)> {
    let (app, address, attempts) = (
        AppIdent::trusted(&row.text(1)?),
        row.text(2)?.into(),
        unsigned(row.int(3)?)?,
    );
    Ok((
        row.int(0)?,
        Claim {
            holder: Arc::clone(holder),
            app,
            address,
            attempts,
        },
    ))
}

fn user_from(text: &str) -> StorageResult<UserId> {
    UserId::parse(text).ok_or_else(|| StorageError::corrupt("a stored user id is malformed"))
}

fn queued_event_from(row: &impl SqlRow) -> StorageResult<QueuedEvent> {
    let missing = || StorageError::corrupt("a queued event lacks a value");
    let user = row
        .maybe_text(3)?
        .map(|user| user_from(&user))
        .transpose()?;
    let text =
        |column| Ok::<Arc<str>, StorageError>(row.maybe_text(column)?.ok_or_else(missing)?.into());
    let name = row.text(2)?;
    if name == OutboxEventKind::NOTIFICATION {
        let kind = OutboxEventKind::Notification(Notification {
            event: text(4)?,
            frame: text(5)?,
            mid: text(6)?,
            publish: text(10)?,
        });
        return queued_event(row, kind);
    }
    let kind = match WebhookEvent::parse(&name)
        .ok_or_else(|| StorageError::corrupt("a queued event has an unknown kind"))?
    {
        WebhookEvent::ChannelOccupied => OutboxEventKind::Occupied,
        WebhookEvent::ChannelVacated => OutboxEventKind::Vacated,
        WebhookEvent::CacheMiss => OutboxEventKind::CacheMiss,
        WebhookEvent::MemberAdded => OutboxEventKind::MemberAdded(user.ok_or_else(missing)?),
        WebhookEvent::MemberRemoved => OutboxEventKind::MemberRemoved(user.ok_or_else(missing)?),
        WebhookEvent::ClientEvent => OutboxEventKind::ClientEvent(ClientEventDetails {
            event: text(4)?,
            data: text(5)?,
            socket: text(6)?,
            user,
        }),
        WebhookEvent::SubscriptionCount => {
            OutboxEventKind::SubscriptionCount(unsigned(row.int(7)?)?)
        }
    };
    queued_event(row, kind)
}

fn queued_event(row: &impl SqlRow, kind: OutboxEventKind) -> StorageResult<QueuedEvent> {
    Ok(QueuedEvent {
        id: unsigned(row.int(0)?)?,
        channel: ChannelName::trusted(&row.text(1)?),
        kind,
        at: Timestamp::from_micros(row.int(8)?),
        since: Timestamp::from_micros(row.int(9)?),
    })
}
