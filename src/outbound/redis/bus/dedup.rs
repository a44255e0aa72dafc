//! Detection of messages of other nodes that arrive twice, because they were sent again.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Maximum number of entries: one per node, in a cluster one per node and slot in use. Beyond it all
/// are dropped, and a duplicate may pass.
const MAX_ENTRIES: usize = 200_000;

/// The sequence number of the last message of each node and slot (slot 0 without a cluster). Servers
/// keep the order, so a lower number has been received before.
#[derive(Default)]
pub(crate) struct Deduplicator(Mutex<HashMap<(u64, u16), u64>>);

impl Deduplicator {
    /// Records a message; returns whether it is a resent one that has been received before.
    pub(crate) fn is_duplicate(&self, node: u64, slot: u16, sequence: u64, resent: bool) -> bool {
        let mut last_received = self.0.lock();
        if last_received.len() >= MAX_ENTRIES {
            last_received.clear();
        }
        match last_received.get_mut(&(node, slot)) {
            Some(last) if sequence <= *last => resent,
            Some(last) => {
                *last = sequence;
                false
            }
            None => {
                last_received.insert((node, slot), sequence);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resent_messages_received_before_are_duplicates() {
        let dedup = Deduplicator::default();
        assert!(
            !dedup.is_duplicate(1, 0, 4, true),
            "the first message of a node"
        );
        assert!(!dedup.is_duplicate(1, 0, 5, false) && !dedup.is_duplicate(1, 0, 7, true));
        assert!(dedup.is_duplicate(1, 0, 5, true) && dedup.is_duplicate(1, 0, 7, true));
        assert!(
            !dedup.is_duplicate(2, 0, 5, true) && !dedup.is_duplicate(1, 9, 5, true),
            "other nodes, other servers"
        );
    }
}
