//! Running schedules, each on a thread of its own.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::node::UNCHANGED;
use crate::random::seed_thread;
use crate::schedule::Schedule;
use crate::world::World;

pub(crate) struct Outcome {
    pub violation: Option<String>,
    /// The hash of the whole trace.
    pub hash: u64,
    /// The last lines of the trace.
    pub trace: String,
}

/// Runs the schedule of a seed.
pub(crate) fn run_seed(seed: u64) -> Outcome {
    // Built before, and by no seeded thread.
    LazyLock::force(&UNCHANGED);
    let thread = thread::spawn(move || {
        seed_thread(seed);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new(seed);
            Schedule::run(&world).await;
            Outcome {
                violation: world.violation(),
                hash: world.trace_hash(),
                trace: world.trace_tail(),
            }
        })
    });
    thread.join().unwrap()
}

/// Runs the schedules of the seeds from `first` for a time, on all cores.
pub(crate) fn run_for(time: Duration, first: u64) {
    let (next, failed, end) = (
        AtomicU64::new(first),
        AtomicBool::new(false),
        Instant::now() + time,
    );
    let work = || {
        while Instant::now() < end && !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let outcome = run_seed(seed);
            if let Some(violation) = outcome.violation {
                failed.store(true, Ordering::Relaxed);
                println!("{}", outcome.trace);
                panic!("{violation}\nrepeat it with PUSHI_SIMULATION_SEED={seed}");
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let failures = workers.into_iter().filter_map(|one| one.join().err());
        if let Some(failure) = failures.last() {
            std::panic::resume_unwind(failure);
        }
    });
    println!(
        "{} schedules in {time:?}",
        next.load(Ordering::Relaxed) - first
    );
}
