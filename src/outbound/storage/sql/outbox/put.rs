//! Writing what happened into the queues.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::number::signed;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, OutboxEvent, OutboxEventKind, Timestamp};

/// Makes the queue or finds it. Either way its row is this transaction's until it ends, so that whoever empties it sees what is
/// put into it, and ids grow in the order of the commits.
const QUEUE: &str = "INSERT INTO outbox_queues (app, address, due, holder, held_until, attempts, status) \
    VALUES ($1, $2, $3, '', 0, 0, 0) ON CONFLICT (app, address) DO UPDATE SET address = excluded.address RETURNING id";
const MARK: &str =
    "INSERT INTO outbox_marks (app, channel, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const UNMARK: &str = "DELETE FROM outbox_marks WHERE app = $1 AND channel = $2 AND user_id = $3";
const NOTICE: &str = "INSERT INTO outbox_notices (app, queue, delivery, channel, kind, user_id, event, data, socket, count, time, since) \
    VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
pub(in super::super) const DROP_EMPTY: &str = "DELETE FROM outbox_queues WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM outbox_notices n WHERE n.queue = $1)";

pub(super) async fn put<C: Connection>(
    connection: &mut C,
    happenings: Vec<OutboxEvent>,
) -> Outcome<()> {
    // Apps and queues in one order everywhere, so that two such transactions do not wait for each other.
    let idents: BTreeSet<&AppIdent> = happenings.iter().map(|happening| &happening.app).collect();
    let mut apps = BTreeMap::new();
    for ident in idents {
        if let Some(row) = connection
            .row(C::HOLD_APP, &[Arg::Text(ident.as_str())])
            .await?
        {
            apps.insert(ident, row.int(0)?);
        }
    }
    let mut queues: BTreeMap<(i64, &Arc<str>), (Timestamp, i64)> = BTreeMap::new();
    for happening in &happenings {
        let Some(app) = apps.get(&happening.app) else {
            continue;
        };
        for address in &happening.addresses {
            queues.entry((*app, address)).or_insert((happening.at, 0));
        }
    }
    for ((app, address), (due, id)) in &mut queues {
        let row = connection
            .row(
                QUEUE,
                &[Arg::Int(*app), Arg::Text(address), Arg::Int(due.micros())],
            )
            .await?;
        *id = row
            .ok_or_else(|| StorageError::corrupt("no number was given"))?
            .int(0)?;
    }
    let mut filled = BTreeSet::new();
    for happening in &happenings {
        let Some(app) = apps.get(&happening.app) else {
            continue;
        };
        if !is_news(connection, *app, happening).await? {
            continue;
        }
        for address in &happening.addresses {
            let Some((_, queue)) = queues.get(&(*app, address)) else {
                continue;
            };
            connection
                .execute(NOTICE, &notice(*app, *queue, happening))
                .await?;
            filled.insert(*queue);
        }
    }
    for (_, queue) in queues.values().filter(|(_, queue)| !filled.contains(queue)) {
        connection.execute(DROP_EMPTY, &[Arg::Int(*queue)]).await?;
    }
    Ok(())
}

async fn is_news(
    connection: &mut impl Connection,
    app: i64,
    happening: &OutboxEvent,
) -> Outcome<bool> {
    let Some((user, is_there)) = happening.what.standing() else {
        return Ok(true);
    };
    let user = user.map_or("", |user| user.as_str());
    let args = [
        Arg::Int(app),
        Arg::Text(happening.channel.as_str()),
        Arg::Text(user),
    ];
    Ok(connection
        .execute(if is_there { MARK } else { UNMARK }, &args)
        .await?
        > 0)
}

fn notice(app: i64, queue: i64, happening: &OutboxEvent) -> [Arg<'_>; 10] {
    let (mut user, mut event, mut data, mut socket, mut count) = (None, None, None, None, 0);
    match &happening.what {
        OutboxEventKind::Occupied | OutboxEventKind::Vacated | OutboxEventKind::CacheMiss => {}
        OutboxEventKind::MemberAdded(member) | OutboxEventKind::MemberRemoved(member) => {
            user = Some(member.as_str())
        }
        OutboxEventKind::ClientEvent(said) => {
            user = said.user.as_ref().map(|user| user.as_str());
            (event, data, socket) = (Some(&*said.event), Some(&*said.data), Some(&*said.socket));
        }
        OutboxEventKind::SubscriptionCount(number) => count = signed(*number),
    }
    [
        Arg::Int(app),
        Arg::Int(queue),
        Arg::Text(happening.channel.as_str()),
        Arg::Text(happening.what.kind().name()),
        Arg::MaybeText(user),
        Arg::MaybeText(event),
        Arg::MaybeText(data),
        Arg::MaybeText(socket),
        Arg::Int(count),
        Arg::Int(happening.at.micros()),
    ]
}
