//! How often subscribers are told how many they are.

use std::sync::Arc;

use super::app::{AppHub, State};
use super::mailbox::Mailbox;
use crate::core::model::{ChannelName, Timestamp};

/// Up to so many subscribers are told of every change (the Pusher documentation).
const FEW: u64 = 100;

/// More than that are told at most once in so many microseconds.
const PAUSE: i64 = 5_000_000;

/// What a channel's subscribers were last told of their number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CountThrottle {
    told: u64,
    at: Timestamp,
    /// They are to be told again once the pause is over.
    pub due: bool,
}

impl CountThrottle {
    /// Whether the pause after telling many is not over.
    pub fn pauses(&self, now: Timestamp) -> bool {
        let passed = now.micros().saturating_sub(self.at.micros());
        // A clock that stepped back pauses nothing.
        self.told > FEW && (0..PAUSE).contains(&passed)
    }

    /// Whether the subscribers are to be told that they are `count` now. Otherwise it is noted that they must be told
    /// later, unless they know.
    pub fn tell(&mut self, count: u64, now: Timestamp) -> bool {
        if count > FEW && self.pauses(now) {
            self.due |= count != self.told;
            return false;
        }
        *self = Self {
            told: count,
            at: now,
            due: false,
        };
        true
    }
}

impl AppHub {
    /// Whether a channel's subscribers may be told now how many they are; otherwise they are noted as due.
    pub(super) fn may_count(&self, channel: &ChannelName, now: Timestamp) -> bool {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(tally) = state
            .rooms
            .get_mut(channel)
            .and_then(|room| room.tally.as_mut())
        else {
            return true;
        };
        if !tally.pauses(now) {
            return true;
        }
        if !std::mem::replace(&mut tally.due, true) {
            state.due.push(channel.clone());
        }
        false
    }

    /// Those whom a count must reach now; none where they were told a moment ago, and are due then.
    pub(super) fn counted(
        &self,
        channel: &ChannelName,
        count: u64,
        now: Timestamp,
    ) -> Option<Arc<[Arc<Mailbox>]>> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let room = state.rooms.get_mut(channel)?;
        let tally = room.tally.get_or_insert_default();
        let was_due = tally.due;
        if tally.tell(count, now) {
            return Some(room.targets());
        }
        if tally.due && !was_due {
            state.due.push(channel.clone());
        }
        None
    }

    /// Takes the channels whose subscribers are due to be told how many they are.
    pub(super) fn take_due(&self, now: Timestamp) -> Vec<ChannelName> {
        let mut guard = self.state.lock();
        let State { due, rooms, .. } = &mut *guard;
        let mut taken = Vec::new();
        due.retain(|channel| {
            let Some(tally) = rooms.get_mut(channel).and_then(|room| room.tally.as_mut()) else {
                return false;
            };
            let waits = tally.due && tally.pauses(now);
            if tally.due && !waits {
                tally.due = false;
                taken.push(channel.clone());
            }
            waits
        });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn few_are_told_at_once_and_many_every_five_seconds() {
        let mut tally = CountThrottle::default();
        assert!(
            tally.tell(1, at(0))
                && tally.tell(2, at(0))
                && tally.tell(100, at(0))
                && tally.tell(101, at(0))
        );
        assert!(
            !tally.tell(102, at(4)) && tally.due,
            "many were told four seconds ago"
        );
        assert!(tally.pauses(at(4)) && !tally.pauses(at(5)));
        assert!(tally.tell(103, at(5)) && !tally.due);
        assert!(tally.tell(100, at(6)), "these are few again");
        assert!(tally.tell(101, at(6)), "the pause is after many only");
    }

    #[test]
    fn nobody_is_told_again_what_is_known() {
        let mut tally = CountThrottle::default();
        assert!(tally.tell(500, at(0)));
        assert!(!tally.tell(500, at(1)) && !tally.due);
        assert!(tally.tell(501, at(-1)), "a clock that stepped back");
    }
}
