//! Recording the result of a delivery attempt.

use super::locking_order;
use super::put::{DELETE_IF_EMPTY, target_of};
use crate::core::error::StorageError;
use crate::core::model::{Attempt, Claim};
use crate::core::ports::{AttemptResult, ClaimUpdate, Disposition};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::value::{Arg, SqlRow, signed};

/// Locks and returns the queue if the claim is still valid.
const LOCK_CLAIMED: &str = "UPDATE outbox_queues SET holder = $3 WHERE app = (SELECT id FROM apps WHERE ident = $1) AND address = $2 \
    AND holder = $3 RETURNING id, app, attempts";
const DELETE: &str = "DELETE FROM outbox_notices WHERE queue = $1 AND id <= $2";
const MOVE_TO_DELIVERY: &str =
    "UPDATE outbox_notices SET queue = 0, delivery = $3 WHERE queue = $1 AND id <= $2";
pub(super) const INSERT_DELIVERY: &str = "INSERT INTO outbox_deliveries (app, address, time, notices, attempts, status, problem, given_up) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
/// Copies what the log shows of a notification; the queue's events are removed or moved afterwards.
const DESCRIBE: &str = "UPDATE outbox_deliveries SET target = $2, publish = n.publish, channel = n.channel, event = n.event, created = n.time \
    FROM outbox_notices n WHERE outbox_deliveries.id = $1 AND n.queue = $3 AND n.id = $4";
/// Logs the older notifications of an attempt one by one.
const INSERT_OLDER: &str = "INSERT INTO outbox_deliveries (app, address, time, notices, attempts, status, problem, given_up, target, publish, channel, event, created) \
    SELECT $1, $2, $3, 1, $4, $5, $6, $7, $8, n.publish, n.channel, n.event, n.time FROM outbox_notices n WHERE n.queue = $9 AND n.id < $10 ORDER BY n.id";
const RECORD_ATTEMPT: &str =
    "UPDATE outbox_queues SET attempts = $2, status = $3, problem = $4 WHERE id = $1";
const EXTEND_CLAIM: &str = "UPDATE outbox_queues SET held_until = $2 WHERE id = $1";
const RELEASE_CLAIM: &str =
    "UPDATE outbox_queues SET due = $2, held_until = 0, holder = '' WHERE id = $1";

pub(super) async fn settle_all(
    connection: &mut impl SqlConnection,
    settled: Vec<(Claim, AttemptResult)>,
) -> StorageResult<Vec<bool>> {
    let mut held = vec![false; settled.len()];
    for (place, (claim, result)) in locking_order(settled, |(claim, _)| claim) {
        let is_held = settle(connection, claim, result).await?;
        if let Some(held) = held.get_mut(place) {
            *held = is_held;
        }
    }
    Ok(held)
}

pub(super) async fn settle(
    connection: &mut impl SqlConnection,
    claim: Claim,
    result: AttemptResult,
) -> StorageResult<bool> {
    let args = [
        Arg::Text(claim.app.as_str()),
        Arg::Text(&claim.address),
        Arg::Text(&claim.holder),
    ];
    let Some(row) = connection.row(LOCK_CLAIMED, &args).await? else {
        return Ok(false);
    };
    let (queue, app, attempts) = (row.int(0)?, row.int(1)?, row.int(2)?.saturating_add(1));
    let settled = [Arg::Int(queue), Arg::Int(signed(result.upto))];
    if result.disposition != Disposition::Failed && result.upto != 0 {
        let target = target_of(&claim.address);
        let mut events = result.events;
        // Those that are given up are replayed together.
        if !target.is_empty() && events > 1 && result.disposition != Disposition::GivenUp {
            events = 1;
            let entry = entry(app, &claim, &result, attempts, events);
            let [app, address, time, _, attempts, status, problem, given_up] = entry;
            let target = Arg::Text(target);
            let args = [
                app, address, time, attempts, status, problem, given_up, target, settled[0],
                settled[1],
            ];
            connection.execute(INSERT_OLDER, &args).await?;
        }
        let logged = entry(app, &claim, &result, attempts, events);
        let delivery = log_delivery(connection, &logged).await?;
        if !target.is_empty() {
            let args = [
                Arg::Int(delivery),
                Arg::Text(target),
                settled[0],
                settled[1],
            ];
            connection.execute(DESCRIBE, &args).await?;
        }
        match result.disposition {
            Disposition::GivenUp => {
                connection
                    .execute(
                        MOVE_TO_DELIVERY,
                        &[settled[0], settled[1], Arg::Int(delivery)],
                    )
                    .await?
            }
            _ => connection.execute(DELETE, &settled).await?,
        };
    }
    let is_target = !target_of(&claim.address).is_empty();
    let (attempts, last) = match result.disposition {
        Disposition::Delivered => (0, Attempt::default()),
        Disposition::GivenUp | Disposition::Discarded if is_target => (0, result.attempt),
        Disposition::GivenUp | Disposition::Discarded | Disposition::Failed => {
            (attempts, result.attempt)
        }
    };
    let attempt = [
        Arg::Int(queue),
        Arg::Int(attempts),
        status(&last),
        Arg::MaybeText(last.problem.as_deref()),
    ];
    connection.execute(RECORD_ATTEMPT, &attempt).await?;
    match result.next {
        ClaimUpdate::Hold(until) => {
            connection
                .execute(EXTEND_CLAIM, &[Arg::Int(queue), Arg::Int(until.micros())])
                .await?
        }
        ClaimUpdate::Free(due) => {
            connection
                .execute(RELEASE_CLAIM, &[Arg::Int(queue), Arg::Int(due.micros())])
                .await?;
            connection
                .execute(DELETE_IF_EMPTY, &[Arg::Int(queue)])
                .await?
        }
    };
    Ok(true)
}

/// The columns of an entry of the log.
fn entry<'a>(
    app: i64,
    claim: &'a Claim,
    result: &'a AttemptResult,
    attempts: i64,
    events: u64,
) -> [Arg<'a>; 8] {
    [
        Arg::Int(app),
        Arg::Text(&claim.address),
        Arg::Int(result.at.micros()),
        Arg::Int(signed(events)),
        Arg::Int(attempts),
        status(&result.attempt),
        Arg::MaybeText(result.attempt.problem.as_deref()),
        Arg::Int((result.disposition != Disposition::Delivered).into()),
    ]
}

async fn log_delivery(
    connection: &mut impl SqlConnection,
    entry: &[Arg<'_>],
) -> StorageResult<i64> {
    let row = connection.row(INSERT_DELIVERY, entry).await?;
    row.ok_or_else(|| StorageError::corrupt("the database allocated no id"))?
        .int(0)
}

fn status(attempt: &Attempt) -> Arg<'static> {
    Arg::Int(attempt.status.map_or(0, i64::from))
}
