//! What a session does at a later time.

use tokio::time::Instant;

use crate::core::model::ChannelName;

/// What a session does at a later time; most have nothing.
#[derive(Default)]
pub(super) struct SessionTimers(Option<Box<DueTimes>>);

#[derive(Default)]
struct DueTimes {
    /// Personal channels whose aliases changed and could not be read.
    unavailable: Vec<ChannelName>,
    /// When these are read again.
    reload: Option<Instant>,
    /// When the client's token expires.
    token_end: Option<Instant>,
}

impl SessionTimers {
    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.0.as_deref()?;
        due.reload.into_iter().chain(due.token_end).min()
    }

    /// Records a personal channel whose aliases are read again at this time.
    pub(super) fn reload_later(&mut self, channel: ChannelName, at: Instant) {
        let due = self.0.get_or_insert_default();
        due.unavailable.push(channel);
        due.reload = Some(at);
    }

    /// Whether the aliases of a channel could not be read; forgets it.
    pub(super) fn take_unavailable(&mut self, channel: &ChannelName) -> bool {
        let Some(due) = self.0.as_deref_mut() else {
            return false;
        };
        let before = due.unavailable.len();
        due.unavailable.retain(|other| other != channel);
        due.unavailable.len() < before
    }

    /// The channels whose aliases are due.
    pub(super) fn due_reloads(&mut self, now: Instant) -> Vec<ChannelName> {
        match self.0.as_deref_mut() {
            Some(due) if due.reload.is_some_and(|at| at <= now) => {
                due.reload = None;
                due.unavailable.clone()
            }
            _ => Vec::new(),
        }
    }

    /// Sets when the client's token expires.
    pub(super) fn set_token_end(&mut self, at: Instant) {
        self.0.get_or_insert_default().token_end = Some(at);
    }

    /// Whether the client's token has expired; then it has no end any more.
    pub(super) fn take_token_end(&mut self, now: Instant) -> bool {
        self.0.as_deref_mut().is_some_and(|due| {
            let is_due = due.token_end.is_some_and(|at| at <= now);
            due.token_end.take_if(|_| is_due).is_some()
        })
    }
}
