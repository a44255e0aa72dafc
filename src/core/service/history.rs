//! Reading stored events: history and inboxes. Every read is bounded in bytes, and its bytes are taken from the budget of
//! all answers before.

use ::core::net::IpAddr;

use super::Service;
use crate::core::answers::{AnswerPermit, AnswersBusy, SMALL_ANSWER};
use crate::core::error::StorageError;
use crate::core::hub::Connection;
use crate::core::model::{AppIdent, ChannelName, Event, UserId};
use crate::core::ports::{DialectId, ReadLimit};

/// A page of stored events.
#[derive(Debug)]
pub struct EventsPage {
    /// The events.
    pub events: Vec<Event>,
    /// Whether others were left out because of their size.
    pub more: bool,
    /// The bytes of `events` in an answer.
    pub bytes: usize,
    /// Keeps these bytes from the budget of all answers.
    pub permit: Option<AnswerPermit>,
}

/// The stored events that a page has.
#[derive(Debug, Clone)]
pub enum EventQuery {
    /// Of a channel, those with a serial below `before`, newest first.
    Before {
        /// The channel.
        channel: ChannelName,
        /// `None`: all.
        before: Option<u64>,
    },
    /// Of a channel, those with a serial in (`after`, `upto`], oldest first.
    After {
        /// The channel.
        channel: ChannelName,
        /// The serial before the first.
        after: u64,
        /// The last serial.
        upto: u64,
    },
    /// Of a user's inbox, those after the newest `skip`, newest first.
    Inbox {
        /// The user.
        user: UserId,
        /// The number of events to leave out.
        skip: usize,
    },
    /// Of all channels, those with an id below `before`, newest first.
    Recent {
        /// `None`: all.
        before: Option<u64>,
    },
}

/// The receiver of an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerReader {
    /// The client's address, which has a bound of its own; `None`: not known.
    pub address: Option<IpAddr>,
    /// The dialect that determines the sizes of events; `None`: their sizes in the store.
    pub dialect: Option<DialectId>,
    /// The most bytes of the answer.
    pub bytes: usize,
    /// Whether the caller has these bytes from the budget already.
    pub acquired: bool,
}

/// History could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store is unavailable.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
    /// Too many answers are being prepared or sent.
    #[error(transparent)]
    Busy(#[from] AnswersBusy),
}

/// The deepest page of an inbox: a bound for the work of the store; no client pages through so much.
const MAX_SKIP: u64 = 1_000_000;

impl Service {
    /// The receiver of an answer over a connection.
    pub fn reader(&self, connection: &Connection) -> AnswerReader {
        AnswerReader {
            address: connection.address(),
            dialect: Some(connection.dialect()),
            bytes: self.answer_bytes(),
            acquired: false,
        }
    }

