//! Appending: a whole batch in one transaction, in a handful of statements.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::number::unsigned;
use super::super::rows::ManyRows;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, NewEvent, Position};

static CLAIM: LazyLock<ManyRows> = LazyLock::new(|| {
    let after = " ON CONFLICT (app, name) DO UPDATE SET head = channels.head + excluded.head RETURNING app, name, id, head";
    ManyRows::new("INSERT INTO channels (app, name, head) VALUES ", 1, 3, after)
});

/// An event whose `mid` is there already is left out, and so counted: no driver's error text needs to be read.
static INSERT: LazyLock<ManyRows> = LazyLock::new(|| {
    let before = "INSERT INTO events (app, id, channel, serial, mid, time, publish, owner, name, data, extra) VALUES ";
    ManyRows::new(before, 1, 11, " ON CONFLICT (mid) DO NOTHING")
});

/// Writes down the ids of the channels' newest events.
pub(in super::super) static NEWEST: LazyLock<ManyRows> = LazyLock::new(|| {
    let after = ") AS given WHERE channels.id = given.column1";
    ManyRows::new("UPDATE channels SET newest = given.column2 FROM (VALUES ", 1, 2, after)
});

/// How many serials of which channels: by the app's number and the channel's name.
pub(in super::super) type Places<'a> = BTreeMap<i64, BTreeMap<&'a str, i64>>;

/// What was claimed of them.
type Claims<'a> = HashMap<(i64, &'a str), Claimed>;

/// A channel that serials were claimed in; its row is held until the transaction ends.
pub(in super::super) struct Claimed {
    /// The channel's number.
    pub channel: i64,
    /// Its newest serial, those claimed included.
    pub head: i64,
}

/// An event with all that its row needs.
struct Placed<'a> {
    app: i64,
    id: i64,
    channel: i64,
    serial: i64,
    event: &'a NewEvent,
}

/// Stores `events` in order; `None` for those whose app is not there.
pub(super) async fn append<C: Connection>(connection: &mut C, events: &[NewEvent]) -> Outcome<Vec<Option<Position>>> {
    let apps = hold_apps(connection, events).await?;
    let known: Vec<(i64, &NewEvent)> = events.iter().filter_map(|event| Some((*apps.get(&event.app)?, event))).collect();
    let placed = place(connection, &known).await?;
    let mut stored = 0;
    for (sql, run) in INSERT.runs_of(C::MOST_ROWS, &placed) {
        let args: Vec<Arg<'_>> = run.iter().flat_map(Placed::args).collect();
        stored += connection.execute(sql, &args).await?;
    }
    if stored != placed.len() as u64 {
        return Err(StorageError::Conflict("mid"));
    }
    let newest: BTreeMap<i64, i64> = placed.iter().map(|placed| (placed.channel, placed.id)).collect();
    let newest: Vec<[Arg<'_>; 2]> = newest.into_iter().map(|(channel, id)| [Arg::Int(channel), Arg::Int(id)]).collect();
    for (sql, run) in NEWEST.runs_of(C::MOST_ROWS, &newest) {
        connection.execute(sql, run.as_flattened()).await?;
    }
    let mut positions = placed.iter().map(Placed::position);
    let answer = |event: &NewEvent| if apps.contains_key(&event.app) { positions.next().transpose() } else { Ok(None) };
    events.iter().map(answer).collect()
}

/// Claims serials in channels, as many as each place says (0: only its head is wanted). Channels that are not there are made.
/// The places come in order, and their rows are held in that order: no two transactions wait for each other in a ring.
pub(in super::super) async fn claim<'a, C: Connection>(connection: &mut C, places: &Places<'a>) -> Outcome<Claims<'a>> {
    let of_app = |(app, channels): (&i64, &BTreeMap<&'a str, i64>)| {
        let app = *app;
        channels.iter().map(move |(name, count)| (app, *name, *count)).collect::<Vec<_>>()
    };
    let wanted: Vec<(i64, &'a str, i64)> = places.iter().flat_map(of_app).collect();
    let mut claimed = HashMap::with_capacity(wanted.len());
    for (sql, run) in CLAIM.runs_of(C::MOST_ROWS, &wanted) {
        let args: Vec<Arg<'_>> = run.iter().flat_map(|(app, name, count)| [Arg::Int(*app), Arg::Text(name), Arg::Int(*count)]).collect();
        for row in connection.rows(sql, &args).await? {
            let (app, name) = (row.int(0)?, row.text(1)?);
            let place = places.get(&app).and_then(|channels| channels.get_key_value(&*name));
            let (name, _) = place.ok_or_else(|| StorageError::corrupt("the store answered a channel that was not asked for"))?;
            claimed.insert((app, *name), Claimed { channel: row.int(2)?, head: row.int(3)? });
        }
    }
    Ok(claimed)
}

async fn hold_apps<C: Connection>(connection: &mut C, events: &[NewEvent]) -> Outcome<HashMap<AppIdent, i64>> {
    let idents: BTreeSet<&AppIdent> = events.iter().map(|event| &event.app).collect();
    let mut apps = HashMap::new();
    for ident in idents {
        if let Some(row) = connection.row(C::HOLD_APP, &[Arg::Text(ident.as_str())]).await? {
            apps.insert(ident.clone(), row.int(0)?);
        }
    }
    Ok(apps)
}

/// Claims the serials first and the ids after them, so that ids grow with the serials of a channel over all writers.
async fn place<'a, C: Connection>(connection: &mut C, events: &[(i64, &'a NewEvent)]) -> Outcome<Vec<Placed<'a>>> {
    let mut places = Places::new();
    for (app, event) in events {
        *places.entry(*app).or_default().entry(event.channel.as_str()).or_insert(0) += 1;
    }
    let mut claimed = claim(connection, &places).await?;
    let mut ids = HashMap::new();
    for (app, channels) in &places {
        for (name, count) in channels {
            claimed.entry((*app, *name)).and_modify(|claimed| claimed.head -= count);
        }
        ids.insert(*app, connection.take_ids(*app, channels.values().sum()).await?.into_iter());
    }
    let mut next = |app: i64, event: &'a NewEvent| {
        let claimed = claimed.get_mut(&(app, event.channel.as_str()))?;
        claimed.head += 1;
        Some(Placed { app, id: ids.get_mut(&app)?.next()?, channel: claimed.channel, serial: claimed.head, event })
    };
    let placed = events.iter().map(|(app, event)| next(*app, event));
    placed.collect::<Option<_>>().ok_or_else(|| StorageError::corrupt("the store gave fewer numbers than were asked for"))
}

impl Placed<'_> {
    fn args(&self) -> [Arg<'_>; 11] {
        let event = self.event;
        [
            Arg::Int(self.app),
            Arg::Int(self.id),
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

    fn position(&self) -> Outcome<Position> {
        Ok(Position { id: unsigned(self.id)?, serial: unsigned(self.serial)? })
    }
}
