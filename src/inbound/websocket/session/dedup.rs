//! Removal of duplicates: one publish to several channels reaches a client once, by whichever
//! channel is first.
//!
//! A bit per recent publish of a node is enough, because the ids of a process are consecutive. A
//! map of ids would take far more memory per connection.

use crate::core::model::PublishId;

/// The number of a node's last publishes that are remembered. The copies of one publish come
/// through different channels, and one channel can be delayed while others continue.
const WINDOW: u64 = 4096;

/// The number of nodes whose publishes are remembered: those whose first publish came last.
const MAX_NODES: usize = 8;

/// The publishes to several channels of which the client has a copy. Takes no memory until the
/// first one, then one bit for each of a node's last [`WINDOW`] publishes.
#[derive(Debug, Default)]
pub(super) struct PublishDedup(Vec<DedupWindow>);

#[derive(Debug)]
struct DedupWindow {
    /// The random number of the node's process.
    process: u64,
    newest: u64,
    /// A ring: number n is at n modulo [`WINDOW`].
    bits: Box<[u64; WINDOW as usize / 64]>,
}

impl PublishDedup {
    /// Records a copy; whether it is the first. A copy that is older than the window counts as the
    /// first: a duplicate is better than a loss.
    pub(super) fn is_first(&mut self, publish: &PublishId) -> bool {
        let Some((process, number)) = parse(publish) else {
            return true;
        };
        let index = match self.0.iter().position(|window| window.process == process) {
            Some(index) => index,
            None => {
                if self.0.len() == MAX_NODES {
                    self.0.remove(0);
                }
                self.0.push(DedupWindow {
                    process,
                    newest: number,
                    bits: Box::new([0; WINDOW as usize / 64]),
                });
                self.0.len() - 1
            }
        };
        self.0
            .get_mut(index)
            .is_none_or(|window| window.is_first(number))
    }
}

impl DedupWindow {
    fn is_first(&mut self, number: u64) -> bool {
        if number > self.newest {
            let passed = (number - self.newest).min(WINDOW);
            for newer in number - passed + 1..=number {
                let (word, bit) = position(newer);
                self.bits[word] &= !bit;
            }
            self.newest = number;
        } else if self.newest - number >= WINDOW {
            return true;
        }
        let (word, bit) = position(number);
        let first = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        first
    }
}

/// The word and the bit of a number.
fn position(number: u64) -> (usize, u64) {
    let at = number % WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}

/// The process and its counter, sixteen hex digits each in the id.
fn parse(publish: &PublishId) -> Option<(u64, u64)> {
    let (process, number) = publish.0.split_at_checked(16)?;
    if number.len() != 16 {
        return None;
    }
    Some((
        u64::from_str_radix(process, 16).ok()?,
        u64::from_str_radix(number, 16).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn id(process: u64, number: u64) -> PublishId {
        PublishId(format!("{process:016x}{number:016x}").into())
    }

    proptest! {
        #[test]
        fn within_the_window_each_is_first_once(
            numbers in prop::collection::vec((0..MAX_NODES as u64, 0..WINDOW / 2, 0..4_u64), 1..2000)
        ) {
            let (mut dedup, mut known) = (PublishDedup::default(), HashSet::new());
            // Slowly increasing numbers per process, none older than half a window.
            for (step, (process, back, ahead)) in numbers.into_iter().enumerate() {
                let number = (WINDOW + step as u64 + ahead).saturating_sub(back);
                prop_assert_eq!(dedup.is_first(&id(process, number)), known.insert((process, number)));
            }
        }
    }

    #[test]
    fn ids_outside_the_window_or_malformed_count_as_first() {
        let mut dedup = PublishDedup::default();
        assert!(dedup.is_first(&id(1, 7)));
        assert!(!dedup.is_first(&id(1, 7)));
        assert!(dedup.is_first(&id(1, 7 + WINDOW)));
        assert!(dedup.is_first(&id(1, 7)));
        assert!(dedup.is_first(&id(1, u64::MAX)));
        for text in [
            "",
            "x",
            "0123456789abcdef",
            "0123456789abcdefé123456789abcde",
            &"é".repeat(16),
        ] {
            let malformed = PublishId(text.into());
            assert!(
                dedup.is_first(&malformed) && dedup.is_first(&malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn it_does_not_grow_with_the_number_of_nodes() {
        let mut dedup = PublishDedup::default();
        for process in 0..100 {
            assert!(dedup.is_first(&id(process, 1)));
        }
        assert!(!dedup.is_first(&id(99, 1)));
        assert_eq!(dedup.0.len(), MAX_NODES);
    }
}
