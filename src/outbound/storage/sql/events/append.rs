//! Appending: a whole batch in one transaction, in a handful of statements.

use std::collections::BTreeMap;

use super::super::driver::{Arg, Connection, Outcome};
use super::super::number::unsigned;
use crate::core::error::StorageError;
use crate::core::model::{NewEvent, Position};

/// A channel in which serials are wanted.
pub(in super::super) struct Wanted<'a> {
    /// The app's ident.
    pub app: &'a str,
    /// The channel's name.
    pub channel: &'a str,
    /// How many serials; 0: only the head is wanted.
    pub count: i64,
}

/// A channel that serials were claimed in; its row is held until the transaction ends.
#[derive(Clone, Copy)]
pub(in super::super) struct Claimed {
    /// The app's number.
    pub app: i64,
    /// The channel's number.
    pub channel: i64,
    /// Its newest serial, those claimed included.
    pub head: i64,
}

/// An event with all that its row needs but its number.
pub(in super::super) struct Placed<'a> {
    /// The app's number.
    pub app: i64,
    /// The channel's number.
    pub channel: i64,
    /// Its place in the channel.
    pub serial: i64,
    pub event: &'a NewEvent,
}

/// Stores `events` in order; `None` for those whose app is not there.
pub(super) async fn append<C: Connection>(
    connection: &mut C,
    events: &[NewEvent],
) -> Outcome<Vec<Option<Position>>> {
    let placed = place(connection, events).await?;
    let known: Vec<&Placed<'_>> = placed.iter().flatten().collect();
    // After the serials, so that numbers grow with the serials of a channel over all writers.
    let mut ids = connection.put(&known).await?.into_iter();
    let mut position = |placed: &Placed<'_>| {
        let id = ids.next().ok_or_else(|| {
            StorageError::corrupt("the store gave fewer numbers than were asked for")
        })?;
        Ok(Position {
            id: unsigned(id)?,
            serial: unsigned(placed.serial)?,
        })
    };
    placed
        .iter()
        .map(|placed| placed.as_ref().map(&mut position).transpose())
        .collect()
}

/// Claims a place in its channel for each event, in order.
async fn place<'a, C: Connection>(
    connection: &mut C,
    events: &'a [NewEvent],
) -> Outcome<Vec<Option<Placed<'a>>>> {
    let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for event in events {
        *counts
            .entry((event.app.as_str(), event.channel.as_str()))
            .or_insert(0) += 1;
    }
    let wanted: Vec<Wanted<'_>> = counts
        .iter()
        .map(|((app, channel), count)| Wanted {
            app,
            channel,
            count: *count,
        })
        .collect();
    let claimed = connection.claim(&wanted).await?;
    let mut places: BTreeMap<(&str, &str), Option<Claimed>> = BTreeMap::new();
    for (
        Wanted {
            app,
            channel,
            count,
        },
        claimed,
    ) in wanted.into_iter().zip(claimed)
    {
        places.insert(
            (app, channel),
            claimed.map(|claimed| Claimed {
                head: claimed.head - count,
                ..claimed
            }),
        );
    }
    let next = |event: &'a NewEvent| {
        let Claimed { app, channel, head } = places
            .get_mut(&(event.app.as_str(), event.channel.as_str()))?
            .as_mut()?;
        *head += 1;
        Some(Placed {
            app: *app,
            channel: *channel,
            serial: *head,
            event,
        })
    };
    Ok(events.iter().map(next).collect())
}

impl<'a> Placed<'a> {
    /// Its row: app, channel, serial, mid, time, publish, owner, name, data, extra.
    pub fn row(&self) -> [Arg<'a>; 10] {
        let event = self.event;
        [
            Arg::Int(self.app),
            Arg::Int(self.channel),
            Arg::Int(self.serial),
            Arg::Text(&event.mid.0),
            Arg::Int(event.timestamp.micros()),
            Arg::MaybeText(event.publish.as_ref().map(|publish| &*publish.0)),
            Arg::MaybeText(event.owner_id.as_deref()),
            Arg::Text(&event.payload.event),
            Arg::Text(&event.payload.data),
            Arg::Text(&event.payload.extra),
        ]
    }
}
