//! Writing what another store held, each call in one transaction.

use super::super::driver::{Arg, Connection, Outcome, Row};
use super::super::events::{Places, claim};
use super::super::number::signed;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, Interval, Secret, Subscription, Target};

const EVENT: &str = "INSERT INTO events (app, id, channel, serial, mid, time, publish, owner, name, data, extra) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
const AT_SERIAL: &str = "SELECT mid FROM events WHERE channel = $1 AND serial = $2";
const OF_MID: &str = "SELECT id FROM events WHERE mid = $1";
const RAISE: &str = "UPDATE channels SET head = $2 WHERE id = $1 AND head < $2";
const OPEN: &str = "INSERT INTO subscriptions (app, id, user_id, channel, from_serial, created) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (app, user_id, channel) DO NOTHING";
const ENDED: &str = "INSERT INTO intervals (app, user_id, channel, from_serial, upto_serial) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT DO NOTHING";
const TARGET: &str = "INSERT INTO targets (app, id, kind, channel, address, p256dh, auth, created) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

async fn hold<C: Connection>(connection: &mut C, app: &AppIdent) -> Outcome<i64> {
    connection.row(C::HOLD_APP, &[Arg::Text(app.as_str())]).await?.ok_or(StorageError::NotFound)?.int(0)
}

/// The number of a channel, which is made where it is not there; its row is held.
async fn channel<C: Connection>(connection: &mut C, app: i64, name: &ChannelName) -> Outcome<i64> {
    let name = name.as_str();
    let claimed = claim(connection, &Places::from([(app, [(name, 0)].into())])).await?.remove(&(app, name));
    Ok(claimed.ok_or_else(|| StorageError::corrupt("a channel could not be made"))?.channel)
}

pub(super) async fn events<C: Connection>(
    connection: &mut C,
    app: &AppIdent,
    name: &ChannelName,
    head: u64,
    events: &[Event],
) -> Outcome<()> {
    let app = hold(connection, app).await?;
    let channel = channel(connection, app, name).await?;
    for Event { new, position } in events {
        let (serial, mid) = (Arg::Int(signed(position.serial)), Arg::Text(&new.mid.0));
        let args = [
            Arg::Int(app),
            Arg::Int(signed(position.id)),
            Arg::Int(channel),
            serial,
            mid,
            Arg::Int(new.timestamp.micros()),
            Arg::MaybeText(new.publish.as_ref().map(|publish| &*publish.0)),
            Arg::MaybeText(new.owner_id.as_deref()),
            Arg::Text(&new.payload.event),
            Arg::Text(&new.payload.data),
            Arg::Text(&new.payload.extra),
        ];
        if connection.execute(EVENT, &args).await? == 0 {
            match connection.row(AT_SERIAL, &[Arg::Int(channel), serial]).await? {
                Some(there) if there.text(0)? == *new.mid.0 => {}
                Some(_) => return Err(StorageError::Conflict("serial")),
                None => {
                    let taken = connection.row(OF_MID, &[mid]).await?.is_some();
                    return Err(StorageError::Conflict(if taken { "mid" } else { "id" }));
                }
            }
        }
    }
    let newest = events.iter().map(|event| event.position.serial).fold(head, u64::max);
    connection.execute(RAISE, &[Arg::Int(channel), Arg::Int(signed(newest))]).await?;
    match events.iter().map(|event| event.position.id).max() {
        Some(id) => connection.reach_id(app, signed(id)).await,
        None => Ok(()),
    }
}

pub(super) async fn subscriptions<C: Connection>(
    connection: &mut C,
    app: &AppIdent,
    open: &[Subscription],
    ended: &[Interval],
) -> Outcome<()> {
    let app = hold(connection, app).await?;
    for one in open {
        let channel = channel(connection, app, &one.channel).await?;
        let args = [
            Arg::Int(app),
            Arg::Int(signed(one.id)),
            Arg::Text(one.user_id.as_str()),
            Arg::Int(channel),
            Arg::Int(signed(one.start)),
            Arg::Int(one.created.micros()),
        ];
        connection.execute(OPEN, &args).await?;
    }
    for one in ended {
        let channel = channel(connection, app, &one.channel).await?;
        let [start, end] = [Arg::Int(signed(one.start)), Arg::Int(signed(one.end))];
        connection.execute(ENDED, &[Arg::Int(app), Arg::Text(one.user_id.as_str()), Arg::Int(channel), start, end]).await?;
    }
    match open.iter().map(|one| one.id).max() {
        Some(id) => connection.reach_id(app, signed(id)).await,
        None => Ok(()),
    }
}

pub(super) async fn targets<C: Connection>(connection: &mut C, app: &AppIdent, targets: &[Target]) -> Outcome<()> {
    let app = hold(connection, app).await?;
    for target in targets {
        let args = [
            Arg::Int(app),
            Arg::Int(signed(target.id)),
            Arg::Text(target.kind.name()),
            Arg::Text(target.channel.as_str()),
            Arg::Text(target.address.expose()),
            Arg::MaybeText(target.p256dh.as_ref().map(Secret::expose)),
            Arg::MaybeText(target.auth.as_ref().map(Secret::expose)),
            Arg::Int(target.created.micros()),
        ];
        connection.execute(TARGET, &args).await?;
    }
    Ok(())
}
