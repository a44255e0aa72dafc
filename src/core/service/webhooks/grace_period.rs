//! Departures within their grace period.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use crate::core::model::{AppIdent, ChannelName, UserId};

/// A user who left a presence channel, or (without a user) a channel that was vacated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Departure {
    pub app: AppIdent,
    pub channel: ChannelName,
    pub user: Option<UserId>,
}

/// Departures in the order in which they are due to be checked.
#[derive(Debug, Default)]
pub(super) struct Departures {
    added: u64,
    keys: HashMap<Departure, (Instant, u64)>,
    by_due: BTreeMap<(Instant, u64), Departure>,
}

impl Departures {
    /// Adds a departure that is due at `due`; the same departure with an earlier time is replaced.
    pub(super) fn add(&mut self, departure: Departure, due: Instant) {
        self.added += 1;
        let key = (due, self.added);
        if let Some(before) = self.keys.insert(departure.clone(), key) {
            self.by_due.remove(&before);
        }
        self.by_due.insert(key, departure);
    }

    pub(super) fn contains(&self, departure: &Departure) -> bool {
        self.keys.contains_key(departure)
    }

    /// Removes the departures that are due, at most `limit`, in the order of their times.
    pub(super) fn take_due(&mut self, now: Instant, limit: usize) -> Vec<Departure> {
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(entry) = self
                .by_due
                .first_entry()
                .filter(|entry| entry.key().0 <= now)
            else {
                break;
            };
            let departure = entry.remove();
            self.keys.remove(&departure);
            taken.push(departure);
        }
        taken
    }

    /// The time of the first departure.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.by_due.keys().next().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn departure(name: &str) -> Departure {
        Departure {
            app: AppIdent::trusted("a"),
            channel: ChannelName::trusted(name),
            user: None,
        }
    }

    #[test]
    fn a_repeated_departure_restarts_its_grace_period() {
        let now = Instant::now();
        let at = |second| now + Duration::from_secs(second);
        let mut departures = Departures::default();
        for (name, second) in [("a", 3), ("b", 3), ("c", 4), ("a", 5)] {
            departures.add(departure(name), at(second));
        }
        assert_eq!(
            (departures.next_due(), departures.take_due(at(2), 9)),
            (Some(at(3)), Vec::new())
        );
        assert_eq!(
            departures.take_due(at(4), 9),
            [departure("b"), departure("c")]
        );
        assert!(departures.contains(&departure("a")) && !departures.contains(&departure("b")));
        assert_eq!(
            (departures.take_due(at(5), 9), departures.next_due()),
            (vec![departure("a")], None)
        );
    }

    #[test]
    fn departures_due_together_keep_their_order() {
        let now = Instant::now();
        let mut departures = Departures::default();
        for name in ["c", "a", "b"] {
            departures.add(departure(name), now);
        }
        assert_eq!(
            departures.take_due(now, 2),
            [departure("c"), departure("a")]
        );
        assert_eq!(departures.take_due(now, 2), [departure("b")]);
    }
}
