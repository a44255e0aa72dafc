//! How much work a turn may have, so that it ends in time.

use std::time::Duration;

/// The bytes of a turn, adapted to how fast they are processed: halved after a turn that took twice the time it should take,
/// doubled after one that took half of it.
#[derive(Debug, Clone)]
pub struct TurnBudget {
    bytes: usize,
    min: usize,
    max: usize,
    time: Duration,
}

impl TurnBudget {
    /// A budget between `min` and `max` bytes, for turns that should take `time`. It begins with `min`.
    pub fn new(min: usize, max: usize, time: Duration) -> Self {
        Self {
            bytes: min,
            min,
            max,
            time,
        }
    }

    /// The bytes of the next turn.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records a turn with this number of bytes. A small one says little about a large one.
    pub fn record(&mut self, bytes: usize, took: Duration) {
        if took > self.time * 2 && bytes > self.bytes / 4 {
            self.bytes = (self.bytes / 2).max(self.min);
        } else if took < self.time / 2 && bytes > self.bytes / 2 {
            self.bytes = (self.bytes * 2).min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_follows_the_speed_within_its_bounds() {
        let millis = Duration::from_millis;
        let mut budget = TurnBudget::new(100, 1600, millis(100));
        assert_eq!(budget.bytes(), 100);
        for (bytes, took, expected) in [
            (100, millis(40), 200),
            (200, millis(40), 400),
            (400, millis(40), 800),
            (10, millis(1), 800),
            (800, millis(49), 1600),
            (1600, millis(1), 1600),
            (1600, millis(150), 1600),
            (1600, millis(201), 800),
            (10, millis(900), 800),
            (800, millis(900), 400),
            (400, millis(900), 200),
            (200, millis(900), 100),
            (100, millis(900), 100),
        ] {
            budget.record(bytes, took);
            assert_eq!(budget.bytes(), expected, "after {bytes} in {took:?}");
        }
    }
}
