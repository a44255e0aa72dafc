//! Writing what another store held, each call in one transaction, in a handful of statements.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::events::Placed;
use super::super::number::signed;
use super::super::rows::Bulk;
use super::super::rows::Kind::{Int, Text};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Event, Interval, Secret, Target, UserSubscription,
};

static CHANNELS: LazyLock<Bulk<4>> = LazyLock::new(|| {
    // A newest id that is not known stays so: what is put may be older than what is there.
    let after = " ON CONFLICT (app, name) DO UPDATE SET head = CASE WHEN channels.head < excluded.head THEN excluded.head \
        ELSE channels.head END, newest = CASE WHEN channels.newest > 0 AND channels.newest < excluded.newest THEN excluded.newest \
        ELSE channels.newest END RETURNING name, id";
    Bulk::new(
        "INSERT INTO channels (app, name, head, newest)",
        [Int, Text, Int, Int],
        after,
    )
});
static EVENTS: LazyLock<Bulk<11>> = LazyLock::new(|| {
    let before = "INSERT INTO events (id, app, channel, serial, mid, time, publish, owner, name, data, extra)";
    Bulk::new(
        before,
        [Int, Int, Int, Int, Text, Int, Text, Text, Text, Text, Text],
        " ON CONFLICT DO NOTHING RETURNING id",
    )
});
const AT_SERIAL: &str = "SELECT mid FROM events WHERE channel = $1 AND serial = $2";
const OF_MID: &str = "SELECT id FROM events WHERE mid = $1";
static OPEN: LazyLock<Bulk<6>> = LazyLock::new(|| {
    let before = "INSERT INTO subscriptions (app, id, user_id, channel, from_serial, created)";
    Bulk::new(
        before,
        [Int, Int, Text, Int, Int, Int],
        " ON CONFLICT (app, user_id, channel) DO NOTHING",
    )
});
static ENDED: LazyLock<Bulk<5>> = LazyLock::new(|| {
    let before = "INSERT INTO intervals (app, user_id, channel, from_serial, upto_serial)";
    Bulk::new(
        before,
        [Int, Text, Int, Int, Int],
        " ON CONFLICT DO NOTHING",
    )
});
static TARGETS: LazyLock<Bulk<8>> = LazyLock::new(|| {
    let before = "INSERT INTO targets (app, id, kind, channel, address, p256dh, auth, created)";
    Bulk::new(
        before,
        [Int, Int, Text, Text, Text, Text, Text, Int],
        " ON CONFLICT DO NOTHING",
    )
});

/// Channels' numbers by their names.
type Numbers = HashMap<String, i64>;

async fn hold<C: Connection>(connection: &mut C, app: &AppIdent) -> Outcome<i64> {
    connection
        .row(C::HOLD_APP, &[Arg::Text(app.as_str())])
        .await?
        .ok_or(StorageError::NotFound)?
        .int(0)
}

/// How far a channel reaches.
#[derive(Default)]
struct Reach {
    head: u64,
    /// The id of its newest event that is put now; 0: there is none.
    newest: u64,
}

