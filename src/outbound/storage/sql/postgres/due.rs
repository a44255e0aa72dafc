//! Batches of due events: an append writes one row for all that it marks in an app.

use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::value::Arg;

pub(super) const LIST: &str = "SELECT event, publish, cursor FROM ((SELECT event, publish, cursor FROM due_publishes \
        WHERE app = (SELECT id FROM apps WHERE ident = $1) AND event > $2 ORDER BY event LIMIT $3) \
    UNION ALL (SELECT e.id, coalesce(e.publish, e.mid), NULL FROM due_batches b \
        CROSS JOIN LATERAL unnest(b.events) AS given(id) JOIN events e ON e.app = b.app AND e.id = given.id \
        WHERE b.app = (SELECT id FROM apps WHERE ident = $1) AND given.id > $2 ORDER BY e.id LIMIT $3)) AS marks \
    ORDER BY event LIMIT $3";
pub(super) const PUT: &str = "INSERT INTO due_publishes (app, event, publish, cursor, holder, held_until) SELECT $1, $2, $3, $4, '', 0 \
    WHERE NOT EXISTS (SELECT 1 FROM due_batches WHERE app = $1 AND first <= $2 AND $2 = ANY(events)) ON CONFLICT DO NOTHING";
/// Takes as many batches as have the events, and puts back what is left of the last one. A batch that another node takes at the
/// same time is skipped. An event that is marked as well keeps its mark.
const CLAIM: &str = "WITH oldest AS MATERIALIZED (SELECT first, events FROM due_batches WHERE app = $1 \
        ORDER BY first LIMIT $4 FOR UPDATE SKIP LOCKED), \
    summed AS (SELECT first, sum(cardinality(events)) OVER (ORDER BY first) - cardinality(events) AS before FROM oldest), \
    taken AS (DELETE FROM due_batches WHERE app = $1 AND first IN (SELECT first FROM summed WHERE before < $4) RETURNING events), \
    stored AS MATERIALIZED (SELECT e.id, coalesce(e.publish, e.mid) AS publish, row_number() OVER (ORDER BY e.id) AS place \
        FROM taken CROSS JOIN LATERAL unnest(taken.events) AS given(id) JOIN events e ON e.app = $1 AND e.id = given.id), \
    rest AS (INSERT INTO due_batches (app, first, events) SELECT $1, min(id), array_agg(id ORDER BY id) FROM stored \
        WHERE place > $4 HAVING count(*) > 0) \
    INSERT INTO due_publishes (app, event, publish, holder, held_until) SELECT $1, id, publish, $2, $3 FROM stored WHERE place <= $4 \
        ON CONFLICT (app, event) DO UPDATE SET holder = due_publishes.holder RETURNING event, publish, cursor";
const LEFT: &str = "SELECT 1 FROM due_batches WHERE app = $1 LIMIT 1 FOR UPDATE SKIP LOCKED";

/// How many times batches are taken at once whose events retention has removed.
const MAX_ROUNDS: usize = 100;

/// Claims the first events in batches of an app.
pub(super) async fn claim<C: SqlConnection>(
    connection: &mut C,
    app: i64,
    holder: &str,
    until: i64,
    limit: i64,
) -> StorageResult<Vec<C::Row>> {
    let args = [
        Arg::Int(app),
        Arg::Text(holder),
        Arg::Int(until),
        Arg::Int(limit),
    ];
    for _ in 0..MAX_ROUNDS {
        let claimed = connection.rows(CLAIM, &args).await?;
        if !claimed.is_empty() || connection.row(LEFT, &args[..1]).await?.is_none() {
            return Ok(claimed);
        }
    }
    Ok(Vec::new())
}
