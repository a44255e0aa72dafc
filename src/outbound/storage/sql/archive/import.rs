//! Import, each call in one transaction with few statements.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::export::{delay_of, digest_of, user_of};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Event, NotificationTarget, Secret, SubscriptionInterval,
    UserSubscription,
};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::SqlConnection;
use crate::outbound::storage::sql::event_row::EventRow;
use crate::outbound::storage::sql::statement::BulkInsert;
use crate::outbound::storage::sql::statement::ColumnType::{Int, Text};
use crate::outbound::storage::sql::value::{Arg, SqlRow, signed};

static CHANNELS: LazyLock<BulkInsert<4>> = LazyLock::new(|| {
    // An unknown newest id (0) stays unknown: imported events may be older than stored ones.
    let after = " ON CONFLICT (app, name) DO UPDATE SET head = CASE WHEN channels.head < excluded.head THEN excluded.head \
        ELSE channels.head END, newest = CASE WHEN channels.newest > 0 AND channels.newest < excluded.newest THEN excluded.newest \
        ELSE channels.newest END RETURNING name, id";
    BulkInsert::new(
        "INSERT INTO channels (app, name, head, newest)",
        [Int, Text, Int, Int],
        after,
    )
});
static EVENTS: LazyLock<BulkInsert<11>> = LazyLock::new(|| {
    let before = "INSERT INTO events (id, app, channel, serial, mid, time, publish, owner, name, data, extra)";
    BulkInsert::new(
        before,
        [Int, Int, Int, Int, Text, Int, Text, Text, Text, Text, Text],
        " ON CONFLICT DO NOTHING RETURNING id",
    )
});
const MID_AT_SERIAL: &str = "SELECT mid FROM events WHERE channel = $1 AND serial = $2";
const ID_OF_MID: &str = "SELECT id FROM events WHERE mid = $1";
static SUBSCRIPTIONS: LazyLock<BulkInsert<6>> = LazyLock::new(|| {
    let before = "INSERT INTO subscriptions (app, id, user_id, channel, from_serial, created)";
    BulkInsert::new(
        before,
        [Int, Int, Text, Int, Int, Int],
        " ON CONFLICT (app, user_id, channel) DO NOTHING",
    )
});
static INTERVALS: LazyLock<BulkInsert<5>> = LazyLock::new(|| {
    let before = "INSERT INTO intervals (app, user_id, channel, from_serial, upto_serial)";
    BulkInsert::new(
        before,
        [Int, Text, Int, Int, Int],
        " ON CONFLICT DO NOTHING",
    )
});
static TARGETS: LazyLock<BulkInsert<11>> = LazyLock::new(|| {
    let before = "INSERT INTO targets (app, id, kind, channel, address, p256dh, auth, created, delay, user_id, digest)";
    BulkInsert::new(
        before,
        [Int, Int, Text, Text, Text, Text, Text, Int, Int, Text, Int],
        " ON CONFLICT DO NOTHING",
    )
});

/// Primary keys of channels by name.
type ChannelIds = HashMap<String, i64>;

async fn lock_app<C: SqlConnection>(connection: &mut C, app: &AppIdent) -> StorageResult<i64> {
    connection
        .row(C::LOCK_APP, &[Arg::Text(app.as_str())])
        .await?
        .ok_or(StorageError::NotFound)?
        .int(0)
}

/// The new minimum of a channel's head.
#[derive(Default)]
struct ChannelHead {
    serial: u64,
    /// The id of the newest imported event; 0 if there is none.
    newest: u64,
}

