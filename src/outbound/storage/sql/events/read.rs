//! Reading events, and where they stand.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::number::unsigned;
use super::super::rows::ManyRows;
use super::super::{app, channel};
use crate::core::model::{
    AppIdent, ChannelName, Event, Mid, NewEvent, Payload, Position, PublishId, Timestamp,
};

/// Selects events as [`event_of`] reads them.
macro_rules! select_events {
    ($($which:expr),+) => {
        concat!(
            "SELECT e.id, e.serial, (SELECT c.name FROM channels c WHERE c.id = e.channel), ",
            "e.mid, e.time, e.publish, e.owner, e.name, e.data, e.extra FROM events e WHERE ",
            $($which),+
        )
    };
}
pub(in super::super) use select_events;

pub(in super::super) const HISTORY: &str = select_events!(
    "e.channel = ",
    channel!(),
    " ORDER BY e.serial DESC LIMIT $3"
);
pub(in super::super) const HISTORY_BEFORE: &str = select_events!(
    "e.channel = ",
    channel!(),
    " AND e.serial < $4 ORDER BY e.serial DESC LIMIT $3"
);
pub(in super::super) const REPLAY: &str = select_events!(
    "e.channel = ",
    channel!(),
    " AND e.serial > $4 AND e.serial <= $5 ORDER BY e.serial LIMIT $3"
);
pub(in super::super) const RECENT: &str =
    select_events!("e.app = ", app!(), " ORDER BY e.id DESC LIMIT $2");

pub(in super::super) static HEADS: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::new(
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
pub(in super::super) static POSITIONS: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::new(
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

/// The newest serial of each channel, in order.
pub(super) async fn heads<C: Connection>(
    connection: &mut C,
    app: &AppIdent,
    channels: &[ChannelName],
) -> Outcome<Vec<u64>> {
    let mut found = HashMap::with_capacity(channels.len());
    for (sql, run) in HEADS.runs(channels) {
        let names = run.iter().map(|channel| Arg::Text(channel.as_str()));
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

/// Where each event stands, in order; `None` for those that are not stored.
pub(super) async fn positions<C: Connection>(
    connection: &mut C,
    app: &AppIdent,
    mids: &[Mid],
) -> Outcome<Vec<Option<Position>>> {
    let mut found = HashMap::with_capacity(mids.len());
    for (sql, run) in POSITIONS.runs(mids) {
        let mids = run.iter().map(|mid| Arg::Text(&mid.0));
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

/// The event of a row.
pub(in super::super) fn event_of(app: &AppIdent, row: &impl Row) -> Outcome<Event> {
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
                extra: row.text(9)?.into(),
            },
        },
        position: Position {
            id: unsigned(row.int(0)?)?,
            serial: unsigned(row.int(1)?)?,
        },
    })
}
