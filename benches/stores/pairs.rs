//! Paired measurements: each run of the server is followed by the same work with the bare driver, so that other load on the
//! machine affects both.

use std::collections::HashMap;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, SamplingMode};

use crate::store::Store;

/// Number of pairs, the newest, that the medians are taken of.
const PAIRS: usize = 10;

/// The measured seconds per operation of server and driver, by benchmark name.
#[derive(Default)]
pub(crate) struct Pairs(HashMap<String, Vec<[f64; 2]>>);

/// The result of a benchmark.
pub(crate) struct Median {
    /// Seconds per operation of the server.
    pub seconds: f64,
    /// Time of the bare driver divided by that of the server.
    pub ratio: f64,
}

impl Pairs {
    /// Runs a benchmark. `pair` does a number of operations with the server and the driver and returns both durations; criterion
    /// reports the first.
    pub(crate) fn measure(
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

    /// The medians of the newest runs; `None` if there was none.
    pub(crate) fn median(&self, name: &str) -> Option<Median> {
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

/// Configures flat sampling: calls wait for the disk, so each sample has the same large number of them.
pub(crate) fn steady(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sampling_mode(SamplingMode::Flat).sample_size(PAIRS);
    group
        .warm_up_time(Duration::from_secs(2))
        .measurement_time(Duration::from_secs(5));
}

/// Whether the command line selects the benchmark of this name. If a pattern is not understood, only criterion's first
/// estimate of the duration is off.
pub(crate) fn is_asked_for(store: Store, name: &str) -> bool {
    let name = format!("{}/{name}", store.name());
    let mut patterns = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    let lists = std::env::args().any(|argument| argument == "--list");
    !lists && (patterns.peek().is_none() || patterns.any(|pattern| name.contains(&pattern)))
}
