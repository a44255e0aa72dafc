//! Who has left, perhaps for a moment only.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use crate::core::model::{AppIdent, ChannelName, UserId};

/// Somebody's place on a channel, or (without a user) anybody's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub app: AppIdent,
    pub channel: ChannelName,
    pub user: Option<UserId>,
}

/// Places that were left, in the order in which they are to be looked at again.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    count: u64,
    when: HashMap<Place, (Instant, u64)>,
    places: BTreeMap<(Instant, u64), Place>,
}

impl Leaving {
    /// Notes that a place was left, to be looked at then; an earlier time of it is forgotten.
    pub fn add(&mut self, place: Place, then: Instant) {
        self.count += 1;
        let key = (then, self.count);
        if let Some(before) = self.when.insert(place.clone(), key) {
            self.places.remove(&before);
        }
        self.places.insert(key, place);
    }

    /// Whether this place waits to be looked at.
    pub fn has(&self, place: &Place) -> bool {
        self.when.contains_key(place)
    }

    /// Takes those to be looked at now, at most `limit`, in the order in which they were left.
    pub fn take(&mut self, now: Instant, limit: usize) -> Vec<Place> {
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(entry) = self
                .places
                .first_entry()
                .filter(|entry| entry.key().0 <= now)
            else {
                break;
            };
            let place = entry.remove();
            self.when.remove(&place);
            taken.push(place);
        }
        taken
    }

    /// When the next is to be looked at.
    pub fn next(&self) -> Option<Instant> {
        self.places.keys().next().map(|(when, _)| *when)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn place(name: &str) -> Place {
        Place {
            app: AppIdent::trusted("a"),
            channel: ChannelName::trusted(name),
            user: None,
        }
    }

    #[test]
    fn a_place_that_is_left_again_waits_anew() {
        let now = Instant::now();
        let at = |second| now + Duration::from_secs(second);
        let mut leaving = Leaving::default();
        for (name, second) in [("a", 3), ("b", 3), ("c", 4), ("a", 5)] {
            leaving.add(place(name), at(second));
        }
        assert_eq!(
            (leaving.next(), leaving.take(at(2), 9)),
            (Some(at(3)), Vec::new())
        );
        assert_eq!(leaving.take(at(4), 9), [place("b"), place("c")]);
        assert!(leaving.has(&place("a")) && !leaving.has(&place("b")));
        assert_eq!(
            (leaving.take(at(5), 9), leaving.next()),
            (vec![place("a")], None)
        );
    }

    #[test]
    fn places_of_one_time_come_in_their_order() {
        let now = Instant::now();
        let mut leaving = Leaving::default();
        for name in ["c", "a", "b"] {
            leaving.add(place(name), now);
        }
        assert_eq!(leaving.take(now, 2), [place("c"), place("a")]);
        assert_eq!(leaving.take(now, 2), [place("b")]);
    }
}
