//! How far a copy is, on standard error: a bar where that is a terminal, else a line now and then.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines.
const PACE: Duration = Duration::from_secs(2);

/// How far a copy is.
pub struct Progress {
    /// Draws nothing where standard error is no terminal.
    bar: ProgressBar,
    lines: bool,
    told: Instant,
    step: String,
    from: u64,
    to: u64,
}

impl Progress {
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        // Without the template it looks otherwise, and says the same.
        if let Ok(style) =
            ProgressStyle::with_template("{msg} [{bar:32}] {percent}% {elapsed}, {eta} left")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            lines: !std::io::stderr().is_terminal(),
            told: Instant::now(),
            step: String::new(),
            from: 0,
            to: 0,
        }
    }

    /// A new step, over events with numbers from `from` to `to`.
    pub fn step(&mut self, step: String, from: u64, to: u64) {
        self.bar.reset();
        self.bar.set_length(to.saturating_sub(from));
        self.bar.set_message(step.clone());
        (self.step, self.from, self.to) = (step, from, to);
        self.tell(format_args!("{}", self.step));
    }

    /// The step is at the event with this number.
    pub fn at(&mut self, number: u64) {
        self.bar.set_position(number.saturating_sub(self.from));
        if self.told.elapsed() >= PACE {
            let share = percent(
                number.saturating_sub(self.from),
                self.to.saturating_sub(self.from),
            );
            self.tell(format_args!("{}: {share}%", self.step));
            self.told = Instant::now();
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn tell(&self, line: std::fmt::Arguments<'_>) {
        if self.lines {
            // Nothing can be done about a reader that has gone.
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
    fn a_share_is_never_above_the_whole() {
        assert_eq!(
            [(0, 0), (1, 3), (3, 3), (5, 3), (u64::MAX, u64::MAX)]
                .map(|(part, whole)| percent(part, whole)),
            [0, 33, 100, 100, 100]
        );
    }
}
