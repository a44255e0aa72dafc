//! Writing events into the queues.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::error::StorageError;
use crate::core::model::{AppIdent, OutboxEvent, OutboxEventKind, TargetKind, Timestamp};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::value::{Arg, SqlRow, signed};

/// Creates or finds the queue. Either way its row is locked until the transaction ends, so that a concurrent deletion of the
/// empty queue sees the new events, and ids grow in commit order.
const UPSERT_QUEUE: &str = "INSERT INTO outbox_queues (app, address, due, holder, held_until, attempts, status, target) \
    VALUES ($1, $2, $3, '', 0, 0, 0, $4) ON CONFLICT (app, address) DO UPDATE SET address = excluded.address RETURNING id";
const REPORT_PRESENT: &str =
    "INSERT INTO outbox_marks (app, channel, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const REPORT_ABSENT: &str =
    "DELETE FROM outbox_marks WHERE app = $1 AND channel = $2 AND user_id = $3";
const INSERT: &str = "INSERT INTO outbox_notices (app, queue, delivery, channel, kind, user_id, event, data, socket, count, time, since) \
    VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
/// Inserts a notification, unless one of the same publish waits or was sent.
const INSERT_ONCE: &str = "INSERT INTO outbox_notices (app, queue, delivery, channel, kind, user_id, event, data, socket, count, time, since, publish) \
    SELECT $1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11 WHERE NOT EXISTS (SELECT 1 FROM outbox_notices WHERE queue = $2 AND publish = $11) \
    AND NOT EXISTS (SELECT 1 FROM outbox_deliveries WHERE app = $1 AND address = $12 AND publish = $11)";
pub(in super::super) const DELETE_IF_EMPTY: &str = "DELETE FROM outbox_queues WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM outbox_notices n WHERE n.queue = $1)";

pub(super) async fn put<C: SqlConnection>(
    connection: &mut C,
    events: Vec<OutboxEvent>,
) -> StorageResult<()> {
    // Apps and queues are locked in sorted order, so that two transactions cannot deadlock.
    let idents: BTreeSet<&AppIdent> = events.iter().map(|event| &event.app).collect();
    let mut apps = BTreeMap::new();
    for ident in idents {
        if let Some(row) = connection
            .row(C::LOCK_APP, &[Arg::Text(ident.as_str())])
            .await?
        {
            apps.insert(ident, row.int(0)?);
        }
    }
    let mut queues: BTreeMap<(i64, &Arc<str>), (Timestamp, i64)> = BTreeMap::new();
    for event in &events {
        let Some(app) = apps.get(&event.app) else {
            continue;
        };
        for address in event.addresses.iter() {
            queues.entry((*app, address)).or_insert((event.at, 0));
        }
    }
    for ((app, address), (due, id)) in &mut queues {
        let row = connection
            .row(
                UPSERT_QUEUE,
                &[
                    Arg::Int(*app),
                    Arg::Text(address),
                    Arg::Int(due.micros()),
                    Arg::Text(target_of(address)),
                ],
            )
            .await?;
        *id = row
            .ok_or_else(|| StorageError::corrupt("the database returned no row for a queue"))?
            .int(0)?;
    }
    let mut filled = BTreeSet::new();
    for event in &events {
        let Some(app) = apps.get(&event.app) else {
            continue;
        };
        if !reports_change(connection, *app, event).await? {
            continue;
        }
        for address in event.addresses.iter() {
            let Some((_, queue)) = queues.get(&(*app, address)) else {
                continue;
            };
            let columns = columns(*app, *queue, event);
            let inserted = match event.kind.publish() {
                None => connection.execute(INSERT, &columns).await?,
                Some(publish) => {
                    let once = [Arg::Text(publish), Arg::Text(address)];
                    let args: Vec<Arg<'_>> = columns.into_iter().chain(once).collect();
                    connection.execute(INSERT_ONCE, &args).await?
                }
            };
            if inserted > 0 {
                filled.insert(*queue);
            }
        }
    }
    for (_, queue) in queues.values().filter(|(_, queue)| !filled.contains(queue)) {
        connection
            .execute(DELETE_IF_EMPTY, &[Arg::Int(*queue)])
            .await?;
    }
    Ok(())
}

/// The column `target` of a queue: the kind of the targets that an address belongs to.
pub(super) fn target_of(address: &str) -> &'static str {
    TargetKind::of_outbox_address(address).map_or("", |(kind, _)| kind.label())
}

async fn reports_change(
    connection: &mut impl SqlConnection,
    app: i64,
    event: &OutboxEvent,
) -> StorageResult<bool> {
    let Some((user, present)) = event.kind.presence() else {
        return Ok(true);
    };
    let user = user.map_or("", |user| user.as_str());
    let args = [
        Arg::Int(app),
        Arg::Text(event.channel.as_str()),
        Arg::Text(user),
    ];
    Ok(connection
        .execute(
            if present {
                REPORT_PRESENT
            } else {
                REPORT_ABSENT
            },
            &args,
        )
        .await?
        > 0)
}

fn columns(app: i64, queue: i64, outbox_event: &OutboxEvent) -> [Arg<'_>; 10] {
    let (mut user, mut event, mut data, mut socket, mut count) = (None, None, None, None, 0);
    match &outbox_event.kind {
        OutboxEventKind::Occupied | OutboxEventKind::Vacated | OutboxEventKind::CacheMiss => {}
        OutboxEventKind::MemberAdded(member) | OutboxEventKind::MemberRemoved(member) => {
            user = Some(member.as_str())
        }
        OutboxEventKind::ClientEvent(details) => {
            user = details.user.as_ref().map(|user| user.as_str());
            (event, data, socket) = (
                Some(&*details.event),
                Some(&*details.data),
                Some(&*details.socket),
            );
        }
        OutboxEventKind::SubscriptionCount(number) => count = signed(*number),
        OutboxEventKind::Notification(one) => {
            (event, data, socket) = (Some(&*one.event), Some(&*one.frame), Some(&*one.mid));
        }
    }
    [
        Arg::Int(app),
        Arg::Int(queue),
        Arg::Text(outbox_event.channel.as_str()),
        Arg::Text(outbox_event.kind.name()),
        Arg::MaybeText(user),
        Arg::MaybeText(event),
        Arg::MaybeText(data),
        Arg::MaybeText(socket),
        Arg::Int(count),
        Arg::Int(outbox_event.at.micros()),
    ]
}
