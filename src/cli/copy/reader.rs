//! Reads all that an app has, page by page, in an order in which it can be written.

use super::side::{Side, Trouble};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, Event, NotificationTarget, SubscriptionFilter,
    SubscriptionInterval, TargetKind, UserId, UserSubscription,
};

/// So many are read at a time.
pub const PAGE: usize = 500;

/// So many bytes of events, roughly, are read at a time: where events are large, fewer of them.
const PAGE_BYTES: usize = 4 << 20;

/// How many events are read before it is known how large they are.
const FIRST_EVENTS: usize = 16;

/// Some of what an app has; never empty.
pub enum Page {
    Channels(Vec<(ChannelName, u64)>),
    Events(Vec<Event>),
    Subscriptions(Vec<UserSubscription>),
    Intervals(Vec<SubscriptionInterval>),
    Cached(Vec<CachedEvent>),
    Targets(Vec<NotificationTarget>),
}

/// What is read next: behind what.
enum Place {
    Channels(Option<ChannelName>),
    Events(u64),
    Subscriptions(u64),
    Intervals(Option<UserId>),
    Cached(Option<ChannelName>),
    Targets(usize, u64),
}

/// Reads an app.
pub struct Reader<'a> {
    side: &'a Side,
    app: &'a AppIdent,
    place: Place,
    /// The number behind which events are read.
    events_after: u64,
    /// How many events are read at a time.
    events_at_once: usize,
}

impl<'a> Reader<'a> {
    /// Of an app, from its beginning; of its events those with numbers above `events_after`.
    pub fn new(side: &'a Side, app: &'a AppIdent, events_after: u64) -> Self {
        Self {
            side,
            app,
            place: Place::Channels(None),
            events_after,
            events_at_once: FIRST_EVENTS,
        }
    }

    /// The next page; `None` where all was read.
    pub async fn next(&mut self) -> Result<Option<Page>, Trouble> {
        self.read().await.map_err(|error| self.side.trouble(error))
    }

    async fn read(&mut self) -> Result<Option<Page>, StorageError> {
        let (stores, app) = (&self.side.stores, self.app);
        let archive = &stores.archive;
        loop {
            self.place = match &mut self.place {
                Place::Channels(after) => {
                    let page = archive.channels(app, after.as_ref(), PAGE).await?;
                    if let Some((last, _)) = page.last() {
                        *after = Some(last.clone());
                        return Ok(Some(Page::Channels(page)));
                    }
                    Place::Events(self.events_after)
                }
                Place::Events(after) => {
                    let page = archive.events(app, *after, self.events_at_once).await?;
                    if let Some(last) = page.last() {
                        *after = last.position.id;
                        self.events_at_once = fitting(&page);
                        return Ok(Some(Page::Events(page)));
                    }
                    Place::Subscriptions(0)
                }
                Place::Subscriptions(after) => {
                    let page = stores
                        .subscriptions
                        .list(app, &SubscriptionFilter::default(), *after, PAGE)
                        .await?;
                    if let Some(last) = page.last() {
                        *after = last.id;
                        return Ok(Some(Page::Subscriptions(page)));
                    }
                    Place::Intervals(None)
                }
                Place::Intervals(after) => {
                    let page = archive.intervals(app, after.as_ref(), PAGE).await?;
                    if let Some(last) = page.last() {
                        *after = Some(last.user_id.clone());
                        return Ok(Some(Page::Intervals(page)));
                    }
                    Place::Cached(None)
                }
                Place::Cached(after) => {
                    let page = archive.cached(app, after.as_ref(), PAGE).await?;
                    if let Some(last) = page.last() {
                        *after = Some(last.channel.clone());
                        return Ok(Some(Page::Cached(page)));
                    }
                    Place::Targets(0, 0)
                }
                Place::Targets(at, after) => {
                    let Some((kind, _)) = TargetKind::NAMES.get(*at) else {
                        return Ok(None);
                    };
                    let page = archive.targets(app, *kind, *after, PAGE).await?;
                    if let Some(last) = page.last() {
                        *after = last.id;
                        return Ok(Some(Page::Targets(page)));
                    }
                    Place::Targets(*at + 1, 0)
                }
            };
        }
    }
}

/// How many events like these are read at a time.
fn fitting(page: &[Event]) -> usize {
    let bytes = |event: &Event| event.new.payload.data.len() + event.new.payload.extra.len();
    let bytes: usize = page.iter().map(bytes).sum();
    (page.len() * PAGE_BYTES / bytes.max(1)).clamp(1, PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Mid, NewEvent, Payload, Position, Timestamp};

    #[test]
    fn large_events_come_in_smaller_pages() {
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
                    extra: "".into(),
                },
            },
            position: Position { id: 1, serial: 1 },
        };
        assert_eq!(
            [0, 10, PAGE_BYTES / 10, PAGE_BYTES, 9 * PAGE_BYTES]
                .map(|bytes| fitting(&[event(bytes)])),
            [PAGE, PAGE, 10, 1, 1]
        );
    }
}
