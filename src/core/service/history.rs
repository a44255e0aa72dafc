//! Reading stored events: history, replay, inboxes.

use super::Service;
use crate::core::error::StorageError;
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
#[derive(Debug, Clone)]
pub struct ReplayedEvents {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Whether `events` is complete. Otherwise it has the newest ten events, and the client has to reload its state.
    pub recovered: bool,
    /// The newest serial that `events` covers; 0: the channel is empty.
    pub serial: u64,
}

/// History could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the store is unavailable: try again later")]
pub struct HistoryError(#[from] pub StorageError);

/// The events in an incomplete replay.
const INCOMPLETE_REPLAY: usize = 10;

impl Service {
    /// Events of a channel, newest first, after skipping `skip`; of a personal channel, the user's inbox. `count` is reduced
    /// to the configured limit.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn latest(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        skip: u64,
        count: u64,
    ) -> Result<Vec<Event>, HistoryError> {
        let count = self.history_count(count);
        if count == 0 {
            return Ok(Vec::new());
        }
        if let Some(user) = channel.personal_user() {
            // A bound for the work of the store; no client pages through so much.
            let Some(skip) = usize::try_from(skip).ok().filter(|skip| *skip <= 1_000_000) else {
                return Ok(Vec::new());
            };
            return Ok(self
                .ports
                .stores
                .events
                .inbox(app, &user, skip, count)
                .await?);
        }
        if skip == 0 {
            return Ok(self
                .ports
                .stores
                .events
                .history(app, channel, None, count)
                .await?);
        }
        // Serials are contiguous, so skipping is counting down from the head.
        let head = self.head(app, channel).await?;
        match head.checked_sub(skip) {
            None | Some(0) => Ok(Vec::new()),
            Some(newest) => Ok(self
                .ports
                .stores
                .events
                .history(app, channel, Some(newest + 1), count)
                .await?),
        }
    }

    /// The app's newest events of all channels, newest first. `count` is reduced to the configured limit.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn recent(&self, app: &AppIdent, count: u64) -> Result<Vec<Event>, HistoryError> {
        match self.history_count(count) {
            0 => Ok(Vec::new()),
            count => Ok(self.ports.stores.events.recent(app, count).await?),
        }
    }

    /// Events of a channel after a serial, oldest first, at most `count` (reduced to the configured limit).
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn events_after(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        serial: u64,
        count: u64,
    ) -> Result<Vec<Event>, HistoryError> {
        match self.history_count(count) {
            0 => Ok(Vec::new()),
            count => Ok(self
                .ports
                .stores
                .events
                .replay(app, channel, serial, i64::MAX as u64, count)
                .await?),
        }
    }

    fn history_count(&self, count: u64) -> usize {
        let limit = self.rules.limits.history;
        let count = if limit == 0 { count } else { count.min(limit) };
        // The limit of one response where none is configured.
        usize::try_from(count).unwrap_or(usize::MAX).min(10_000)
    }

    async fn head(&self, app: &AppIdent, channel: &ChannelName) -> Result<u64, StorageError> {
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

    /// The newest events of a channel, oldest first, at most `count`.
    pub(super) async fn newest(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        count: usize,
    ) -> Result<ReplayedEvents, StorageError> {
        let head = self.head(app, channel).await?;
        let mut events = match head.min(count as u64) {
            0 => Vec::new(),
            _ => {
                self.ports
                    .stores
                    .events
                    .history(app, channel, Some(head.saturating_add(1)), count)
                    .await?
            }
        };
        events.reverse();
        Ok(ReplayedEvents {
            events,
            recovered: true,
            serial: head,
        })
    }

    /// The events of a channel after `since`.
    pub(super) async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        since: Option<u64>,
    ) -> Result<ReplayedEvents, StorageError> {
        let head = self.head(app, channel).await?;
        let Some(since) = since else {
            return Ok(ReplayedEvents {
                events: Vec::new(),
                recovered: true,
                serial: head,
            });
        };
        let limit = self.rules.limits.replay;
        if let Some(missing) = head
            .checked_sub(since)
            .filter(|missing| limit == 0 || *missing <= limit)
        {
            let events = match usize::try_from(missing) {
                Ok(0) => Vec::new(),
                Ok(count) => {
                    self.ports
                        .stores
                        .events
                        .replay(app, channel, since, head, count)
                        .await?
                }
                Err(_) => Vec::new(),
            };
            if events.len() as u64 == missing {
                return Ok(ReplayedEvents {
                    events,
                    recovered: true,
                    serial: head,
                });
            }
        }
        Ok(ReplayedEvents {
            recovered: false,
            ..self.newest(app, channel, INCOMPLETE_REPLAY).await?
        })
    }
}
