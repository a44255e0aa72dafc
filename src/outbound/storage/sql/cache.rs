//! The last events of cache channels.

use async_trait::async_trait;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::value::{Arg, SqlRow, signed, unsigned};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, Mid, Timestamp};
use crate::core::ports::CacheStore;

const UPSERT: &str = "INSERT INTO cache (app, channel, mid, name, data, time, serial, expires) \
    SELECT id, $2, $3, $4, $5, $6, $7, $8 FROM apps WHERE ident = $1 \
    ON CONFLICT (app, channel) DO UPDATE SET mid = excluded.mid, name = excluded.name, data = excluded.data, \
    time = excluded.time, serial = excluded.serial, expires = excluded.expires";
pub(super) const LAST: &str = "SELECT c.mid, c.name, c.data, c.time, c.serial, c.expires \
    FROM cache c JOIN apps a ON a.id = c.app WHERE a.ident = $1 AND c.channel = $2";
pub(super) const PRUNE: &str = "DELETE FROM cache WHERE expires <= $1";

fn args(event: &CachedEvent) -> [Arg<'_>; 8] {
    [
        Arg::Text(event.app.as_str()),
        Arg::Text(event.channel.as_str()),
        Arg::Text(&event.mid.0),
        Arg::Text(&event.event),
        Arg::Text(&event.data),
        Arg::Int(event.timestamp.micros()),
        // Serials start at 1; 0 means that the event is not persisted.
        Arg::Int(event.serial.map_or(0, signed)),
        Arg::Int(event.expires.micros()),
    ]
}

#[async_trait]
impl<D: Driver> CacheStore for SqlStore<D> {
    async fn keep(&self, events: &[CachedEvent]) -> Result<(), StorageError> {
        // Sorted, so that two transactions cannot deadlock.
        let mut events = events.to_vec();
        events.sort_by(|a, b| (&a.app, &a.channel).cmp(&(&b.app, &b.channel)));
        let kept = self.driver.write(move |connection| {
            Box::pin(async move {
                for event in &events {
                    connection.execute(UPSERT, &args(event)).await?;
                }
                Ok(())
            })
        });
        kept.await
    }

    async fn last(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<CachedEvent>, StorageError> {
        let (app, channel) = (app.clone(), channel.clone());
        let (ident, name) = (app.clone(), channel.clone());
        let read = self.driver.read(move |connection| {
            Box::pin(async move {
                connection
                    .row(LAST, &[Arg::Text(ident.as_str()), Arg::Text(name.as_str())])
                    .await
            })
        });
        let Some(row) = read.await? else {
            return Ok(None);
        };
        Ok(Some(CachedEvent {
            app,
            channel,
            mid: Mid(row.text(0)?.into()),
            event: row.text(1)?.into(),
            data: row.text(2)?.into(),
            timestamp: Timestamp::from_micros(row.int(3)?),
            serial: Some(unsigned(row.int(4)?)?).filter(|serial| *serial != 0),
            expires: Timestamp::from_micros(row.int(5)?),
        }))
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let now = now.micros();
        self.driver
            .write(move |connection| {
                Box::pin(async move { connection.execute(PRUNE, &[Arg::Int(now)]).await })
            })
            .await
    }
}
