//! Runs in pairs: what the server takes, and right after it what its driver alone takes for the same. Whatever else the
//! machine does then slows down both.

use std::collections::HashMap;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, SamplingMode};

use crate::store::Store;

/// How many pairs count, the newest.
const PAIRS: usize = 10;

/// What was measured, by name.
#[derive(Default)]
pub struct Pairs(HashMap<String, Vec<[f64; 2]>>);

/// What is told of a measure.
pub struct Median {
    /// Seconds that one took the server.
    pub seconds: f64,
    /// How fast that is of the driver alone.
    pub ratio: f64,
}

impl Pairs {
    /// Lets criterion measure the first of two that do something so many times and answer how long it took.
    pub fn measure(
        &mut self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        mut pair: impl FnMut(u64) -> [Duration; 2],
    ) {
        let seen = self.0.entry(name.to_owned()).or_default();
        group.bench_function(name, |bench| {
            bench.iter_custom(|count| {
                let took = pair(count);
                seen.push(took.map(|took| took.as_secs_f64() / count as f64));
                took[0]
            });
        });
    }

    /// The medians of the newest runs; `None` where there was none.
    pub fn median(&self, name: &str) -> Option<Median> {
        let seen = self.0.get(name)?;
        let seen = &seen[seen.len().saturating_sub(PAIRS)..];
        let median = |value: fn(&[f64; 2]) -> f64| {
            let mut values: Vec<f64> = seen.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        Some(Median {
            seconds: median(|[own, _]| *own)?,
            ratio: median(|[own, bare]| bare / own)?,
        })
    }
}

/// A call takes as long as a disk takes, so many are counted together, as many in each run.
pub fn steady(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sampling_mode(SamplingMode::Flat).sample_size(PAIRS);
    group
        .warm_up_time(Duration::from_secs(2))
        .measurement_time(Duration::from_secs(5));
}

/// Whether the command line asks for what has this name. A pattern that this does not understand costs a bad first guess of
/// how long things take.
pub fn is_asked_for(store: Store, name: &str) -> bool {
    let name = format!("{}/{name}", store.name());
    let mut patterns = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    let lists = std::env::args().any(|argument| argument == "--list");
    !lists && (patterns.peek().is_none() || patterns.any(|pattern| name.contains(&pattern)))
}
