//! Which messages of other nodes have come, for those that are sent again.

use std::collections::HashMap;

use parking_lot::Mutex;

/// So many last messages are remembered; a cluster has one for each slot in use of each node.
const MOST: usize = 200_000;

/// The number of the last message that came from each node, for each slot of a cluster (one slot without one).
/// Servers keep the order, so what has a lower number came before.
#[derive(Default)]
pub struct Seen(Mutex<HashMap<(u64, u16), u64>>);

impl Seen {
    /// Notes a message. `true`: it is one that came before, sent again because its node did not know.
    pub fn is_repeated(&self, node: u64, slot: u16, number: u64, again: bool) -> bool {
        let mut seen = self.0.lock();
        if seen.len() >= MOST {
            seen.clear();
        }
        match seen.get_mut(&(node, slot)) {
            Some(last) if number <= *last => again,
            Some(last) => {
                *last = number;
                false
            }
            None => {
                seen.insert((node, slot), number);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_sent_again_and_came_before_is_a_repetition() {
        let seen = Seen::default();
        assert!(
            !seen.is_repeated(1, 0, 4, true),
            "the first that is heard of a node"
        );
        assert!(!seen.is_repeated(1, 0, 5, false) && !seen.is_repeated(1, 0, 7, true));
        assert!(seen.is_repeated(1, 0, 5, true) && seen.is_repeated(1, 0, 7, true));
        assert!(
            !seen.is_repeated(2, 0, 5, true) && !seen.is_repeated(1, 9, 5, true),
            "other nodes, other servers"
        );
    }
}
