//! The progress bar on standard error; nothing is shown where that is not a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The shortest time between two updates, so that drawing does not affect the measurement.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

/// The progress of a run.
pub(crate) struct Progress {
    bar: ProgressBar,
    updated: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(0);
        // With an invalid template the bar keeps its default style.
        if let Ok(style) =
            ProgressStyle::with_template("{msg:12} [{bar:32}] {human_pos}/{human_len} {elapsed}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            updated: Instant::now(),
        }
    }

    /// Restarts the bar with a name and a number of steps.
    pub(crate) fn start_phase(&mut self, name: &'static str, steps: u64) {
        self.bar.set_message(name);
        self.bar.set_length(steps);
        self.bar.set_position(0);
    }

    /// Shows the number of finished steps, unless the last update is too recent.
    pub(crate) fn update(&mut self, steps: impl FnOnce() -> u64) {
        if self.updated.elapsed() >= UPDATE_INTERVAL {
            self.updated = Instant::now();
            self.bar.set_position(steps());
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
