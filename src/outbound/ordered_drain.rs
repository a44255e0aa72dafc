//! Messages in one order, whoever delivers them.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::core::ports::{BusMessage, BusSink};

/// Messages that wait for whoever delivers them, one at a time and in their order.
#[derive(Default)]
pub struct Line {
    waiting: VecDeque<BusMessage>,
    /// Somebody is delivering from this line.
    busy: bool,
}

impl Line {
    /// Puts a message in its place; [`drain`] must follow.
    pub fn push(&mut self, message: BusMessage) {
        self.waiting.push_back(message);
    }
}

/// Delivers what waits in a line of `state`, unless somebody is at it; without the lock, so that more can be put in.
pub fn drain<S>(state: &Mutex<S>, line: impl Fn(&mut S) -> &mut Line, sink: &dyn BusSink) {
    let mut mine = false;
    loop {
        let message = {
            let mut state = state.lock();
            let line = line(&mut state);
            if line.busy && !mine {
                return;
            }
            let next = line.waiting.pop_front();
            line.busy = next.is_some();
            mine = line.busy;
            next
        };
        match message {
            Some(message) => sink.deliver(message),
            None => return,
        }
    }
}
