//! The registrations of notification targets.

use std::collections::HashSet;
use std::sync::LazyLock;

use async_trait::async_trait;

use super::archive::export;
use super::driver::{Driver, SqlConnection};
use super::statement::MultiRowStatement;
use super::value::{Arg, SqlRow, signed, unsigned};
use super::{SqlStore, app};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, NewTarget, NotificationTarget, Secret, TargetFilter, TargetKind,
    Timestamp,
};
use crate::core::ports::TargetStore;
use crate::outbound::storage::StorageResult;

// Ranges of two columns instead of equal ones: SQLite would prefer the primary key, and read all targets of the app.
macro_rules! select {
    ($($condition:expr),+) => {
        concat!(
            "SELECT id, channel, address, p256dh, auth, created, delay, user_id, digest FROM targets WHERE app = ",
            app!(),
            " AND kind = $2 ",
            $($condition),+
        )
    };
}

pub(super) const LIST: &str = export::TARGETS;
pub(super) const LIST_OF_ADDRESS: &str =
    select!("AND (address, id) > ($5, $3) AND address <= $5 ORDER BY address, id LIMIT $4");
pub(super) const LIST_OF_CHANNEL: &str =
    select!("AND (channel, id) > ($5, $3) AND channel <= $5 ORDER BY channel, id LIMIT $4");
pub(super) const LIST_OF_BOTH: &str = select!(
    "AND (address, id) > ($5, $3) AND address <= $5 AND channel = $6 ORDER BY address, id LIMIT $4"
);
pub(super) const LIST_OF_KEY: &str =
    select!("AND (p256dh, id) > ($5, $3) AND p256dh <= $5 ORDER BY p256dh, id LIMIT $4");
/// Locks the app until the transaction ends, so that of several callers one registers a target.
const LOCK: &str = "UPDATE apps SET ident = ident WHERE ident = $1 RETURNING id";
const INSERT: &str = "INSERT INTO targets (app, id, kind, channel, address, p256dh, auth, created, delay, user_id, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const CHANGE: &str = "UPDATE targets SET delay = $4, user_id = $5, digest = $6 WHERE app = $1 AND id = $2 AND kind = $3";
pub(super) const NEWEST: &str = "SELECT id FROM targets WHERE app = $1 ORDER BY id DESC LIMIT 1";
const REMOVE: &str = "DELETE FROM targets WHERE app = $1 AND id = $2 AND kind = $3";
pub(super) const ANY: &str = concat!("SELECT 1 FROM targets WHERE app = ", app!(), " LIMIT 1");
pub(super) const COUNT: &str = "SELECT count(*) FROM targets WHERE kind = $1";
pub(super) static WITH_TARGETS: LazyLock<MultiRowStatement> = LazyLock::new(|| {
    let before = concat!(
        "SELECT DISTINCT channel FROM targets WHERE app = ",
        app!(),
        " AND kind IN ('web', 'webpush', 'apn', 'smtp') AND channel IN ("
    );
    MultiRowStatement::new(before, 2, 1, ")")
});

/// The registrations that one call removes at a time.
const REMOVED: i64 = 1000;

#[async_trait]
impl<D: Driver> TargetStore for SqlStore<D> {
    async fn register(
        &self,
        app: &AppIdent,
        target: &NewTarget,
        only: bool,
        now: Timestamp,
    ) -> Result<(NotificationTarget, bool), StorageError> {
        let (app, target) = (app.clone(), target.clone());
        self.driver
            .write(move |connection| Box::pin(register(connection, app, target, only, now)))
            .await
    }

