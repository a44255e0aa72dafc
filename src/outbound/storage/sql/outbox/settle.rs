//! Settling an attempt.

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::number::signed;
use super::put::DROP_EMPTY;
use crate::core::error::StorageError;
use crate::core::model::{Attempt, Claim};
use crate::core::ports::{AttemptResult, ClaimUpdate, Disposition};

/// Answers the queue only where it is still the holder's, and locks it.
const HOLD: &str = "UPDATE outbox_queues SET holder = $3 WHERE app = (SELECT id FROM apps WHERE ident = $1) AND address = $2 \
    AND holder = $3 RETURNING id, app, attempts";
const DELETE: &str = "DELETE FROM outbox_notices WHERE queue = $1 AND id <= $2";
const KEEP: &str =
    "UPDATE outbox_notices SET queue = 0, delivery = $3 WHERE queue = $1 AND id <= $2";
const LOG: &str = "INSERT INTO outbox_deliveries (app, address, time, notices, attempts, status, problem, given_up) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
const COUNT: &str =
    "UPDATE outbox_queues SET attempts = $2, status = $3, problem = $4 WHERE id = $1";
const GO_ON: &str = "UPDATE outbox_queues SET held_until = $2 WHERE id = $1";
const FREE: &str = "UPDATE outbox_queues SET due = $2, held_until = 0, holder = '' WHERE id = $1";

pub(super) async fn settle(
    connection: &mut impl Connection,
    claim: Claim,
    settlement: AttemptResult,
) -> Outcome<bool> {
    let args = [
        Arg::Text(claim.app.as_str()),
        Arg::Text(&claim.address),
        Arg::Text(&claim.holder),
    ];
    let Some(row) = connection.row(HOLD, &args).await? else {
        return Ok(false);
    };
    let (queue, app, attempts) = (row.int(0)?, row.int(1)?, row.int(2)?.saturating_add(1));
    let ended = [Arg::Int(queue), Arg::Int(signed(settlement.upto))];
    if settlement.ending != Disposition::Failed && settlement.upto != 0 {
        let delivery = log(connection, app, &claim, &settlement, attempts).await?;
        match settlement.ending {
            Disposition::GivenUp => {
                connection
                    .execute(KEEP, &[ended[0], ended[1], Arg::Int(delivery)])
                    .await?
            }
            _ => connection.execute(DELETE, &ended).await?,
        };
    }
    let (attempts, last) = match settlement.ending {
        Disposition::Delivered => (0, Attempt::default()),
        Disposition::GivenUp | Disposition::Failed => (attempts, settlement.attempt),
    };
    let count = [
        Arg::Int(queue),
        Arg::Int(attempts),
        status(&last),
        Arg::MaybeText(last.problem.as_deref()),
    ];
    connection.execute(COUNT, &count).await?;
    match settlement.next {
        ClaimUpdate::Hold(until) => {
            connection
                .execute(GO_ON, &[Arg::Int(queue), Arg::Int(until.micros())])
                .await?
        }
        ClaimUpdate::Free(due) => {
            connection
                .execute(FREE, &[Arg::Int(queue), Arg::Int(due.micros())])
                .await?;
            connection.execute(DROP_EMPTY, &[Arg::Int(queue)]).await?
        }
    };
    Ok(true)
}

async fn log(
    connection: &mut impl Connection,
    app: i64,
    claim: &Claim,
    settlement: &AttemptResult,
    attempts: i64,
) -> Outcome<i64> {
    let args = [
        Arg::Int(app),
        Arg::Text(&claim.address),
        Arg::Int(settlement.at.micros()),
        Arg::Int(signed(settlement.notices)),
        Arg::Int(attempts),
        status(&settlement.attempt),
        Arg::MaybeText(settlement.attempt.problem.as_deref()),
        Arg::Int((settlement.ending == Disposition::GivenUp).into()),
    ];
    let row = connection.row(LOG, &args).await?;
    row.ok_or_else(|| StorageError::corrupt("no number was given"))?
        .int(0)
}

fn status(attempt: &Attempt) -> Arg<'static> {
    Arg::Int(attempt.status.map_or(0, i64::from))
}
