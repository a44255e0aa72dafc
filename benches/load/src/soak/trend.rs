//! Whether a figure of the server grows: a robust trend over samples, with a tolerance for short runs.
//!
//! The slope is the median of the slopes between all pairs of samples (Theil and Sen), which single outliers do not move.

/// The growth that is allowed, as a part of the figure an hour.
const ALLOWED: f64 = 0.02;

/// A growth that is less than this many times the usual distance of a sample from the trend is noise.
const NOISE: f64 = 3.0;

/// The part of the tolerance that remains in a run of an hour: 1 MiB. Of what is freed, the C library's allocator keeps for
/// each of its arenas what was once needed at the same time, and a rare moment in which more is needed adds a step. In an hour
/// with 20,000 connects the arenas of two worker threads grew by 0.9 MiB after the warm-up, and what was allocated in them
/// did not grow.
const LEAST_TOLERANCE: f64 = 1.0 / 8.0;

/// The trend of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trend {
    /// Growth an hour, relative to the base.
    pub(super) hourly: f64,
    /// Growth over the samples.
    pub(super) rise: f64,
    /// What [`Trend::rise`] may be in spite of the hourly growth.
    pub(super) tolerance: f64,
}

impl Trend {
    /// The trend of samples (seconds, value), relative to `base`. `slack`: the growth that says nothing in a run of a few
    /// minutes; it shrinks with the square of what is missing to an hour, to [`LEAST_TOLERANCE`]. `None`: fewer than three samples.
    pub(super) fn of(samples: &[(f64, f64)], base: f64, slack: f64) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let hours = (last.0 - first.0) / 3600.0;
        if samples.len() < 3 || hours <= 0.0 {
            return None;
        }
        let pairs = samples
            .iter()
            .enumerate()
            .flat_map(|(index, from)| samples[index + 1..].iter().map(move |to| (from, to)));
        let slope = median(pairs.map(|(from, to)| (to.1 - from.1) / (to.0 - from.0)));
        let offset = median(samples.iter().map(|(time, value)| value - slope * time));
        let distance = median(
            samples
                .iter()
                .map(|(time, value)| (value - offset - slope * time).abs()),
        );
        Some(Self {
            hourly: slope * 3600.0 / base.max(1.0),
            rise: slope * 3600.0 * hours,
            tolerance: (slack * (1.0 - hours).max(0.0).powi(2).max(LEAST_TOLERANCE))
                .max(NOISE * distance),
        })
    }

    /// Whether the figure grows by more than is allowed.
    pub(super) fn grows(&self) -> bool {
        self.hourly > ALLOWED && self.rise > self.tolerance
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => 0.0,
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(values[middle - 1], *upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1024.0 * 1024.0;

    /// Samples each 20 s over some minutes: the base, a growth an hour, and noise of both signs.
    fn samples(minutes: u32, base: f64, hourly: f64, noise: f64) -> Vec<(f64, f64)> {
        (0..=minutes * 3)
            .map(|number| {
                let time = f64::from(number) * 20.0;
                let noise = noise * f64::from((number * 7919) % 11) / 5.0 - noise;
                (time, base + hourly * time / 3600.0 + noise)
            })
            .collect()
    }

    fn grows(minutes: u32, hourly: f64, noise: f64) -> bool {
        let samples = samples(minutes, 50.0 * MIB, hourly, noise);
        Trend::of(&samples, 50.0 * MIB, 8.0 * MIB).unwrap().grows()
    }

    #[test]
    fn more_than_two_percent_an_hour_is_found_in_an_hour() {
        assert!(grows(60, 1.5 * MIB, 0.2 * MIB));
        assert!(!grows(60, 0.9 * MIB, 0.2 * MIB));
        assert!(!grows(60, -5.0 * MIB, 0.2 * MIB));
    }

    /// Three steps in 50 minutes, as measured, and larger ones.
    #[test]
    fn rare_steps_of_the_allocator_are_no_growth() {
        let steps = |height: f64| {
            let mut samples = samples(50, 50.0 * MIB, 0.0, 0.02 * MIB);
            for (number, (_, value)) in samples.iter_mut().enumerate() {
                *value += height * (number / 40) as f64;
            }
            Trend::of(&samples, 50.0 * MIB, 8.0 * MIB).unwrap().grows()
        };
        assert!(!steps(0.25 * MIB));
        assert!(steps(0.5 * MIB));
    }

    /// The caches of the store fill in the first minutes; measured.
    #[test]
    fn a_warm_up_in_a_run_of_five_minutes_is_no_growth() {
        assert!(!grows(4, 60.0 * MIB, 0.1 * MIB));
    }

    #[test]
    fn noise_of_a_short_run_is_no_growth_and_a_fast_leak_is() {
        assert!(!grows(4, 5.0 * MIB, MIB));
        assert!(grows(4, 150.0 * MIB, 0.3 * MIB));
    }

    #[test]
    fn an_outlier_is_no_growth() {
        let mut samples = samples(60, 50.0 * MIB, 0.0, 0.1 * MIB);
        let last = samples.len() - 1;
        samples[last].1 += 100.0 * MIB;
        assert!(!Trend::of(&samples, 50.0 * MIB, 8.0 * MIB).unwrap().grows());
    }

    #[test]
    fn a_descriptor_a_minute_is_found() {
        let leak = samples(20, 300.0, 60.0, 0.0);
        assert!(Trend::of(&leak, 300.0, 8.0).unwrap().grows());
        let steady = samples(20, 300.0, 0.0, 1.0);
        assert!(!Trend::of(&steady, 300.0, 8.0).unwrap().grows());
        assert_eq!(Trend::of(&leak[..2], 300.0, 8.0), None);
    }
}
