//! A node's process: its tasks run, are paused together, or are gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    /// No task is polled; timers that expire meanwhile are noticed afterwards.
    Paused,
    Off,
}

/// The switch of one process.
pub(crate) struct PowerSwitch(Mutex<(Power, Vec<Waker>)>);

impl Default for PowerSwitch {
    fn default() -> Self {
        Self(Mutex::new((Power::On, Vec::new())))
    }
}

impl PowerSwitch {
    pub(crate) fn set(&self, power: Power) {
        let woken = {
            let mut state = self.0.lock();
            if state.0 == Power::Off {
                return;
            }
            state.0 = power;
            std::mem::take(&mut state.1)
        };
        woken.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn get(&self) -> Power {
        self.0.lock().0
    }
}

/// A task of a process.
pub(crate) struct Powered<F> {
    switch: Arc<PowerSwitch>,
    task: Option<Pin<Box<F>>>,
}

impl<F> Powered<F> {
    pub(crate) fn new(switch: &Arc<PowerSwitch>, task: F) -> Self {
        Self {
            switch: Arc::clone(switch),
            task: Some(Box::pin(task)),
        }
    }
}

impl<F: Future> Future for Powered<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let power = {
            let mut state = self.switch.0.lock();
            if state.0 != Power::Off {
                state.1.retain(|waker| !waker.will_wake(cx.waker()));
                state.1.push(cx.waker().clone());
            }
            state.0
        };
        let ended = match power {
            Power::Paused => return Poll::Pending,
            Power::Off => true,
            Power::On => self
                .task
                .as_mut()
                .is_none_or(|task| task.as_mut().poll(cx).is_ready()),
        };
        if ended {
            self.task = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
