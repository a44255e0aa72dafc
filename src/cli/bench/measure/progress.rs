//! The bar on standard error; nothing where that is not a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often it is drawn at most: what is measured must not pay for it.
const PACE: Duration = Duration::from_millis(100);

/// How far a run is.
pub struct Progress {
    bar: ProgressBar,
    drawn: Instant,
}

impl Progress {
    /// A bar that begins with this step.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        // Without the template it looks otherwise, and says the same.
        if let Ok(style) =
            ProgressStyle::with_template("{msg:12} [{bar:32}] {human_pos}/{human_len} {elapsed}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            drawn: Instant::now(),
        }
    }

    /// A new step of so many parts.
    pub fn step(&mut self, what: &'static str, parts: u64) {
        self.bar.set_message(what);
        self.bar.set_length(parts);
        self.bar.set_position(0);
    }

    /// How many parts are done.
    pub fn at(&mut self, parts: impl FnOnce() -> u64) {
        if self.drawn.elapsed() >= PACE {
            self.drawn = Instant::now();
            self.bar.set_position(parts());
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
