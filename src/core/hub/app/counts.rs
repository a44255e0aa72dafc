//! The subscription counts of an app's channels.

use std::mem;
use std::sync::Arc;

use super::{AppHub, State};
use crate::core::hub::write::Mailbox;
use crate::core::model::{ChannelName, Timestamp};

impl AppHub {
    /// Whether a channel's count may be sent now; otherwise it is marked as due.
    pub(in crate::core::hub) fn count_allowed(
        &self,
        channel: &ChannelName,
        now: Timestamp,
    ) -> bool {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(throttle) = state
            .channels
            .get_mut(channel)
            .and_then(|found| found.count_throttle.as_mut())
        else {
            return true;
        };
        if !throttle.is_throttled(now) {
            return true;
        }
        if !mem::replace(&mut throttle.due, true) {
            state.due_counts.push(channel.clone());
        }
        false
    }

    /// The subscribers that must receive a count now; `None`: they received one a moment ago,
    /// and the channel is marked as due.
    pub(in crate::core::hub) fn count_targets(
        &self,
        channel: &ChannelName,
        count: u64,
        now: Timestamp,
    ) -> Option<Arc<[Arc<Mailbox>]>> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let found = state.channels.get_mut(channel)?;
        let throttle = found.count_throttle.get_or_insert_default();
        let was_due = throttle.due;
        if throttle.admit(count, now) {
            return Some(found.targets());
        }
        if throttle.due && !was_due {
            state.due_counts.push(channel.clone());
        }
        None
    }

    /// Removes and returns the channels whose count must be sent now.
    pub(in crate::core::hub) fn take_due_counts(&self, now: Timestamp) -> Vec<ChannelName> {
        let mut guard = self.state.lock();
        let State {
            due_counts,
            channels,
            ..
        } = &mut *guard;
        let mut taken = Vec::new();
        due_counts.retain(|channel| {
            let Some(throttle) = channels
                .get_mut(channel)
                .and_then(|found| found.count_throttle.as_mut())
            else {
                return false;
            };
            let waits = throttle.due && throttle.is_throttled(now);
            if throttle.due && !waits {
                throttle.due = false;
                taken.push(channel.clone());
            }
            waits
        });
        taken
    }
}
