//! Appends a whole batch of events in one transaction with few statements.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use crate::core::error::StorageError;
use crate::core::model::{NewEvent, Position};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::event_row::{EventRow, SerialClaim, SerialRequest};
use crate::outbound::storage::sql::value::unsigned;

/// Stores `events` in order, and marks them as due; `None` for those whose app does not exist.
pub(in crate::outbound::storage::sql) async fn append<C: SqlConnection>(
    connection: &mut C,
    events: &[NewEvent],
    due: &[Option<Arc<str>>],
) -> StorageResult<Vec<Option<Position>>> {
    let rows = assign_serials(connection, events, due).await?;
    let known: Vec<&EventRow<'_>> = rows.iter().flatten().collect();
    // Ids are allocated after the serials, so that both grow together within a channel across all writers.
    let mut ids = connection.insert_events(&known).await?.into_iter();
    let mut position = |row: &EventRow<'_>| {
        let id = ids.next().ok_or_else(|| {
            StorageError::corrupt("the database allocated fewer ids than requested")
        })?;
        Ok(Position {
            id: unsigned(id)?,
            serial: unsigned(row.serial)?,
        })
    };
    rows.iter()
        .map(|row| row.as_ref().map(&mut position).transpose())
        .collect()
}

/// Claims a serial in its channel for each event, in order.
async fn assign_serials<'a, C: SqlConnection>(
    connection: &mut C,
    events: &'a [NewEvent],
    due: &'a [Option<Arc<str>>],
) -> StorageResult<Vec<Option<EventRow<'a>>>> {
    let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for event in events {
        *counts
            .entry((event.app.as_str(), event.channel.as_str()))
            .or_insert(0) += 1;
    }
    let requests: Vec<SerialRequest<'_>> = counts
        .iter()
        .map(|((app, channel), count)| SerialRequest {
            app,
            channel,
            count: *count,
        })
        .collect();
    let claims = connection.claim_serials(&requests).await?;
    let mut channels: BTreeMap<(&str, &str), Option<SerialClaim>> = BTreeMap::new();
    for (request, claim) in requests.into_iter().zip(claims) {
        // From here on `head` is the last serial that was assigned.
        channels.insert(
            (request.app, request.channel),
            claim.map(|claim| SerialClaim {
                head: claim.head - request.count,
                ..claim
            }),
        );
    }
    let next = |(event, due): (&'a NewEvent, Option<&'a str>)| {
        let SerialClaim { app, channel, head } = channels
            .get_mut(&(event.app.as_str(), event.channel.as_str()))?
            .as_mut()?;
        *head += 1;
        Some(EventRow {
            app: *app,
            channel: *channel,
            serial: *head,
            event,
            due,
        })
    };
    let due = due.iter().map(Option::as_deref).chain(iter::repeat(None));
    Ok(events.iter().zip(due).map(next).collect())
}