    async fn list_targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        filter: &TargetFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        let (app, filter) = (app.clone(), filter.clone());
        let listed = self.driver.read(move |connection| {
            Box::pin(async move {
                list(
                    connection,
                    &app,
                    kind,
                    &filter,
                    signed(after),
                    signed(limit),
                )
                .await
            })
        });
        listed.await
    }

    async fn remove_target(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        address: &str,
        channel: Option<&ChannelName>,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        let app = app.clone();
        let filter = TargetFilter {
            address: Some(Secret::new(address)),
            channel: channel.cloned(),
        };
        let removed = self.driver.write(move |connection| {
            Box::pin(async move { remove(connection, &app, kind, &filter).await })
        });
        removed.await
    }

    async fn with_targets(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<ChannelName>, StorageError> {
        let (app, channels) = (app.clone(), channels.to_vec());
        let found = self.driver.read(move |connection| {
            Box::pin(async move {
                let mut found = HashSet::new();
                for (sql, chunk) in WITH_TARGETS.chunks(&channels) {
                    let names = chunk.iter().map(|channel| Arg::Text(channel.as_str()));
                    let args: Vec<Arg<'_>> = std::iter::once(Arg::Text(app.as_str()))
                        .chain(names)
                        .collect();
                    for row in connection.rows(sql, &args).await? {
                        found.insert(ChannelName::trusted(&row.text(0)?));
                    }
                }
                Ok(channels
                    .into_iter()
                    .filter(|channel| found.contains(channel))
                    .collect())
            })
        });
        found.await
    }

    async fn has_targets(&self, app: &AppIdent) -> Result<bool, StorageError> {
        let app = app.clone();
        let found = self.driver.read(move |connection| {
            Box::pin(async move { connection.row(ANY, &[Arg::Text(app.as_str())]).await })
        });
        Ok(found.await?.is_some())
    }

    async fn count_targets(&self, kind: TargetKind) -> Result<u64, StorageError> {
        let row = self.driver.read(move |connection| {
            Box::pin(async move { connection.row(COUNT, &[Arg::Text(kind.name())]).await })
        });
        let row = row
            .await?
            .ok_or_else(|| StorageError::corrupt("a count returned no row"))?;
        unsigned(row.int(0)?)
    }
}

async fn list(
    connection: &mut impl SqlConnection,
    app: &AppIdent,
    kind: TargetKind,
    filter: &TargetFilter,
    after: i64,
    limit: i64,
) -> StorageResult<Vec<NotificationTarget>> {
    let head = [
        Arg::Text(app.as_str()),
        Arg::Text(kind.name()),
        Arg::Int(after),
        Arg::Int(limit),
    ];
    let address = filter.address.as_ref().map(|text| Arg::Text(text.expose()));
    let channel = filter.channel.as_ref().map(|name| Arg::Text(name.as_str()));
    let sql = match (address, channel) {
        (None, None) => {
            let args = [head[0], Arg::Int(after), Arg::Int(limit), head[1]];
            let rows = connection.rows(LIST, &args).await?;
            return rows
                .iter()
                .map(|row| export::target_from(kind, row))
                .collect();
        }
        (Some(_), None) => LIST_OF_ADDRESS,
        (None, Some(_)) => LIST_OF_CHANNEL,
        (Some(_), Some(_)) => LIST_OF_BOTH,
    };
    let args: Vec<Arg<'_>> = head.into_iter().chain(address).chain(channel).collect();
    let rows = connection.rows(sql, &args).await?;
    rows.iter()
        .map(|row| export::target_from(kind, row))
        .collect()
}

async fn lock(connection: &mut impl SqlConnection, app: &AppIdent) -> StorageResult<Option<i64>> {
    let row = connection.row(LOCK, &[Arg::Text(app.as_str())]).await?;
    row.map(|row| row.int(0)).transpose()
}