    /// The most bytes of the events of an answer to a WebSocket client.
    fn answer_bytes(&self) -> usize {
        match usize::try_from(self.rules.limits.answer_bytes) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        }
    }

    /// Events of a channel, newest first, after skipping `skip`; of a personal channel, the user's inbox. `count` is reduced
    /// to the configured limit.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub async fn latest(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        skip: u64,
        count: u64,
        reader: AnswerReader,
    ) -> Result<EventsPage, HistoryError> {
        match self.latest_query(app, channel, skip).await? {
            Some(query) => self.events(app, &query, count, reader).await,
            None => Ok(EventsPage::empty()),
        }
    }

    /// The query of [`Service::latest`]; `None`: there are no such events.
    async fn latest_query(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        skip: u64,
    ) -> Result<Option<EventQuery>, StorageError> {
        if let Some(user) = channel.personal_user() {
            let skip = usize::try_from(skip.min(MAX_SKIP + 1)).unwrap_or(usize::MAX);
            return Ok((skip as u64 <= MAX_SKIP).then_some(EventQuery::Inbox { user, skip }));
        }
        let channel = channel.clone();
        if skip == 0 {
            return Ok(Some(EventQuery::Before {
                channel,
                before: None,
            }));
        }
        // Serials are contiguous, so skipping is counting down from the head.
        let head = self.head(app, &channel).await?;
        let newest = head.checked_sub(skip).filter(|newest| *newest > 0);
        Ok(newest.map(|newest| EventQuery::Before {
            channel,
            before: Some(newest + 1),
        }))
    }

    /// Stored events, at most `count` (reduced to the configured limit), and no more than `reader` takes in one answer.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub async fn events(
        &self,
        app: &AppIdent,
        query: &EventQuery,
        count: u64,
        reader: AnswerReader,
    ) -> Result<EventsPage, HistoryError> {
        match self.history_count(count) {
            0 => Ok(EventsPage::empty()),
            count => self.page(app, query, count, reader).await,
        }
    }

    /// The number of events that an answer has at most, where `count` are requested.
    pub fn history_count(&self, count: u64) -> usize {
        let limit = self.rules.limits.history;
        let count = if limit == 0 { count } else { count.min(limit) };
        // The limit of one response where none is configured.
        usize::try_from(count).unwrap_or(usize::MAX).min(10_000)
    }

    /// Reads a page with a small part of the budget first, and with as much as the answer may have where that is too little.
    pub(super) async fn page(
        &self,
        app: &AppIdent,
        query: &EventQuery,
        count: usize,
        reader: AnswerReader,
    ) -> Result<EventsPage, HistoryError> {
        let small = match reader.acquired {
            true => reader.bytes,
            false => reader.bytes.min(SMALL_ANSWER),
        };
        let (page, is_whole) = self.page_of(app, query, count, reader, small).await?;
        if is_whole || small == reader.bytes {
            return Ok(page);
        }
        drop(page);
        Ok(self
            .page_of(app, query, count, reader, reader.bytes)
            .await?
            .0)
    }

    /// Reads a page of at most `bytes`, or one event; also returns whether nothing was left out for want of bytes.
    async fn page_of(
        &self,
        app: &AppIdent,
        query: &EventQuery,
        count: usize,
        reader: AnswerReader,
        bytes: usize,
    ) -> Result<(EventsPage, bool), HistoryError> {
        let mut permit = self.acquire(app, reader, bytes).await?;
        let limit = ReadLimit {
            events: count,
            bytes,
        };
        let mut events = self.read(app, query, limit).await?;
        let more = events.len() < count && limit.bytes_reached(&events);
        let (used, cut) = self.cut(&mut events, bytes, reader);
        if let Some(permit) = &mut permit {
            permit.shrink_to(used);
        }
        let page = EventsPage {
            events,
            more: more || cut,
            bytes: used,
            permit,
        };
        let is_whole = !page.more && used <= bytes;
        Ok((page, is_whole))
    }

    /// Acquires the bytes of a page of a list, which the caller keeps until the last page is sent.
    ///
    /// # Errors
    /// None came free in time.
    pub async fn list_permit(
        &self,
        app: &AppIdent,
        bytes: usize,
    ) -> Result<Option<AnswerPermit>, HistoryError> {
        let reader = AnswerReader {
            address: None,
            dialect: None,
            bytes,
            acquired: false,
        };
        Ok(self.acquire(app, reader, bytes).await?)
    }

    /// Acquires bytes from the budget, unless the caller has them.
    pub(super) async fn acquire(
        &self,
        app: &AppIdent,
        reader: AnswerReader,
        bytes: usize,
    ) -> Result<Option<AnswerPermit>, AnswersBusy> {
        if reader.acquired {
            return Ok(None);
        }
        let acquired = self.answers.acquire(app, reader.address, bytes).await;
        if acquired.is_err() {
            self.hub.metrics().answer_refused();
        }
        acquired.map(Some)
    }

    /// Acquires the bytes of names in an answer; `None`: there are none.
    pub(super) async fn acquire_names(
        &self,
        app: &AppIdent,
        bytes: usize,
    ) -> Result<Option<AnswerPermit>, AnswersBusy> {
        if bytes == 0 {
            return Ok(None);
        }
        let acquired = self.answers.acquire_names(app, bytes).await;
        if acquired.is_err() {
            self.hub.metrics().answer_refused();
        }
        acquired.map(Some)
    }

    async fn read(
        &self,
        app: &AppIdent,
        query: &EventQuery,
        limit: ReadLimit,
    ) -> Result<Vec<Event>, StorageError> {
        let events = &self.ports.stores.events;
        match query {
            EventQuery::Before { channel, before } => {
                events.history(app, channel, *before, limit).await
            }
            EventQuery::After {
                channel,
                after,
                upto,
            } => events.replay(app, channel, *after, *upto, limit).await,
            EventQuery::Inbox { user, skip } => events.inbox(app, user, *skip, limit).await,
            EventQuery::Recent { before } => events.recent(app, *before, limit).await,
        }
    }

    /// Removes the events that have no room in `bytes`, though never the first one. Returns the bytes of the others, and
    /// whether any was removed.
    fn cut(&self, events: &mut Vec<Event>, bytes: usize, reader: AnswerReader) -> (usize, bool) {
        let mut used = 0_usize;
        let fitting = events.iter().take_while(|event| {
            let size = match reader.dialect {
                Some(dialect) => self.hub.dialect(dialect).replayed_size(event),
                None => event.size(),
            };
            let fits = used == 0 || used.saturating_add(size) <= bytes;
            if fits {
                used += size;
            }
            fits
        });
        let count = fitting.count();
        let cut = count < events.len();
        events.truncate(count);
        (used, cut)
    }

    pub(super) async fn head(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<u64, StorageError> {
        let heads = self
            .ports
            .stores
            .events
            .heads(app, std::slice::from_ref(channel))
            .await?;
        heads
            .first()
            .copied()
            .ok_or_else(|| StorageError::corrupt("the store returned no head"))
    }

    /// The newest serials of channels, in order.
    pub(super) async fn heads(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, StorageError> {
        self.ports.stores.events.heads(app, channels).await
    }
}

impl EventsPage {
    pub(super) fn empty() -> Self {
        Self {
            events: Vec::new(),
            more: false,
            bytes: 0,
            permit: None,
        }
    }
}
