//! Persistent subscriptions: a row in `subscriptions` while open, an interval of serials in `intervals` after the end.

use async_trait::async_trait;

use super::driver::{Driver, SqlConnection};
use super::event_row::{SerialClaim, SerialRequest};
use super::value::{Arg, SqlRow, signed, unsigned};
use super::{SqlStore, app, channel};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, SubscriptionFilter, Timestamp, UserId, UserSubscription,
};
use crate::core::ports::SubscriptionStore;
use crate::outbound::storage::StorageResult;

macro_rules! select {
    ($($condition:expr),+) => {
        concat!(
            "SELECT s.id, s.user_id, c.name, s.from_serial, s.created FROM subscriptions s JOIN channels c ON c.id = s.channel WHERE ",
            $($condition),+
        )
    };
}

pub(super) const OPEN: &str = select!(
    "s.channel = ",
    channel!(),
    " AND s.app = ",
    app!(),
    " AND s.user_id = $3"
);
pub(super) const LIST: &str = select!("s.app = ", app!(), " AND s.id > $2 ORDER BY s.id LIMIT $3");
pub(super) const LIST_OF_USER: &str = select!(
    "s.app = ",
    app!(),
    " AND s.user_id = $4 AND s.id > $2 ORDER BY s.id LIMIT $3"
);
pub(super) const LIST_OF_CHANNEL: &str = select!(
    "s.channel = (SELECT id FROM channels WHERE app = ",
    app!(),
    " AND name = $4) AND s.id > $2 ORDER BY s.id LIMIT $3"
);
pub(super) const LIST_OF_BOTH: &str = select!(
    "s.app = ",
    app!(),
    " AND s.user_id = $4 AND s.channel = (SELECT id FROM channels WHERE app = ",
    app!(),
    " AND name = $5) AND s.id > $2 ORDER BY s.id LIMIT $3"
);
pub(super) const CHANNELS_OF: &str = concat!(
    "SELECT c.name FROM subscriptions s JOIN channels c ON c.id = s.channel WHERE s.app = ",
    app!(),
    " AND s.user_id = $2 ORDER BY s.id LIMIT $3"
);

const INSERT: &str = "INSERT INTO subscriptions (app, id, user_id, channel, from_serial, created) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (app, user_id, channel) DO NOTHING";
pub(super) const CHANNEL: &str = concat!(
    "SELECT app, id, head, newest FROM channels WHERE id = ",
    channel!()
);
pub(super) const DELETE: &str = "DELETE FROM subscriptions WHERE app = $1 AND user_id = $2 AND channel = $3 RETURNING id, from_serial, created";
pub(super) const EXTEND_INTERVAL: &str = "UPDATE intervals SET upto_serial = $5, newest = $6 WHERE app = $1 AND user_id = $2 AND channel = $3 AND upto_serial = $4";
const INSERT_INTERVAL: &str = "INSERT INTO intervals (app, user_id, channel, from_serial, upto_serial, newest) VALUES ($1, $2, $3, $4, $5, $6)";

/// The unique key of an open subscription.
#[derive(Clone)]
struct SubscriptionKey {
    app: AppIdent,
    user: UserId,
    channel: ChannelName,
}

#[async_trait]
impl<D: Driver> SubscriptionStore for SqlStore<D> {
    async fn add(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<(UserSubscription, bool), StorageError> {
        let key = SubscriptionKey {
            app: app.clone(),
            user: user.clone(),
            channel: channel.clone(),
        };
        let existing_key = key.clone();
        // No transaction if it exists: clients add their subscriptions again at every start.
        if let Some(existing) = self
            .driver
            .read(move |connection| Box::pin(async move { existing_key.find(connection).await }))
            .await?
        {
            return Ok((existing, false));
        }
        self.driver
            .write(move |connection| Box::pin(async move { key.add(connection, now).await }))
            .await
    }

    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<Option<UserSubscription>, StorageError> {
        let key = SubscriptionKey {
            app: app.clone(),
            user: user.clone(),
            channel: channel.clone(),
        };
        self.driver
            .write(move |connection| Box::pin(async move { key.remove(connection, now).await }))
            .await
    }

    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<UserSubscription>, StorageError> {
        let (ident, filter) = (app.clone(), filter.clone());
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                let page = [
                    Arg::Text(ident.as_str()),
                    Arg::Int(signed(after)),
                    Arg::Int(signed(limit)),
                ];
                let user = filter.user_id.as_ref().map(|user| Arg::Text(user.as_str()));
                let channel = filter
                    .channel
                    .as_ref()
                    .map(|channel| Arg::Text(channel.as_str()));
                let sql = match (user, channel) {
                    (None, None) => LIST,
                    (Some(_), None) => LIST_OF_USER,
                    (None, Some(_)) => LIST_OF_CHANNEL,
                    (Some(_), Some(_)) => LIST_OF_BOTH,
                };
                let args: Vec<Arg<'_>> = page.into_iter().chain(user).chain(channel).collect();
                connection.rows(sql, &args).await
            })
        });
        rows.await?
            .iter()
            .map(|row| subscription_from(app, row))
            .collect()
    }

    async fn channels_of(
        &self,
        app: &AppIdent,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<ChannelName>, StorageError> {
        let (app, user) = (app.clone(), user.clone());
        let rows = self.driver.read(move |connection| {
            Box::pin(async move {
                connection
                    .rows(
                        CHANNELS_OF,
                        &[
                            Arg::Text(app.as_str()),
                            Arg::Text(user.as_str()),
                            Arg::Int(signed(limit)),
                        ],
                    )
                    .await
            })
        });
        rows.await?
            .iter()
            .map(|row| Ok(ChannelName::trusted(&row.text(0)?)))
            .collect()
    }
}