async fn register(
    connection: &mut impl SqlConnection,
    ident: AppIdent,
    target: NewTarget,
    only: bool,
    now: Timestamp,
) -> StorageResult<(NotificationTarget, bool)> {
    let app = lock(connection, &ident)
        .await?
        .ok_or(StorageError::NotFound)?;
    remove_replaced(connection, app, &ident, &target).await?;
    let mut filter = TargetFilter {
        address: Some(target.address.clone()),
        channel: Some(target.channel.clone()),
    };
    let found = list(connection, &ident, target.kind, &filter, 0, 1).await?;
    if only {
        filter.channel = None;
        let kept = found.first().map(|found| found.id);
        remove_others(connection, app, &ident, target.kind, &filter, kept).await?;
    }
    if let Some(found) = found.into_iter().next() {
        if (&found.away, found.digest) == (&target.away, target.digest) {
            return Ok((found, false));
        }
        let changed = target.registered(found.id, found.created);
        let args = [
            Arg::Int(app),
            Arg::Int(signed(changed.id)),
            Arg::Text(changed.kind.name()),
            export::delay_of(&changed.away),
            export::user_of(&changed.away),
            export::digest_of(changed.digest),
        ];
        connection.execute(CHANGE, &args).await?;
        return Ok((changed, false));
    }
    let newest = connection.row(NEWEST, &[Arg::Int(app)]).await?;
    let id = newest.map_or(Ok(0), |row| row.int(0))?.saturating_add(1);
    let args = [
        Arg::Int(app),
        Arg::Int(id),
        Arg::Text(target.kind.name()),
        Arg::Text(target.channel.as_str()),
        Arg::Text(target.address.expose()),
        Arg::MaybeText(target.p256dh.as_ref().map(Secret::expose)),
        Arg::MaybeText(target.auth.as_ref().map(Secret::expose)),
        Arg::Int(now.micros()),
        export::delay_of(&target.away),
        export::user_of(&target.away),
        export::digest_of(target.digest),
    ];
    connection.execute(INSERT, &args).await?;
    Ok((target.registered(unsigned(id)?, now), true))
}

async fn remove(
    connection: &mut impl SqlConnection,
    ident: &AppIdent,
    kind: TargetKind,
    filter: &TargetFilter,
) -> StorageResult<Vec<NotificationTarget>> {
    let Some(app) = lock(connection, ident).await? else {
        return Ok(Vec::new());
    };
    remove_others(connection, app, ident, kind, filter, None).await
}

/// Removes the registrations that a new one takes the place of.
async fn remove_replaced(
    connection: &mut impl SqlConnection,
    app: i64,
    ident: &AppIdent,
    target: &NewTarget,
) -> StorageResult<()> {
    let Some(p256dh) = &target.p256dh else {
        return Ok(());
    };
    for (sql, value) in [(LIST_OF_KEY, p256dh), (LIST_OF_ADDRESS, &target.address)] {
        let mut after = 0;
        loop {
            let args = [
                Arg::Text(ident.as_str()),
                Arg::Text(target.kind.name()),
                Arg::Int(after),
                Arg::Int(REMOVED),
                Arg::Text(value.expose()),
            ];
            let rows = connection.rows(sql, &args).await?;
            let is_last = signed(rows.len()) < REMOVED;
            for row in rows {
                let other = export::target_from(target.kind, &row)?;
                after = signed(other.id);
                if target.replaces(&other) {
                    remove_one(connection, app, &other).await?;
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok(())
}

async fn remove_one(
    connection: &mut impl SqlConnection,
    app: i64,
    target: &NotificationTarget,
) -> StorageResult<()> {
    let args = [
        Arg::Int(app),
        Arg::Int(signed(target.id)),
        Arg::Text(target.kind.name()),
    ];
    connection.execute(REMOVE, &args).await?;
    Ok(())
}

/// Removes the registrations that match, but for one.
async fn remove_others(
    connection: &mut impl SqlConnection,
    app: i64,
    ident: &AppIdent,
    kind: TargetKind,
    filter: &TargetFilter,
    kept: Option<u64>,
) -> StorageResult<Vec<NotificationTarget>> {
    let mut removed = Vec::new();
    loop {
        let after = removed
            .last()
            .map_or(0, |last: &NotificationTarget| signed(last.id));
        let found = list(connection, ident, kind, filter, after, REMOVED).await?;
        let is_last = signed(found.len()) < REMOVED;
        for target in found {
            if kept == Some(target.id) {
                continue;
            }
            remove_one(connection, app, &target).await?;
            removed.push(target);
        }
        if is_last {
            return Ok(removed);
        }
    }
}
