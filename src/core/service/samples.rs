//! What this node measures every few seconds.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use super::tail::Tail;
use crate::core::hub::Hub;
use crate::core::model::Timestamp;
use crate::core::ports::{Clock, NodeSample, Totals};

/// The interval between samples; they end at multiples of it, so that those of several nodes can be added.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// The samples that are kept: those of 15 minutes, about 20 KiB.
const KEPT: usize = 180;

/// The samples of this node: those of 15 minutes.
pub struct Samples {
    hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
    tail: Arc<Tail>,
    started: OnceLock<Timestamp>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Totals,
    kept: VecDeque<NodeSample>,
}

impl Samples {
    pub(super) fn new(hub: Arc<Hub>, clock: Arc<dyn Clock>, tail: Arc<Tail>) -> Self {
        Self {
            hub,
            clock,
            tail,
            started: OnceLock::new(),
            state: Mutex::default(),
        }
    }

    /// Takes samples until `stop` completes, and ends what watches published events then.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        self.started();
        let interval = i64::try_from(SAMPLE_INTERVAL.as_micros()).unwrap_or(i64::MAX);
        let sampling = async {
            loop {
                let passed = self.clock.now().micros().rem_euclid(interval);
                let left = u64::try_from(interval - passed).unwrap_or_default();
                sleep(Duration::from_micros(left)).await;
                self.take();
                self.tail.forget_unused();
            }
        };
        tokio::select! {
            () = sampling => {}
            () = stop => {}
        }
        self.tail.stop();
    }

    /// Takes a sample.
    pub fn take(&self) {
        let interval = SAMPLE_INTERVAL.as_micros() as i64;
        let now = self.clock.now().micros();
        // The timer may be early by the accuracy of the clocks.
        let at = Timestamp::from_micros((now + interval / 2).div_euclid(interval) * interval);
        let totals = self.hub.metrics().totals();
        let mut state = self.state.lock();
        let last = std::mem::replace(&mut state.last, totals);
        let sample = NodeSample {
            at,
            connections: self.hub.connections(),
            channels: self.hub.channel_count(),
            publishes: totals.publishes.saturating_sub(last.publishes),
            deliveries: totals.deliveries.saturating_sub(last.deliveries),
            slow_readers: totals.slow_readers.saturating_sub(last.slow_readers),
            errors: totals.errors.saturating_sub(last.errors),
            store: since(totals.store, last.store),
            bus: since(totals.bus, last.bus),
        };
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(sample);
    }

    /// The time of the node's start.
    pub(super) fn started(&self) -> Timestamp {
        *self.started.get_or_init(|| self.clock.now())
    }

    /// The samples, oldest first.
    pub(super) fn kept(&self) -> Vec<NodeSample> {
        self.state.lock().kept.iter().copied().collect()
    }
}

fn since(now: (u64, f64), last: (u64, f64)) -> (u64, f64) {
    (now.0.saturating_sub(last.0), (now.1 - last.1).max(0.0))
}
