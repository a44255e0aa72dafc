//! When a connection was last active.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::item::CloseReason;

/// When a connection was last active, in seconds of the node's shared timer.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Something was received since the last tick.
    received: AtomicBool,
    /// Something was sent since the last tick.
    sent: AtomicBool,
    /// Seconds left for taking the next part of an answer; 0: no deadline.
    answer_deadline: AtomicU16,
    /// Seconds without anything received.
    silent: AtomicU32,
    /// Seconds without anything received or sent, pings aside.
    idle: AtomicU32,
    /// Seconds left for signing in; 0: no deadline.
    sign_in_deadline: AtomicU32,
}

/// The action that a tick requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TickVerdict {
    Alive,
    Ping,
    Close(CloseReason),
}

impl Activity {
    pub(super) fn record_received(&self) {
        self.received.store(true, Relaxed);
    }

    pub(super) fn record_sent(&self) {
        self.sent.store(true, Relaxed);
    }

    /// For how long nothing was received, in whole seconds.
    pub(super) fn silent(&self) -> Duration {
        match self.received.load(Relaxed) {
            true => Duration::ZERO,
            false => Duration::from_secs(self.silent.load(Relaxed).into()),
        }
    }

    /// Sets the seconds that are left for signing in; 0: no deadline.
    pub(super) fn set_sign_in_deadline(&self, seconds: u32) {
        self.sign_in_deadline.store(seconds, Relaxed);
    }

    /// Sets the seconds that are left for taking the next part of an answer; 0: no deadline.
    pub(super) fn set_answer_deadline(&self, seconds: u16) {
        self.answer_deadline.store(seconds, Relaxed);
    }

    /// One second of the shared timer. Ping after `activity` silent seconds, close after `grace`
    /// more; close after `idle` seconds (0: never) without anything received or sent.
    pub(super) fn tick(&self, activity: u32, grace: u32, idle: u32) -> TickVerdict {
        let mut close = None;
        // A deadline that is cleared meanwhile stays cleared: it is set again with the next answer.
        let answer = self.answer_deadline.load(Relaxed);
        if answer != 0
            && self
                .answer_deadline
                .compare_exchange(answer, answer - 1, Relaxed, Relaxed)
                .is_ok()
            && answer == 1
        {
            close = Some(CloseReason::SlowReader);
        }
        if self.sign_in_deadline.load(Relaxed) != 0
            && self.sign_in_deadline.fetch_sub(1, Relaxed) == 1
        {
            close = close.or(Some(CloseReason::NotSignedIn));
        }
        if self.sent.swap(false, Relaxed) {
            self.idle.store(0, Relaxed);
        } else if idle != 0 && self.idle.fetch_add(1, Relaxed) + 1 >= idle {
            close = close.or(Some(CloseReason::Idle));
        }
        let mut ping = false;
        if self.received.swap(false, Relaxed) {
            self.silent.store(0, Relaxed);
        } else {
            let silent = self.silent.fetch_add(1, Relaxed) + 1;
            ping = silent == activity;
            if !ping && silent >= activity.saturating_add(grace) {
                close = close.or(Some(CloseReason::NoPong));
            }
        }
        match close {
            Some(reason) => TickVerdict::Close(reason),
            None if ping => TickVerdict::Ping,
            None => TickVerdict::Alive,
        }
    }
}
