//! What all parts of one simulation share: its random numbers, clock, trace, and the first violation.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::FutureExt;
use parking_lot::Mutex;
use pushi::core::model::Timestamp;
use pushi::core::ports::Clock;
use tokio::time::{Instant, sleep};

use crate::random::Rng;
use crate::truth::Truth;

/// The last lines of a trace that are kept.
const TAIL: usize = 200;

/// Microseconds since 1970 at which every simulation begins.
const EPOCH: i64 = 1_795_337_089_000_000;

pub(crate) struct World {
    pub rng: Rng,
    pub truth: Mutex<Truth>,
    begun: Instant,
    /// The faults are over.
    calm: AtomicBool,
    trace: Mutex<Trace>,
    violation: Mutex<Option<String>>,
    numbers: AtomicU64,
}

struct Trace {
    hash: u64,
    tail: VecDeque<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            rng: Rng::new(seed),
            truth: Mutex::default(),
            begun: Instant::now(),
            calm: AtomicBool::new(false),
            trace: Mutex::new(Trace {
                hash: 0xCBF2_9CE4_8422_2325,
                tail: VecDeque::new(),
            }),
            violation: Mutex::default(),
            numbers: AtomicU64::new(0),
        })
    }

    /// Appends a line to the trace.
    pub(crate) fn note(&self, what: impl fmt::Display) {
        let line = format!("{:>7} ms  {what}", self.begun.elapsed().as_millis());
        let mut trace = self.trace.lock();
        for byte in line.bytes() {
            // FNV-1a
            trace.hash = (trace.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if trace.tail.len() == TAIL {
            trace.tail.pop_front();
        }
        trace.tail.push_back(line);
    }

    /// An invariant does not hold. The first violation counts.
    pub(crate) fn violate(&self, what: impl fmt::Display) {
        self.note(format_args!("VIOLATION {what}"));
        self.violation
            .lock()
            .get_or_insert_with(|| what.to_string());
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.violation.lock().clone()
    }

    pub(crate) fn trace_hash(&self) -> u64 {
        self.trace.lock().hash
    }

    pub(crate) fn trace_tail(&self) -> String {
        let trace = self.trace.lock();
        trace.tail.iter().flat_map(|line| [line, "\n"]).collect()
    }

    /// Ends all faults.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Whether a fault of this chance happens now; never after the faults are over.
    pub(crate) fn fault(&self, percent: u64) -> bool {
        !self.is_calm() && self.rng.percent(percent)
    }

    /// Takes a random time of milliseconds.
    pub(crate) async fn delay(&self, millis: Range<u64>) {
        sleep(self.rng.millis(millis)).await;
    }

    /// The next number of a sequence without repetitions.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A task whose panic is a violation.
    pub(crate) fn watched<F: Future>(
        self: &Arc<Self>,
        task: F,
    ) -> impl Future<Output = Option<F::Output>> + use<F> {
        let world = Arc::clone(self);
        async move {
            AssertUnwindSafe(task).catch_unwind().await.map_or_else(
                |_| {
                    world.violate("a task panicked");
                    None
                },
                Some,
            )
        }
    }
}

/// A node's wall clock, which differs from those of the other nodes.
pub(crate) struct SimulatedClock {
    pub world: Arc<World>,
    pub skew_micros: i64,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let since = i64::try_from(self.world.begun.elapsed().as_micros()).unwrap();
        Timestamp::from_micros(EPOCH + self.skew_micros + since)
    }
}
