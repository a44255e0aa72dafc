//! A user's inbox: a merge of intervals of channels and of the original's associations.

use std::collections::HashSet;

use mongodb::bson::{Document, doc};

use super::events::all;
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, UserId};
use crate::core::ports::ReadLimit;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::merge::{InboxInterval, InboxMerge};

/// A source of events.
enum InboxSource {
    /// A channel; the bounds are serials.
    Channel(ChannelName),
    /// The original's associations; the bounds are event ids.
    Associations,
}

impl MongoStore {
    pub(super) async fn read_inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: ReadLimit,
    ) -> StorageResult<Vec<Event>> {
        let Some(app_id) = self.app_id(app).await? else {
            return Ok(Vec::new());
        };
        self.adopt(doc! { "instance": app.as_str(), "user_id": user.as_str() })
            .await?;
        let mut merge = InboxMerge::new(self.intervals(app, app_id, user).await?, skip, limit);
        while let Some(read) = merge.next_read() {
            let (events, rest) = match &read.source {
                InboxSource::Channel(channel) => {
                    let serials = doc! { "$gt": read.low, "$lte": read.high };
                    let events = self
                        .read_channel(app, channel, serials, -1, read.limit)
                        .await?;
                    let oldest = read
                        .oldest_if_cut(&events)
                        .map(|event| value::signed(event.position.serial));
                    (events, oldest)
                }
                InboxSource::Associations => {
                    self.associated_events(app, user, read.low, read.high, read.limit)
                        .await?
                }
            };
            let rest = rest.map_or(read.low, |oldest| oldest - 1);
            merge.add(read, events, rest);
        }
        Ok(merge.finish())
    }

    /// Reads the intervals of a user, which are disjoint within a channel. The personal channel is included as a whole, so
    /// subscriptions to it are left out.
    async fn intervals(
        &self,
        app: &AppIdent,
        app_id: i64,
        user: &UserId,
    ) -> StorageResult<Vec<InboxInterval<InboxSource>>> {
        let personal = ChannelName::personal_of(user);
        let of_user = doc! { "instance": app.as_str(), "user_id": user.as_str() };
        let (mut open, mut ended) = (of_user.clone(), of_user);
        open.insert("start", doc! { "$gte": 0 });
        ended.insert("app", app_id);
        let (open, ended, associated) = tokio::try_join!(
            async { all(self.collections.subscriptions.find(open)).await },
            async { all(self.collections.intervals.find(ended)).await },
            self.has_associations(app, user),
        )?;
        let mut ranges = vec![(personal.clone(), 0, i64::MAX)];
        let channel = |document: &Document| {
            Ok::<_, StorageError>(ChannelName::trusted(value::text(document, "event")?))
        };
        for document in &open {
            ranges.push((channel(document)?, value::int(document, "start")?, i64::MAX));
        }
        for document in &ended {
            ranges.push((
                channel(document)?,
                value::int(document, "start")?,
                value::int(document, "end")?,
            ));
        }
        ranges.retain(|(channel, start, end)| {
            start < end && (*channel != personal || *end == i64::MAX && *start == 0)
        });
        let mut seen = HashSet::new();
        ranges.retain(|range| seen.insert(range.clone()));
        let channels: HashSet<ChannelName> =
            ranges.iter().map(|(channel, ..)| channel.clone()).collect();
        let heads = self
            .read_heads(app, app_id, &channels.into_iter().collect::<Vec<_>>())
            .await?;
        let mut intervals = Vec::with_capacity(ranges.len() + 1);
        for (channel, start, end) in ranges {
            let head = heads.get(&channel).copied().unwrap_or_default();
            let newest = u64::try_from(head.id).map_err(StorageError::corrupt)?;
            intervals.push(InboxInterval::new(
                InboxSource::Channel(channel),
                start,
                end.min(head.serial),
                newest,
            ));
        }
        if associated {
            intervals.push(InboxInterval::new(
                InboxSource::Associations,
                0,
                i64::MAX,
                u64::MAX,
            ));
        }
        Ok(intervals)
    }
}