impl SubscriptionKey {
    async fn find(
        &self,
        connection: &mut impl SqlConnection,
    ) -> StorageResult<Option<UserSubscription>> {
        let args = [
            Arg::Text(self.app.as_str()),
            Arg::Text(self.channel.as_str()),
            Arg::Text(self.user.as_str()),
        ];
        connection
            .row(OPEN, &args)
            .await?
            .map(|row| subscription_from(&self.app, &row))
            .transpose()
    }

    async fn add<C: SqlConnection>(
        &self,
        connection: &mut C,
        now: Timestamp,
    ) -> StorageResult<(UserSubscription, bool)> {
        let request = SerialRequest {
            app: self.app.as_str(),
            channel: self.channel.as_str(),
            count: 0,
        };
        let claim = connection.claim_serials(&[request]).await?.pop().flatten();
        let SerialClaim { app, channel, head } = claim.ok_or(StorageError::NotFound)?;
        if let Some(existing) = self.find(connection).await? {
            return Ok((existing, false));
        }
        let id = connection
            .allocate_ids(app, 1)
            .await?
            .pop()
            .ok_or_else(|| StorageError::corrupt("the database allocated no id"))?;
        let user = Arg::Text(self.user.as_str());
        let args = [
            Arg::Int(app),
            Arg::Int(id),
            user,
            Arg::Int(channel),
            Arg::Int(head),
            Arg::Int(now.micros()),
        ];
        let new = connection.execute(INSERT, &args).await? == 1;
        // The channel's row has been locked since the claim, so no other call can have changed this.
        let stored = self
            .find(connection)
            .await?
            .ok_or_else(|| StorageError::corrupt("an inserted subscription is missing"))?;
        Ok((stored, new))
    }

    async fn remove<C: SqlConnection>(
        &self,
        connection: &mut C,
        now: Timestamp,
    ) -> StorageResult<Option<UserSubscription>> {
        let channel_row = connection
            .row(
                CHANNEL,
                &[
                    Arg::Text(self.app.as_str()),
                    Arg::Text(self.channel.as_str()),
                ],
            )
            .await?;
        let Some(channel_row) = channel_row else {
            return Ok(None);
        };
        let [app, channel] = [Arg::Int(channel_row.int(0)?), Arg::Int(channel_row.int(1)?)];
        let (user, end) = (Arg::Text(self.user.as_str()), channel_row.int(2)?);
        let Some(row) = connection.row(DELETE, &[app, user, channel]).await? else {
            return Ok(None);
        };
        let start = row.int(1)?;
        let args = [
            app,
            user,
            channel,
            Arg::Int(start),
            Arg::Int(end),
            Arg::Int(channel_row.int(3)?),
        ];
        if start < end && connection.execute(EXTEND_INTERVAL, &args).await? == 0 {
            connection.execute(INSERT_INTERVAL, &args).await?;
        }
        Ok(Some(UserSubscription {
            id: unsigned(row.int(0)?)?,
            app: self.app.clone(),
            user_id: self.user.clone(),
            channel: self.channel.clone(),
            start: unsigned(start)?,
            end: Some(unsigned(end)?),
            created: Timestamp::from_micros(row.int(2)?),
            modified: now,
        }))
    }
}

fn subscription_from(app: &AppIdent, row: &impl SqlRow) -> StorageResult<UserSubscription> {
    let user = row.text(1)?;
    let created = Timestamp::from_micros(row.int(4)?);
    Ok(UserSubscription {
        id: unsigned(row.int(0)?)?,
        app: app.clone(),
        user_id: UserId::parse(&user)
            .ok_or_else(|| StorageError::corrupt("a stored user id is malformed"))?,
        channel: ChannelName::trusted(&row.text(2)?),
        start: unsigned(row.int(3)?)?,
        end: None,
        created,
        modified: created,
    })
}
