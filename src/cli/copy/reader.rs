//! Reads all data of an app in pages, in an order in which they can be written.

use super::store::{CopyError, CopyStore};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, DueMark, Event, NotificationTarget, OutboxEvent,
    SubscriptionFilter, SubscriptionInterval, TargetKind, UserId, UserSubscription,
};

/// The maximum number of records per page.
pub(super) const PAGE: usize = 500;

/// The approximate maximum size of a page of events.
const PAGE_BYTES: usize = 4 << 20;

/// The notifications of a page: each can have as many bytes as an event.
const WAITING: usize = 50;

/// Events in the first page, read before their size is known.
const FIRST_EVENTS: usize = 16;

/// Some records of an app; never empty.
pub(super) enum CopyPage {
    Channels(Vec<(ChannelName, u64)>),
    Events(Vec<Event>),
    Subscriptions(Vec<UserSubscription>),
    Intervals(Vec<SubscriptionInterval>),
    Cached(Vec<CachedEvent>),
    Targets(Vec<NotificationTarget>),
    Due(Vec<DueMark>),
    Waiting(Vec<OutboxEvent>),
}

/// The position of the next page: after the last record of the page before, by kind.
enum Cursor {
    Channels(Option<ChannelName>),
    Events(u64),
    Subscriptions(u64),
    Intervals(Option<UserId>),
    Cached(Option<ChannelName>),
    Targets(usize, u64),
    Due(u64),
    Waiting(u64),
}

/// Reads the records of an app from a store.
pub(super) struct AppReader<'a> {
    store: &'a CopyStore,
    app: &'a AppIdent,
    cursor: Cursor,
    /// Events with ids up to this one are skipped.
    events_after: u64,
    /// The size of the next page of events.
    event_page_size: usize,
}

impl<'a> AppReader<'a> {
    /// Reads all records of an app, except events with ids up to `events_after`.
    pub(super) fn new(store: &'a CopyStore, app: &'a AppIdent, events_after: u64) -> Self {
        Self {
            store,
            app,
            cursor: Cursor::Channels(None),
            events_after,
            event_page_size: FIRST_EVENTS,
        }
    }

    /// Reads the next page; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<CopyPage>, CopyError> {
        self.read().await.map_err(|error| self.store.error(error))
    }

    async fn read(&mut self) -> Result<Option<CopyPage>, StorageError> {
        let (stores, app) = (&self.store.stores, self.app);
        let archive = &stores.archive;
        loop {
            self.cursor = match &mut self.cursor {
                Cursor::Channels(after) => {
                    let page = archive.channels(app, after.as_ref(), PAGE).await?;
                    if let Some((last, _)) = page.last() {
                        *after = Some(last.clone());
                        return Ok(Some(CopyPage::Channels(page)));
                    }
                    Cursor::Events(self.events_after)
                }
                Cursor::Events(after) => {
                    let page = archive.events(app, *after, self.event_page_size).await?;
                    if let Some(last) = page.last() {
                        *after = last.position.id;
                        self.event_page_size = next_page_size(&page);
                        return Ok(Some(CopyPage::Events(page)));
                    }
                    Cursor::Subscriptions(0)
                }
                Cursor::Subscriptions(after) => {
                    let page = stores
                        .subscriptions
                        .list(app, &SubscriptionFilter::default(), *after, PAGE)
                        .await?;
                    if let Some(last) = page.last() {
                        *after = last.id;
                        return Ok(Some(CopyPage::Subscriptions(page)));
                    }
                    Cursor::Intervals(None)
                }
                Cursor::Intervals(after) => {
                    let page = archive.intervals(app, after.as_ref(), PAGE).await?;
                    if let Some(last) = page.last() {
                        *after = Some(last.user_id.clone());
                        return Ok(Some(CopyPage::Intervals(page)));
                    }
                    Cursor::Cached(None)
                }
                Cursor::Cached(after) => {
                    let page = archive.cached(app, after.as_ref(), PAGE).await?;
                    if let Some(last) = page.last() {
                        *after = Some(last.channel.clone());
                        return Ok(Some(CopyPage::Cached(page)));
                    }
                    Cursor::Targets(0, 0)
                }
                Cursor::Targets(at, after) => match TargetKind::NAMES.get(*at) {
                    None => Cursor::Due(0),
                    Some((kind, _)) => {
                        let page = archive.targets(app, *kind, *after, PAGE).await?;
                        if let Some(last) = page.last() {
                            *after = last.id;
                            return Ok(Some(CopyPage::Targets(page)));
                        }
                        Cursor::Targets(*at + 1, 0)
                    }
                },
                Cursor::Due(after) => {
                    let page = stores.due.list_due(app, *after, PAGE).await?;
                    if let Some(last) = page.last() {
                        *after = last.event;
                        return Ok(Some(CopyPage::Due(page)));
                    }
                    Cursor::Waiting(0)
                }
                Cursor::Waiting(after) => {
                    let log = &stores.notifications;
                    let page = log.waiting_notifications(app, *after, WAITING).await?;
                    let Some((last, _)) = page.last() else {
                        return Ok(None);
                    };
                    *after = *last;
                    let page = page.into_iter().map(|(_, event)| event);
                    return Ok(Some(CopyPage::Waiting(page.collect())));
                }
            };
        }
    }
}

/// The number of events of this average size that fit a page.
fn next_page_size(page: &[Event]) -> usize {
    let bytes =
        |event: &Event| event.new.payload.data.len() + event.new.payload.extra.as_str().len();
    let bytes: usize = page.iter().map(bytes).sum();
    (page.len() * PAGE_BYTES / bytes.max(1)).clamp(1, PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Mid, NewEvent, Payload, Position, Timestamp};

    #[test]
    fn pages_of_large_events_are_smaller() {
        let event = |bytes| Event {
            new: NewEvent {
                app: AppIdent::trusted("a"),
                mid: Mid("m".into()),
                channel: ChannelName::trusted("x"),
                owner_id: None,
                timestamp: Timestamp::default(),
                publish: None,
                payload: Payload {
                    event: "e".into(),
                    data: "d".repeat(bytes).into(),
                    extra: Default::default(),
                },
            },
            position: Position { id: 1, serial: 1 },
        };
        assert_eq!(
            [0, 10, PAGE_BYTES / 10, PAGE_BYTES, 9 * PAGE_BYTES]
                .map(|bytes| next_page_size(&[event(bytes)])),
            [PAGE, PAGE, 10, 1, 1]
        );
    }
}
