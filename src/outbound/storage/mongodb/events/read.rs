//! Reading events and positions.

use std::collections::{BTreeSet, HashMap};

use mongodb::bson::{Bson, Document, doc};

use super::document::{ChannelRef, event_from, position_from};
use super::{MANY, all};
use crate::core::model::{AppIdent, ChannelName, Event, Mid, Position};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::{MongoStore, value};

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
        limit: usize,
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
        limit: usize,
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
        limit: usize,
    ) -> StorageResult<Vec<Event>> {
        self.read_events(
            app,
            doc! { "instance": app.as_str() },
            doc! { "id": -1 },
            limit,
        )
        .await
    }

    /// Reads events of a channel by serial, in ascending (1) or descending (-1) order.
    pub(in super::super) async fn read_channel(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        serials: Document,
        direction: i32,
        limit: usize,
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
        limit: usize,
    ) -> StorageResult<Vec<Event>> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        loop {
            let found = self
                .collections
                .events
                .find(filter.clone())
                .sort(sort.clone())
                .limit(value::signed(limit));
            let found = all(found).await?;
            let without =
                |document: &&Document| matches!(document.get("serial"), None | Some(Bson::Null));
            let channels = found
                .iter()
                .filter(without)
                .map(|document| value::text(document, "channel"));
            let channels: BTreeSet<ChannelName> = channels
                .map(|name| name.map(ChannelName::trusted))
                .collect::<StorageResult<_>>()?;
            if channels.is_empty() {
                return found
                    .iter()
                    .map(|document| event_from(app, document))
                    .collect();
            }
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
}
