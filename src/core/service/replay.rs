//! Replay: the events of a channel that a client has missed, whole or page by page.

use super::Service;
use super::history::{AnswerReader, EventQuery, EventsPage, HistoryError};
use crate::core::answers::AnswerPermit;
use crate::core::hub::Connection;
use crate::core::model::{AppIdent, ChannelName, Event};

/// The start of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Everything after this serial.
    Serial(u64),
    /// No past events; only the serial from which live events continue.
    Now,
    /// Of a personal channel: a serial for it and each of its aliases.
    Each(Vec<(ChannelName, u64)>),
}

/// The result of a replay.
#[derive(Debug)]
pub struct ReplayedEvents {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Whether `events` has everything up to `serial`. Otherwise it has the newest ten events, or fewer where these are
    /// too large, and the client has to reload its state.
    pub recovered: bool,
    /// The newest serial that `events` covers; 0: the channel is empty.
    pub serial: u64,
    /// Whether stored events follow after `serial`: the client asks for the next page from there.
    pub more: bool,
    /// The bytes of `events` in an answer.
    pub bytes: usize,
    /// Keeps these bytes from the budget of all answers.
    pub permit: Option<AnswerPermit>,
}

/// The events in an incomplete replay.
const INCOMPLETE_REPLAY: usize = 10;

impl Service {
    /// The newest events of a channel, oldest first, at most `count`.
    pub(super) async fn newest(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        count: usize,
        reader: AnswerReader,
    ) -> Result<ReplayedEvents, HistoryError> {
        let head = self.head(app, channel).await?;
        self.newest_upto(app, channel, head, count, reader).await
    }

    async fn newest_upto(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        head: u64,
        count: usize,
        reader: AnswerReader,
    ) -> Result<ReplayedEvents, HistoryError> {
        let EventsPage {
            mut events,
            bytes,
            permit,
            ..
        } = match head.min(count as u64) {
            0 => EventsPage::empty(),
            _ => {
                let query = EventQuery::Before {
                    channel: channel.clone(),
                    before: Some(head.saturating_add(1)),
                };
                self.page(app, &query, count, reader).await?
            }
        };
        events.reverse();
        Ok(ReplayedEvents {
            events,
            recovered: true,
            serial: head,
            more: false,
            bytes,
            permit,
        })
    }

    /// The newest serials of the channels of a connection, in order; 0: nothing was stored.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn serials(
        &self,
        connection: &Connection,
        channels: &[ChannelName],
    ) -> Result<Vec<u64>, HistoryError> {
        let app = connection.app();
        Ok(self.heads(&app.ident, channels).await?)
    }

    /// A page of the events of a channel that a connection has missed after `since`.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub async fn missed(
        &self,
        connection: &Connection,
        channel: &ChannelName,
        since: u64,
    ) -> Result<ReplayedEvents, HistoryError> {
        let (app, reader) = (connection.app(), self.reader(connection));
        self.replay(&app.ident, channel, Some(since), true, reader)
            .await
    }

    /// The events of a channel after `since`. With `paging`, a part of them where all are too many or too large.
    pub(super) async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        since: Option<u64>,
        paging: bool,
        reader: AnswerReader,
    ) -> Result<ReplayedEvents, HistoryError> {
        let head = self.head(app, channel).await?;
        self.replay_upto(app, channel, since, head, paging, reader)
            .await
    }

    /// The events of a channel with the newest serial `head`.
    pub(super) async fn replay_upto(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        since: Option<u64>,
        head: u64,
        paging: bool,
        reader: AnswerReader,
    ) -> Result<ReplayedEvents, HistoryError> {
        let nothing = ReplayedEvents {
            events: Vec::new(),
            recovered: true,
            serial: head,
            more: false,
            bytes: 0,
            permit: None,
        };
        let Some(since) = since.filter(|since| *since != head) else {
            return Ok(nothing);
        };
        let limit = match self.rules.limits.replay {
            0 => u64::MAX,
            limit => limit,
        };
        let missing = head.checked_sub(since);
        if let Some(missing) = missing.filter(|missing| paging || *missing <= limit) {
            let query = EventQuery::After {
                channel: channel.clone(),
                after: since,
                upto: head,
            };
            let count = usize::try_from(missing.min(limit)).unwrap_or(usize::MAX);
            let page = self.page(app, &query, count, reader).await?;
            let found = page.events.len() as u64;
            let last = page
                .events
                .last()
                .map_or(since, |last| last.position.serial);
            let is_whole = found > 0 && last - since == found;
            if is_whole && (found == missing || paging) {
                return Ok(ReplayedEvents {
                    more: found < missing,
                    serial: last,
                    events: page.events,
                    bytes: page.bytes,
                    permit: page.permit,
                    ..nothing
                });
            }
        }
        Ok(ReplayedEvents {
            recovered: false,
            ..self
                .newest_upto(app, channel, head, INCOMPLETE_REPLAY, reader)
                .await?
        })
    }
}
