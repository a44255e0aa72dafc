//! Reading events, heads and positions.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::core::model::{
    AppIdent, ChannelName, Event, FurtherMembers, Mid, NewEvent, Payload, Position, PublishId,
    Timestamp,
};
use crate::core::ports::ReadLimit;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::page::EventPage;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::statement::MultiRowStatement;
use crate::outbound::storage::sql::value::{Arg, SqlRow, signed, unsigned};
use crate::outbound::storage::sql::{app, channel};

/// Selects the columns that [`event_from`] reads.
macro_rules! select_events {
    ($($condition:expr),+) => {
        concat!(
            "SELECT e.id, e.serial, (SELECT c.name FROM channels c WHERE c.id = e.channel), ",
            "e.mid, e.time, e.publish, e.owner, e.name, e.data, e.extra FROM events e WHERE ",
            $($condition),+
        )
    };
}
pub(in super::super) use select_events;

pub(in super::super) const HISTORY: &str = select_events!(
    "e.channel = ",
    channel!(),
    " AND e.serial < $4 ORDER BY e.serial DESC LIMIT $3"
);
pub(in super::super) const REPLAY: &str = select_events!(
    "e.channel = ",
    channel!(),
    " AND e.serial > $4 AND e.serial <= $5 ORDER BY e.serial LIMIT $3"
);
pub(in super::super) const RECENT: &str = select_events!(
    "e.app = ",
    app!(),
    " AND e.id < $3 ORDER BY e.id DESC LIMIT $2"
);

pub(in super::super) static HEADS: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    MultiRowStatement::new(
        concat!(
            "SELECT name, head FROM channels WHERE app = ",
            app!(),
            " AND name IN ("
        ),
        2,
        1,
        ")",
    )
});
pub(in super::super) static POSITIONS: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    MultiRowStatement::new(
        concat!(
            "SELECT mid, id, serial FROM events WHERE +app = ",
            app!(),
            " AND mid IN ("
        ),
        2,
        1,
        ")",
    )
});

/// Reads the newest serial of each channel, in order; 0 for a channel that does not exist.
pub(super) async fn heads<C: SqlConnection>(
    connection: &mut C,
    app: &AppIdent,
    channels: &[ChannelName],
) -> StorageResult<Vec<u64>> {
    let mut found = HashMap::with_capacity(channels.len());
    for (sql, chunk) in HEADS.chunks(channels) {
        let names = chunk.iter().map(|channel| Arg::Text(channel.as_str()));
        let args: Vec<Arg<'_>> = std::iter::once(Arg::Text(app.as_str()))
            .chain(names)
            .collect();
        for row in connection.rows(sql, &args).await? {
            found.insert(ChannelName::trusted(&row.text(0)?), unsigned(row.int(1)?)?);
        }
    }
    Ok(channels
        .iter()
        .map(|channel| found.get(channel).copied().unwrap_or(0))
        .collect())
}

/// Reads the position of each event, in order; `None` for an event that is not stored.
pub(super) async fn positions<C: SqlConnection>(
    connection: &mut C,
    app: &AppIdent,
    mids: &[Mid],
) -> StorageResult<Vec<Option<Position>>> {
    let mut found = HashMap::with_capacity(mids.len());
    for (sql, chunk) in POSITIONS.chunks(mids) {
        let mids = chunk.iter().map(|mid| Arg::Text(&mid.0));
        let args: Vec<Arg<'_>> = std::iter::once(Arg::Text(app.as_str()))
            .chain(mids)
            .collect();
        for row in connection.rows(sql, &args).await? {
            let position = Position {
                id: unsigned(row.int(1)?)?,
                serial: unsigned(row.int(2)?)?,
            };
            found.insert(Mid(row.text(0)?.into()), position);
        }
    }
    Ok(mids.iter().map(|mid| found.get(mid).copied()).collect())
}

/// Reads events in the order of a statement, within `limit`, by several runs of it: `args` returns the arguments for a
/// run that reads at most a number of events and continues after the given one.
pub(in super::super) async fn page<'a, C: SqlConnection, const N: usize>(
    connection: &mut C,
    app: &AppIdent,
    limit: ReadLimit,
    sql: &'static str,
    args: impl Fn(i64, Option<&Event>) -> [Arg<'a>; N] + Send,
) -> StorageResult<Vec<Event>> {
    let mut page = EventPage::new(limit);
    while !page.is_full() {
        let batch = page.next_batch();
        let args = args(signed(batch), page.last());
        let mut found = 0;
        connection
            .take_rows(sql, &args, |row| {
                found += 1;
                page.push(event_from(app, row)?);
                Ok(!page.is_full())
            })
            .await?;
        if found < batch {
            break;
        }
    }
    Ok(page.into_events())
}

/// Reads the event of a row.
pub(in super::super) fn event_from(app: &AppIdent, row: &impl SqlRow) -> StorageResult<Event> {
    Ok(Event {
        new: NewEvent {
            app: app.clone(),
            mid: Mid(row.text(3)?.into()),
            channel: ChannelName::trusted(&row.text(2)?),
            owner_id: row.maybe_text(6)?.map(Into::into),
            timestamp: Timestamp::from_micros(row.int(4)?),
            publish: row.maybe_text(5)?.map(|publish| PublishId(publish.into())),
            payload: Payload {
                event: row.text(7)?.into(),
                data: row.text(8)?.into(),
                extra: FurtherMembers::trusted(&row.text(9)?),
            },
        },
        position: Position {
            id: unsigned(row.int(0)?)?,
            serial: unsigned(row.int(1)?)?,
        },
    })
}