/// Raises the heads of channels and creates channels that do not exist. The rows are locked in the order of the names, so
/// that two transactions cannot deadlock.
async fn raise_heads(
    connection: &mut impl SqlConnection,
    app: i64,
    channels: BTreeMap<&str, ChannelHead>,
) -> StorageResult<ChannelIds> {
    let row = |(name, ChannelHead { serial, newest })| {
        [
            Arg::Int(app),
            Arg::Text(name),
            Arg::Int(signed(serial)),
            Arg::Int(signed(newest)),
        ]
    };
    let rows: Vec<[Arg<'_>; 4]> = channels.into_iter().map(row).collect();
    let mut ids = ChannelIds::with_capacity(rows.len());
    for row in connection.bulk_insert(&CHANNELS, &rows).await? {
        ids.insert(row.text(0)?.into_owned(), row.int(1)?);
    }
    Ok(ids)
}

fn channel_id(ids: &ChannelIds, channel: &ChannelName) -> StorageResult<i64> {
    ids.get(channel.as_str())
        .copied()
        .ok_or_else(|| StorageError::corrupt("the database returned no row for a channel"))
}

pub(super) async fn events(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    heads: &[(ChannelName, u64)],
    events: &[Event],
) -> StorageResult<()> {
    let app = lock_app(connection, app).await?;
    let mut channels: BTreeMap<&str, ChannelHead> = heads
        .iter()
        .map(|(name, head)| {
            (
                name.as_str(),
                ChannelHead {
                    serial: *head,
                    newest: 0,
                },
            )
        })
        .collect();
    for Event { new, position } in events {
        let head = channels.entry(new.channel.as_str()).or_default();
        *head = ChannelHead {
            serial: position.serial.max(head.serial),
            newest: position.id.max(head.newest),
        };
    }
    let ids = raise_heads(connection, app, channels).await?;
    let with_channel = events
        .iter()
        .map(|event| Ok((event, channel_id(&ids, &event.new.channel)?)));
    let with_channel = with_channel.collect::<StorageResult<Vec<_>>>()?;
    let rows: Vec<[Arg<'_>; 11]> = with_channel
        .iter()
        .map(|(event, channel)| event_args(app, *channel, event))
        .collect();
    if connection.bulk_insert(&EVENTS, &rows).await?.len() != rows.len() {
        for (event, channel) in with_channel {
            verify_stored(connection, channel, event).await?;
        }
    }
    advance_ids(
        connection,
        app,
        events.iter().map(|event| event.position.id),
    )
    .await
}

fn event_args(app: i64, channel: i64, Event { new, position }: &Event) -> [Arg<'_>; 11] {
    let [app, channel, rest @ ..] = EventRow {
        app,
        channel,
        serial: signed(position.serial),
        event: new,
        due: None,
    }
    .columns();
    let [serial, mid, time, publish, owner, name, data, extra, _due] = rest;
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

/// Checks that the event stored at this serial is the same one.
async fn verify_stored(
    connection: &mut impl SqlConnection,
    channel: i64,
    event: &Event,
) -> StorageResult<()> {
    let mid = &*event.new.mid.0;
    match connection
        .row(
            MID_AT_SERIAL,
            &[Arg::Int(channel), Arg::Int(signed(event.position.serial))],
        )
        .await?
    {
        Some(stored) if stored.text(0)? == mid => Ok(()),
        Some(_) => Err(StorageError::Conflict("serial")),
        None => {
            let taken = connection
                .row(ID_OF_MID, &[Arg::Text(mid)])
                .await?
                .is_some();
            Err(StorageError::Conflict(if taken { "mid" } else { "id" }))
        }
    }
}

/// Makes new ids greater than the imported ones.
async fn advance_ids(
    connection: &mut impl SqlConnection,
    app: i64,
    ids: impl Iterator<Item = u64>,
) -> StorageResult<()> {
    match ids.max() {
        Some(id) => connection.advance_ids(app, signed(id)).await,
        None => Ok(()),
    }
}

pub(super) async fn subscriptions(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    open: &[UserSubscription],
    ended: &[SubscriptionInterval],
) -> StorageResult<()> {
    let app = lock_app(connection, app).await?;
    let channels = open
        .iter()
        .map(|item| &item.channel)
        .chain(ended.iter().map(|item| &item.channel));
    let ids = raise_heads(
        connection,
        app,
        channels
            .map(|channel| (channel.as_str(), ChannelHead::default()))
            .collect(),
    )
    .await?;
    let open_rows = open.iter().map(|subscription| {
        Ok([
            Arg::Int(app),
            Arg::Int(signed(subscription.id)),
            Arg::Text(subscription.user_id.as_str()),
            Arg::Int(channel_id(&ids, &subscription.channel)?),
            Arg::Int(signed(subscription.start)),
            Arg::Int(subscription.created.micros()),
        ])
    });
    connection
        .bulk_insert(
            &SUBSCRIPTIONS,
            &open_rows.collect::<StorageResult<Vec<_>>>()?,
        )
        .await?;
    let ended_rows = ended.iter().map(|interval| {
        Ok([
            Arg::Int(app),
            Arg::Text(interval.user_id.as_str()),
            Arg::Int(channel_id(&ids, &interval.channel)?),
            Arg::Int(signed(interval.start)),
            Arg::Int(signed(interval.end)),
        ])
    });
    connection
        .bulk_insert(&INTERVALS, &ended_rows.collect::<StorageResult<Vec<_>>>()?)
        .await?;
    advance_ids(
        connection,
        app,
        open.iter().map(|subscription| subscription.id),
    )
    .await
}

pub(super) async fn targets(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    targets: &[NotificationTarget],
) -> StorageResult<()> {
    let app = lock_app(connection, app).await?;
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
            delay_of(&target.away),
            user_of(&target.away),
            digest_of(target.digest),
        ]
    });
    connection
        .bulk_insert(&TARGETS, &rows.collect::<Vec<_>>())
        .await?;
    Ok(())
}
