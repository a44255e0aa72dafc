//! Reading events and positions.

use std::collections::{BTreeSet, HashMap};

use futures_util::TryStreamExt;
use mongodb::action::Find;
use mongodb::bson::{Bson, Document, doc};

use super::document::{ChannelRef, event_from, position_from};
use super::{MANY, all};
use crate::core::model::{AppIdent, ChannelName, Event, Mid, Position};
use crate::core::ports::ReadLimit;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::classify;
use crate::outbound::storage::mongodb::{MongoStore, value};
use crate::outbound::storage::page::EventPage;

/// The documents of one response of the server: those beyond the limit of bytes are read in vain.
const BATCH: u32 = 32;

impl MongoStore {
    /// Reads the position of each event, in order; `None` for an event that is not stored.
    pub(super) async fn read_positions(
        &self,
        app: &AppIdent,
        mids: &[Mid],
    ) -> StorageResult<Vec<Option<Position>>> {
        let mut found: HashMap<String, Position> = HashMap::with_capacity(mids.len());
        for mids in mids.chunks(MANY) {
            let mids: Vec<&str> = mids.iter().map(|mid| &*mid.0).collect();
            let filter =
                doc! { "mid": { "$in": mids }, "instance": app.as_str(), "serial": { "$gt": 0 } };
            let events = self
                .collections
                .events
                .find(filter)
                .projection(doc! { "mid": 1, "id": 1, "serial": 1 });
            for document in all(events).await? {
                found.insert(
                    value::text(&document, "mid")?.to_owned(),
                    position_from(&document)?,
                );
            }
        }
        Ok(mids.iter().map(|mid| found.get(&*mid.0).copied()).collect())
    }

    pub(super) async fn read_history(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        let before = before.map_or(i64::MAX, value::signed);
        self.read_channel(app, channel, doc! { "$gt": 0, "$lt": before }, -1, limit)
            .await
    }

    pub(super) async fn read_replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        after: u64,
        upto: u64,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        self.read_channel(
            app,
            channel,
            doc! { "$gt": value::signed(after), "$lte": value::signed(upto) },
            1,
            limit,
        )
        .await
    }

    pub(super) async fn read_recent(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        let mut filter = doc! { "instance": app.as_str() };
        if let Some(before) = before {
            filter.insert("id", doc! { "$lt": value::signed(before) });
        }
        self.read_events(app, filter, doc! { "id": -1 }, limit)
            .await
    }

    /// Reads events of a channel by serial, in ascending (1) or descending (-1) order.
    pub(in super::super) async fn read_channel(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        serials: Document,
        direction: i32,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        let channel_ref = ChannelRef {
            app: app.clone(),
            app_id: 0,
            channel: channel.clone(),
        };
        if !self.backfill_cache.is_fresh(&channel_ref) {
            match self.app_id(app).await? {
                Some(app_id) => {
                    self.backfill_serials(&[ChannelRef {
                        app_id,
                        ..channel_ref.clone()
                    }])
                    .await?
                }
                None => return Ok(Vec::new()),
            }
        }
        let filter =
            doc! { "instance": app.as_str(), "channel": channel.as_str(), "serial": serials };
        self.read_events(app, filter, doc! { "serial": direction }, limit)
            .await
    }

    /// Reads events of an app, and assigns missing serials.
    pub(in super::super) async fn read_events(
        &self,
        app: &AppIdent,
        filter: Document,
        sort: Document,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        // MongoDB takes a limit of 0 as no limit.
        if limit.events == 0 {
            return Ok(Vec::new());
        }
        loop {
            let found = self
                .collections
                .events
                .find(filter.clone())
                .sort(sort.clone())
                .limit(value::signed(limit.events));
            let channels = match self.read_page(app, found, limit).await? {
                Ok(events) => return Ok(events),
                Err(without_serial) => without_serial,
            };
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(Vec::new());
            };
            let channel_refs: Vec<ChannelRef> = channels
                .into_iter()
                .map(|channel| ChannelRef {
                    app: app.clone(),
                    app_id,
                    channel,
                })
                .collect();
            for channel_refs in channel_refs.chunks(MANY) {
                self.backfill_cache.invalidate(channel_refs);
                self.backfill_serials(channel_refs).await?;
            }
        }
    }
    /// Reads documents until the limit is reached; `Err`: the channels of those among the first ones that have no serial.
    async fn read_page(
        &self,
        app: &AppIdent,
        query: Find<'_, Document>,
        limit: ReadLimit,
    ) -> StorageResult<Result<Vec<Event>, BTreeSet<ChannelName>>> {
        let mut page = EventPage::new(limit);
        let mut without_serial = BTreeSet::new();
        let query = match limit.bytes {
            usize::MAX => query,
            _ => query.batch_size(BATCH),
        };
        let mut cursor = query.await.map_err(classify)?;
        while let Some(document) = cursor.try_next().await.map_err(classify)? {
            if matches!(document.get("serial"), None | Some(Bson::Null)) {
                let channel = value::text(&document, "channel")?;
                without_serial.insert(ChannelName::trusted(channel));
                if without_serial.len() >= MANY {
                    break;
                }
            } else if without_serial.is_empty() {
                page.push(event_from(app, &document)?);
                if page.is_full() {
                    break;
                }
            }
        }
        Ok(match without_serial.is_empty() {
            true => Ok(page.into_events()),
            false => Err(without_serial),
        })
    }
}
