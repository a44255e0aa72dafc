//! What was published: history, replay, inboxes.

use super::Service;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event};

/// From where a subscriber wants events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Everything after this serial.
    Serial(u64),
    /// Nothing that was before; only where live events go on from.
    Now,
    /// Of a personal channel: for it and its aliases, each its own serial.
    Each(Vec<(ChannelName, u64)>),
}

/// What a replay found.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Oldest first.
    pub events: Vec<Event>,
    /// Whether these are all that followed; otherwise the newest ten, so that the client knows to reload.
    pub recovered: bool,
    /// The newest serial that this covers; 0: none.
    pub serial: u64,
}

/// Why history could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the store is unavailable: try again later")]
pub struct HistoryError(#[from] pub StorageError);

/// How many events an answer holds where the asked-for ones are not all there.
const NEWEST: usize = 10;

impl Service {
    /// Events of a channel, newest first, after skipping `skip`; of a personal channel, the user's inbox. `count` is cut to
    /// the configured limit.
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
            // No inbox that a client could page through is that long; this keeps the store's work bounded.
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

    /// The app's newest events over all channels, newest first. `count` is cut to the configured limit.
    pub async fn recent(&self, app: &AppIdent, count: u64) -> Result<Vec<Event>, HistoryError> {
        match self.history_count(count) {
            0 => Ok(Vec::new()),
            count => Ok(self.ports.stores.events.recent(app, count).await?),
        }
    }

    /// Events of a channel after a serial, oldest first, at most `count` (cut to the configured limit).
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
        // What one answer may hold where no limit is configured.
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
            .ok_or_else(|| StorageError::corrupt("the store answered no head"))
    }

    /// The newest events of a channel, oldest first, at most `count`.
    pub(super) async fn newest(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        count: usize,
    ) -> Result<Replay, StorageError> {
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
        Ok(Replay {
            events,
            recovered: true,
            serial: head,
        })
    }

    /// What followed on a channel after `since`.
    pub(super) async fn replay(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        since: Option<u64>,
    ) -> Result<Replay, StorageError> {
        let head = self.head(app, channel).await?;
        let Some(since) = since else {
            return Ok(Replay {
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
                return Ok(Replay {
                    events,
                    recovered: true,
                    serial: head,
                });
            }
        }
        Ok(Replay {
            recovered: false,
            ..self.newest(app, channel, NEWEST).await?
        })
    }
}
