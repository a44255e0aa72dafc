//! Export, page by page. Names and ids are never empty, so the empty text sorts before all of them.

use std::time::Duration;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Away, CachedEvent, ChannelName, DigestWindow, Mid, NotificationTarget, Secret,
    SubscriptionInterval, TargetKind, Timestamp, UserId,
};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::driver::{Driver, SqlConnection};
use crate::outbound::storage::sql::events::select_events;
use crate::outbound::storage::sql::value::{Arg, SqlRow, signed, unsigned};
use crate::outbound::storage::sql::{SqlStore, app};

pub(in super::super) const CHANNELS: &str = concat!(
    "SELECT name, head FROM channels WHERE app = ",
    app!(),
    " AND name > $2 AND head > 0 ORDER BY name LIMIT $3"
);
pub(in super::super) const EVENTS: &str =
    select_events!("e.app = ", app!(), " AND e.id > $2 ORDER BY e.id LIMIT $3");
pub(in super::super) const USERS_WITH_INTERVALS: &str = concat!(
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
    "SELECT id, channel, address, p256dh, auth, created, delay, user_id, digest FROM targets WHERE app = ",
    app!(),
    " AND id > $2 AND kind = $4 ORDER BY id LIMIT $3"
);

impl<D: Driver> SqlStore<D> {
    /// Runs a statement with the app `$1`, the last key `$2` and the limit `$3`.
    pub(super) async fn page(
        &self,
        sql: &'static str,
        app: &AppIdent,
        after: &str,
        limit: usize,
    ) -> StorageResult<Vec<<D::Connection as SqlConnection>::Row>> {
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

pub(super) fn head_from(row: &impl SqlRow) -> StorageResult<(ChannelName, u64)> {
    Ok((ChannelName::trusted(&row.text(0)?), unsigned(row.int(1)?)?))
}

pub(super) async fn intervals(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    after: &str,
    limit: usize,
) -> StorageResult<Vec<SubscriptionInterval>> {
    let (app, after) = (Arg::Text(app.as_str()), Arg::Text(after));
    let users = connection
        .rows(USERS_WITH_INTERVALS, &[app, after, Arg::Int(signed(limit))])
        .await?;
    let Some(last) = users.last() else {
        return Ok(Vec::new());
    };
    connection
        .rows(INTERVALS, &[app, after, Arg::Text(&last.text(0)?)])
        .await?
        .iter()
        .map(interval_from)
        .collect()
}

fn interval_from(row: &impl SqlRow) -> StorageResult<SubscriptionInterval> {
    Ok(SubscriptionInterval {
        user_id: UserId::parse(&row.text(0)?)
            .ok_or_else(|| StorageError::corrupt("a stored user id is malformed"))?,
        channel: ChannelName::trusted(&row.text(1)?),
        start: unsigned(row.int(2)?)?,
        end: unsigned(row.int(3)?)?,
    })
}

pub(super) fn cached_from(app: &AppIdent, row: &impl SqlRow) -> StorageResult<CachedEvent> {
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

pub(in super::super) fn target_from(
    kind: TargetKind,
    row: &impl SqlRow,
) -> StorageResult<NotificationTarget> {
    let secret = |column| {
        Ok(row
            .maybe_text(column)?
            .map(|text| Secret::new(text.into_owned())))
    };
    Ok(NotificationTarget {
        kind,
        id: unsigned(row.int(0)?)?,
        channel: ChannelName::trusted(&row.text(1)?),
        address: Secret::new(row.text(2)?.into_owned()),
        p256dh: secret(3)?,
        auth: secret(4)?,
        away: away_from(row)?,
        digest: DigestWindow::of_seconds(unsigned(row.int(8)?)?),
        created: Timestamp::from_micros(row.int(5)?),
    })
}

fn away_from(row: &impl SqlRow) -> StorageResult<Option<Away>> {
    let Ok(seconds) = u64::try_from(row.int(6)?) else {
        return Ok(None);
    };
    let user = row.maybe_text(7)?.and_then(|user| UserId::parse(&user));
    let delay = Duration::from_secs(seconds);
    Ok(Some(Away { delay, user }))
}

pub(in super::super) fn delay_of(away: &Option<Away>) -> Arg<'static> {
    let delay = away.as_ref().map(|away| signed(away.delay.as_secs()));
    Arg::Int(delay.unwrap_or(-1))
}

/// The column `digest` of a target.
pub(in super::super) fn digest_of(digest: Option<DigestWindow>) -> Arg<'static> {
    Arg::Int(signed(digest.map_or(0, DigestWindow::seconds)))
}

pub(in super::super) fn user_of(away: &Option<Away>) -> Arg<'_> {
    let user = away.as_ref().and_then(|away| away.user.as_ref());
    Arg::MaybeText(user.map(UserId::as_str))
}
