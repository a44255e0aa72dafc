//! Departures within their grace period.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use crate::core::fair_queue::{QueueBounds, QueueFull};
use crate::core::model::{AppIdent, ChannelName, UserId};

/// A user who left a presence channel, or (without a user) a channel that was vacated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Departure {
    pub app: AppIdent,
    pub channel: ChannelName,
    pub user: Option<UserId>,
}

/// The bytes of a departure in memory besides its texts, about.
const DEPARTURE_BYTES: usize = 300;

/// The departures of one app that are taken in its turn.
const TURN: usize = 32;

/// Departures of all apps, each app's in the order in which they are due to be checked, taken in turns.
///
/// Bounded in bytes, by app and in all.
#[derive(Debug)]
pub(super) struct Departures {
    bounds: QueueBounds,
    apps: HashMap<AppIdent, AppDepartures>,
    /// All apps, in the order of their turns.
    turns: VecDeque<AppIdent>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct AppDepartures {
    added: u64,
    keys: HashMap<Departure, (Instant, u64)>,
    by_due: BTreeMap<(Instant, u64), Departure>,
    bytes: usize,
}

impl Departure {
    fn bytes(&self) -> usize {
        let user = self.user.as_ref().map_or(0, |user| user.as_str().len());
        DEPARTURE_BYTES + self.channel.as_str().len() + user
    }
}

impl Departures {
    pub(super) fn new(bounds: QueueBounds) -> Self {
        Self {
            bounds,
            apps: HashMap::new(),
            turns: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Adds a departure that is due at `due`; the same departure with an earlier time is replaced.
    ///
    /// # Errors
    /// The bounds have no space for it.
    pub(super) fn add(&mut self, departure: Departure, due: Instant) -> Result<(), QueueFull> {
        let bytes = departure.bytes();
        let app = self.apps.get(&departure.app);
        let (used, is_known) = app.map_or((0, false), |app| {
            (app.bytes, app.keys.contains_key(&departure))
        });
        if !is_known {
            let free = self.bounds.all.saturating_sub(self.bytes);
            if used.saturating_add(bytes) > self.bounds.app.min(free) {
                return Err(QueueFull);
            }
            self.bytes += bytes;
        }
        if app.is_none() {
            self.turns.push_back(departure.app.clone());
        }
        let app = self.apps.entry(departure.app.clone()).or_default();
        if !is_known {
            app.bytes += bytes;
        }
        app.add(departure, due);
        Ok(())
    }

    pub(super) fn contains(&self, departure: &Departure) -> bool {
        self.apps
            .get(&departure.app)
            .is_some_and(|app| app.keys.contains_key(departure))
    }

    /// Removes the departures that are due, at most `limit`; those of an app in the order of their times.
    pub(super) fn take_due(&mut self, now: Instant, limit: usize) -> Vec<Departure> {
        let mut taken = Vec::new();
        let mut without = 0;
        while taken.len() < limit && without < self.turns.len() {
            let Some(ident) = self.turns.pop_front() else {
                break;
            };
            let Some(app) = self.apps.get_mut(&ident) else {
                continue;
            };
            let due = app.take_due(now, TURN.min(limit - taken.len()));
            without = if due.is_empty() { without + 1 } else { 0 };
            let bytes: usize = due.iter().map(Departure::bytes).sum();
            app.bytes -= bytes;
            self.bytes -= bytes;
            taken.extend(due);
            if app.keys.is_empty() {
                self.apps.remove(&ident);
            } else {
                self.turns.push_back(ident);
            }
        }
        taken
    }

    /// The time of the first departure.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let first = |app: &AppDepartures| app.by_due.keys().next().map(|(due, _)| *due);
        self.apps.values().filter_map(first).min()
    }

    /// The bytes of all departures.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl AppDepartures {
    fn add(&mut self, departure: Departure, due: Instant) {
        self.added += 1;
        let key = (due, self.added);
        if let Some(before) = self.keys.insert(departure.clone(), key) {
            self.by_due.remove(&before);
        }
        self.by_due.insert(key, departure);
    }

    fn take_due(&mut self, now: Instant, limit: usize) -> Vec<Departure> {
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn unbounded() -> Departures {
        Departures::new(QueueBounds::new(0, 0))
    }

    fn departure(name: &str) -> Departure {
        departure_of("a", name)
    }

    fn departure_of(app: &str, name: &str) -> Departure {
        Departure {
            app: AppIdent::trusted(app),
            channel: ChannelName::trusted(name),
            user: None,
        }
    }

    #[test]
    fn a_repeated_departure_restarts_its_grace_period() {
        let now = Instant::now();
        let at = |second| now + Duration::from_secs(second);
        let mut departures = unbounded();
        for (name, second) in [("a", 3), ("b", 3), ("c", 4), ("a", 5)] {
            departures.add(departure(name), at(second)).unwrap();
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
        let mut departures = unbounded();
        for name in ["c", "a", "b"] {
            departures.add(departure(name), now).unwrap();
        }
        assert_eq!(
            departures.take_due(now, 2),
            [departure("c"), departure("a")]
        );
        assert_eq!(departures.take_due(now, 2), [departure("b")]);
    }

    #[test]
    fn apps_are_taken_in_turns() {
        let now = Instant::now();
        let mut departures = unbounded();
        for number in 0..100 {
            departures.add(departure(&number.to_string()), now).unwrap();
        }
        departures.add(departure_of("b", "x"), now).unwrap();
        let taken = departures.take_due(now, 50);
        assert_eq!((taken.len(), &taken[TURN]), (50, &departure_of("b", "x")));
        assert_eq!(departures.take_due(now, 1000).len(), 51);
        assert_eq!((departures.bytes(), departures.next_due()), (0, None));
    }

    #[test]
    fn an_app_has_a_bound_in_bytes() {
        let now = Instant::now();
        let bytes = departure("x").bytes();
        let mut departures = Departures::new(QueueBounds {
            app: 2 * bytes,
            all: 100 * bytes,
        });
        for (app, name, expected) in [
            ("a", "x", Ok(())),
            ("a", "y", Ok(())),
            ("a", "z", Err(QueueFull)),
            ("a", "x", Ok(())),
            ("b", "z", Ok(())),
        ] {
            assert_eq!(departures.add(departure_of(app, name), now), expected);
        }
        assert_eq!(departures.bytes(), 3 * bytes);
    }
}
