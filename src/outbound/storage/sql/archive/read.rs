//! Reading, page by page. Names and ids are never empty, so everything is behind the empty one.

use super::super::driver::{Arg, Connection, Driver, Outcome, Row};
use super::super::events::select_events;
use super::super::number::{signed, unsigned};
use super::super::{SqlStore, app};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, Interval, Mid, Secret, Target, TargetKind, Timestamp,
    UserId,
};

pub(in super::super) const CHANNELS: &str = concat!(
    "SELECT name, head FROM channels WHERE app = ",
    app!(),
    " AND name > $2 AND head > 0 ORDER BY name LIMIT $3"
);
pub(in super::super) const EVENTS: &str =
    select_events!("e.app = ", app!(), " AND e.id > $2 ORDER BY e.id LIMIT $3");
pub(in super::super) const FORMER: &str = concat!(
    "SELECT DISTINCT user_id FROM intervals WHERE app = ",
    app!(),
    " AND user_id > $2 ORDER BY user_id LIMIT $3"
);
pub(in super::super) const INTERVALS: &str = concat!(
    "SELECT v.user_id, (SELECT c.name FROM channels c WHERE c.id = v.channel), v.from_serial, v.upto_serial FROM intervals v ",
    "WHERE v.app = ",
    app!(),
    " AND v.user_id > $2 AND v.user_id <= $3 ORDER BY v.user_id"
);
pub(in super::super) const CACHED: &str = concat!(
    "SELECT channel, mid, name, data, time, serial, expires FROM cache WHERE app = ",
    app!(),
    " AND channel > $2 ORDER BY channel LIMIT $3"
);
pub(in super::super) const TARGETS: &str = concat!(
    "SELECT id, channel, address, p256dh, auth, created FROM targets WHERE app = ",
    app!(),
    " AND id > $2 AND kind = $4 ORDER BY id LIMIT $3"
);

impl<D: Driver> SqlStore<D> {
    /// What `sql` finds of an app `$1` behind the text `$2`, at most `$3`.
    pub(super) async fn page(
        &self,
        sql: &'static str,
        app: &AppIdent,
        after: &str,
        limit: usize,
    ) -> Outcome<Vec<<D::Connection as Connection>::Row>> {
        let (app, after) = (app.clone(), after.to_owned());
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let args = [
                    Arg::Text(app.as_str()),
                    Arg::Text(&after),
                    Arg::Int(signed(limit)),
                ];
                connection.rows(sql, &args).await
            })
        });
        rows.await
    }
}

pub(super) fn head_of(row: &impl Row) -> Outcome<(ChannelName, u64)> {
    Ok((ChannelName::trusted(&row.text(0)?), unsigned(row.int(1)?)?))
}

pub(super) async fn intervals(
    connection: &mut impl Connection,
    app: &AppIdent,
    after: &str,
    limit: usize,
) -> Outcome<Vec<Interval>> {
    let (app, after) = (Arg::Text(app.as_str()), Arg::Text(after));
    let users = connection
        .rows(FORMER, &[app, after, Arg::Int(signed(limit))])
        .await?;
    let Some(last) = users.last() else {
        return Ok(Vec::new());
    };
    connection
        .rows(INTERVALS, &[app, after, Arg::Text(&last.text(0)?)])
        .await?
        .iter()
        .map(interval_of)
        .collect()
}

fn interval_of(row: &impl Row) -> Outcome<Interval> {
    Ok(Interval {
        user_id: UserId::parse(&row.text(0)?)
            .ok_or_else(|| StorageError::corrupt("a stored user id is malformed"))?,
        channel: ChannelName::trusted(&row.text(1)?),
        start: unsigned(row.int(2)?)?,
        end: unsigned(row.int(3)?)?,
    })
}

pub(super) fn cached_of(app: &AppIdent, row: &impl Row) -> Outcome<CachedEvent> {
    Ok(CachedEvent {
        app: app.clone(),
        channel: ChannelName::trusted(&row.text(0)?),
        mid: Mid(row.text(1)?.into()),
        event: row.text(2)?.into(),
        data: row.text(3)?.into(),
        timestamp: Timestamp::from_micros(row.int(4)?),
        serial: Some(unsigned(row.int(5)?)?).filter(|serial| *serial != 0),
        expires: Timestamp::from_micros(row.int(6)?),
    })
}

pub(super) fn target_of(kind: TargetKind, row: &impl Row) -> Outcome<Target> {
    let secret = |column| {
        Ok(row
            .maybe_text(column)?
            .map(|text| Secret::new(text.into_owned())))
    };
    Ok(Target {
        kind,
        id: unsigned(row.int(0)?)?,
        channel: ChannelName::trusted(&row.text(1)?),
        address: Secret::new(row.text(2)?.into_owned()),
        p256dh: secret(3)?,
        auth: secret(4)?,
        created: Timestamp::from_micros(row.int(5)?),
    })
}
