//! The progress of a copy on standard error: a bar on a terminal, else one line every few seconds.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The minimum time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// The progress of a copy.
pub(super) struct CopyProgress {
    /// Draws nothing if standard error is not a terminal.
    bar: ProgressBar,
    print_lines: bool,
    last_line: Instant,
    step: String,
    from: u64,
    to: u64,
}

impl CopyProgress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        // With an invalid template, the bar keeps the default style.
        if let Ok(style) =
            ProgressStyle::with_template("{msg} [{bar:32}] {percent}% {elapsed}, {eta} left")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            print_lines: !std::io::stderr().is_terminal(),
            last_line: Instant::now(),
            step: String::new(),
            from: 0,
            to: 0,
        }
    }

    /// Begins a step over the events with ids from `from` to `to`.
    pub(super) fn begin_step(&mut self, step: String, from: u64, to: u64) {
        self.bar.reset();
        self.bar.set_length(to.saturating_sub(from));
        self.bar.set_message(step.clone());
        (self.step, self.from, self.to) = (step, from, to);
        self.print(format_args!("{}", self.step));
    }

    /// Records that the step has reached the event with this id.
    pub(super) fn set_position(&mut self, event_id: u64) {
        let done = event_id.saturating_sub(self.from);
        self.bar.set_position(done);
        if self.last_line.elapsed() >= LINE_INTERVAL {
            let share = percent(done, self.to.saturating_sub(self.from));
            self.print(format_args!("{}: {share}%", self.step));
            self.last_line = Instant::now();
        }
    }

    /// Removes the bar from the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn print(&self, line: std::fmt::Arguments<'_>) {
        if self.print_lines {
            // A closed standard error must not stop the copy.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part.min(whole)) * 100 / u128::from(whole.max(1))).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_at_most_100_percent() {
        assert_eq!(
            [(0, 0), (1, 3), (3, 3), (5, 3), (u64::MAX, u64::MAX)]
                .map(|(part, whole)| percent(part, whole)),
            [0, 33, 100, 100, 100]
        );
    }
}
