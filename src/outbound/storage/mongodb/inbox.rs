//! A user's inbox: a merge of intervals of channels, and of what the original wrote for the user.

use std::collections::HashSet;

use mongodb::bson::{Document, doc};

use super::events::all;
use super::{MongoStore, Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event, UserId};
use crate::outbound::storage::merge::{InboxInterval, InboxMerge};

/// Where events of an inbox come from.
enum Source {
    /// A channel; bounds are serials.
    Channel(ChannelName),
    /// What the original wrote; bounds are the events' numbers.
    Associations,
}

impl MongoStore {
    pub(super) async fn read_inbox(
        &self,
        app: &AppIdent,
        user: &UserId,
        skip: usize,
        limit: usize,
    ) -> Outcome<Vec<Event>> {
        let Some(number) = self.app_number(app).await? else {
            return Ok(Vec::new());
        };
        self.adopt(doc! { "instance": app.as_str(), "user_id": user.as_str() })
            .await?;
        let mut merge = InboxMerge::new(self.intervals(app, number, user).await?, skip, limit);
        while let Some(read) = merge.next_read() {
            let (events, rest) = match &read.source {
                Source::Channel(channel) => {
                    let serials = doc! { "$gt": read.low, "$lte": read.high };
                    let events = self
                        .read_channel(app, channel, serials, -1, read.count)
                        .await?;
                    let oldest = events
                        .last()
                        .filter(|_| events.len() == read.count)
                        .map(|event| value::signed(event.position.serial));
                    (events, oldest)
                }
                Source::Associations => {
                    self.associated(app, user, read.low, read.high, read.count)
                        .await?
                }
            };
            let rest = rest.map_or(read.low, |oldest| oldest - 1);
            merge.add(read, events, rest);
        }
        Ok(merge.finish())
    }

    /// The intervals of a user, none overlapping another of its channel: the personal channel is there as a whole, so
    /// what the user subscribed to of it adds nothing.
    async fn intervals(
        &self,
        app: &AppIdent,
        number: i64,
        user: &UserId,
    ) -> Outcome<Vec<InboxInterval<Source>>> {
        let personal = ChannelName::personal_of(user);
        let of_user = doc! { "instance": app.as_str(), "user_id": user.as_str() };
        let (mut open, mut ended) = (of_user.clone(), of_user);
        open.insert("start", doc! { "$gte": 0 });
        ended.insert("app", number);
        let (open, ended, associated) = tokio::try_join!(
            async { all(self.collections.subscriptions.find(open)).await },
            async { all(self.collections.intervals.find(ended)).await },
            self.has_associations(app, user),
        )?;
        let mut wanted = vec![(personal.clone(), 0, i64::MAX)];
        let channel = |document: &Document| {
            Ok::<_, StorageError>(ChannelName::trusted(value::text(document, "event")?))
        };
        for document in &open {
            wanted.push((channel(document)?, value::int(document, "start")?, i64::MAX));
        }
        for document in &ended {
            wanted.push((
                channel(document)?,
                value::int(document, "start")?,
                value::int(document, "end")?,
            ));
        }
        wanted.retain(|(channel, start, end)| {
            start < end && (*channel != personal || *end == i64::MAX && *start == 0)
        });
        let mut seen = HashSet::new();
        wanted.retain(|place| seen.insert(place.clone()));
        let channels: HashSet<ChannelName> =
            wanted.iter().map(|(channel, ..)| channel.clone()).collect();
        let heads = self
            .read_heads(app, number, &channels.into_iter().collect::<Vec<_>>())
            .await?;
        let mut intervals = Vec::with_capacity(wanted.len() + 1);
        for (channel, start, end) in wanted {
            let head = heads.get(&channel).copied().unwrap_or_default();
            let newest = u64::try_from(head.id).map_err(StorageError::corrupt)?;
            intervals.push(InboxInterval::new(
                Source::Channel(channel),
                start,
                end.min(head.serial),
                newest,
            ));
        }
        if associated {
            intervals.push(InboxInterval::new(
                Source::Associations,
                0,
                i64::MAX,
                u64::MAX,
            ));
        }
        Ok(intervals)
    }
}