/// Raises channels, which are made where they are not there; they come in order, and are held in that order.
async fn raise(
    connection: &mut impl Connection,
    app: i64,
    channels: BTreeMap<&str, Reach>,
) -> Outcome<Numbers> {
    let row = |(name, Reach { head, newest })| {
        [
            Arg::Int(app),
            Arg::Text(name),
            Arg::Int(signed(head)),
            Arg::Int(signed(newest)),
        ]
    };
    let rows: Vec<[Arg<'_>; 4]> = channels.into_iter().map(row).collect();
    let mut numbers = Numbers::with_capacity(rows.len());
    for row in connection.bulk(&CHANNELS, &rows).await? {
        numbers.insert(row.text(0)?.into_owned(), row.int(1)?);
    }
    Ok(numbers)
}

fn number_of(numbers: &Numbers, channel: &ChannelName) -> Outcome<i64> {
    numbers
        .get(channel.as_str())
        .copied()
        .ok_or_else(|| StorageError::corrupt("a channel could not be made"))
}

pub(super) async fn events(
    connection: &mut impl Connection,
    app: &AppIdent,
    heads: &[(ChannelName, u64)],
    events: &[Event],
) -> Outcome<()> {
    let app = hold(connection, app).await?;
    let mut channels: BTreeMap<&str, Reach> = heads
        .iter()
        .map(|(name, head)| {
            (
                name.as_str(),
                Reach {
                    head: *head,
                    newest: 0,
                },
            )
        })
        .collect();
    for Event { new, position } in events {
        let reach = channels.entry(new.channel.as_str()).or_default();
        *reach = Reach {
            head: position.serial.max(reach.head),
            newest: position.id.max(reach.newest),
        };
    }
    let numbers = raise(connection, app, channels).await?;
    let numbered = events
        .iter()
        .map(|event| Ok((event, number_of(&numbers, &event.new.channel)?)));
    let numbered = numbered.collect::<Outcome<Vec<_>>>()?;
    let rows: Vec<[Arg<'_>; 11]> = numbered
        .iter()
        .map(|(event, channel)| event_args(app, *channel, event))
        .collect();
    if connection.bulk(&EVENTS, &rows).await?.len() != rows.len() {
        for (event, channel) in numbered {
            check_there(connection, channel, event).await?;
        }
    }
    reach(
        connection,
        app,
        events.iter().map(|event| event.position.id),
    )
    .await
}

fn event_args(app: i64, channel: i64, Event { new, position }: &Event) -> [Arg<'_>; 11] {
    let [app, channel, rest @ ..] = Placed {
        app,
        channel,
        serial: signed(position.serial),
        event: new,
    }
    .row();
    let [serial, mid, time, publish, owner, name, data, extra] = rest;
    [
        Arg::Int(signed(position.id)),
        app,
        channel,
        serial,
        mid,
        time,
        publish,
        owner,
        name,
        data,
        extra,
    ]
}

/// Whether what is at the event's place is the event itself.
async fn check_there(connection: &mut impl Connection, channel: i64, event: &Event) -> Outcome<()> {
    let mid = &*event.new.mid.0;
    match connection
        .row(
            AT_SERIAL,
            &[Arg::Int(channel), Arg::Int(signed(event.position.serial))],
        )
        .await?
    {
        Some(there) if there.text(0)? == mid => Ok(()),
        Some(_) => Err(StorageError::Conflict("serial")),
        None => {
            let taken = connection.row(OF_MID, &[Arg::Text(mid)]).await?.is_some();
            Err(StorageError::Conflict(if taken { "mid" } else { "id" }))
        }
    }
}

/// Sees to it that new numbers are above those that were put.
async fn reach(
    connection: &mut impl Connection,
    app: i64,
    ids: impl Iterator<Item = u64>,
) -> Outcome<()> {
    match ids.max() {
        Some(id) => connection.reach_id(app, signed(id)).await,
        None => Ok(()),
    }
}

pub(super) async fn subscriptions(
    connection: &mut impl Connection,
    app: &AppIdent,
    open: &[UserSubscription],
    ended: &[Interval],
) -> Outcome<()> {
    let app = hold(connection, app).await?;
    let channels = open
        .iter()
        .map(|one| &one.channel)
        .chain(ended.iter().map(|one| &one.channel));
    let numbers = raise(
        connection,
        app,
        channels
            .map(|channel| (channel.as_str(), Reach::default()))
            .collect(),
    )
    .await?;
    let open_rows = open.iter().map(|one| {
        let (id, start) = (Arg::Int(signed(one.id)), Arg::Int(signed(one.start)));
        let channel = Arg::Int(number_of(&numbers, &one.channel)?);
        Ok([
            Arg::Int(app),
            id,
            Arg::Text(one.user_id.as_str()),
            channel,
            start,
            Arg::Int(one.created.micros()),
        ])
    });
    connection
        .bulk(&OPEN, &open_rows.collect::<Outcome<Vec<_>>>()?)
        .await?;
    let ended_rows = ended.iter().map(|one| {
        let [start, end] = [Arg::Int(signed(one.start)), Arg::Int(signed(one.end))];
        let channel = Arg::Int(number_of(&numbers, &one.channel)?);
        Ok([
            Arg::Int(app),
            Arg::Text(one.user_id.as_str()),
            channel,
            start,
            end,
        ])
    });
    connection
        .bulk(&ENDED, &ended_rows.collect::<Outcome<Vec<_>>>()?)
        .await?;
    reach(connection, app, open.iter().map(|one| one.id)).await
}

pub(super) async fn targets(
    connection: &mut impl Connection,
    app: &AppIdent,
    targets: &[Target],
) -> Outcome<()> {
    let app = hold(connection, app).await?;
    let rows = targets.iter().map(|target| {
        [
            Arg::Int(app),
            Arg::Int(signed(target.id)),
            Arg::Text(target.kind.name()),
            Arg::Text(target.channel.as_str()),
            Arg::Text(target.address.expose()),
            Arg::MaybeText(target.p256dh.as_ref().map(Secret::expose)),
            Arg::MaybeText(target.auth.as_ref().map(Secret::expose)),
            Arg::Int(target.created.micros()),
        ]
    });
    connection.bulk(&TARGETS, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}
