//! Which publishes to several channels a client has had a copy of.

use crate::core::model::PublishId;

/// How many publishes of a node may be on their way at once so that each is still known: the copies of one publish come
/// through different channels, and one channel can be held up while others go on.
const WINDOW: u64 = 4096;

/// Nodes whose publishes are remembered, those heard of last.
const NODES: usize = 8;

/// Which publishes to several channels a client has had a copy of. Takes no memory until the first, then one bit for
/// each of a node's last publishes.
#[derive(Debug, Default)]
pub struct Seen(Vec<Window>);

#[derive(Debug)]
struct Window {
    /// Random number of the node's process.
    process: u64,
    newest: u64,
    /// A ring: number n is at n modulo [`WINDOW`].
    bits: Box<[u64; WINDOW as usize / 64]>,
}

impl Seen {
    /// Whether this is the first copy. One that is too old to know counts as the first: twice is better than never.
    pub fn is_first(&mut self, publish: &PublishId) -> bool {
        let Some((process, number)) = read(publish) else {
            return true;
        };
        let index = match self.0.iter().position(|window| window.process == process) {
            Some(index) => index,
            None => {
                if self.0.len() == NODES {
                    self.0.remove(0);
                }
                self.0.push(Window {
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

impl Window {
    fn is_first(&mut self, number: u64) -> bool {
        if number > self.newest {
            let passed = (number - self.newest).min(WINDOW);
            for newer in number - passed + 1..=number {
                let (word, bit) = place(newer);
                self.bits[word] &= !bit;
            }
            self.newest = number;
        } else if self.newest - number >= WINDOW {
            return true;
        }
        let (word, bit) = place(number);
        let first = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        first
    }
}

fn place(number: u64) -> (usize, u64) {
    let at = number % WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}

/// The process and its count, as they stand in the id: sixteen hex digits each.
fn read(publish: &PublishId) -> Option<(u64, u64)> {
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
            numbers in prop::collection::vec((0..NODES as u64, 0..WINDOW / 2, 0..4_u64), 1..2000)
        ) {
            let (mut seen, mut known) = (Seen::default(), HashSet::new());
            // Numbers that go on slowly, each process its own, and never further back than half a window.
            for (step, (process, back, ahead)) in numbers.into_iter().enumerate() {
                let number = (WINDOW + step as u64 + ahead).saturating_sub(back);
                prop_assert_eq!(seen.is_first(&id(process, number)), known.insert((process, number)));
            }
        }
    }

    #[test]
    fn what_is_too_old_or_unreadable_is_sent() {
        let mut seen = Seen::default();
        assert!(seen.is_first(&id(1, 7)));
        assert!(!seen.is_first(&id(1, 7)));
        assert!(seen.is_first(&id(1, 7 + WINDOW)));
        assert!(seen.is_first(&id(1, 7)));
        assert!(seen.is_first(&id(1, u64::MAX)));
        for text in [
            "",
            "x",
            "0123456789abcdef",
            "0123456789abcdefé123456789abcde",
            &"é".repeat(16),
        ] {
            let odd = PublishId(text.into());
            assert!(seen.is_first(&odd) && seen.is_first(&odd), "{text}");
        }
    }

    #[test]
    fn it_does_not_grow_with_nodes() {
        let mut seen = Seen::default();
        for process in 0..100 {
            assert!(seen.is_first(&id(process, 1)));
        }
        assert!(!seen.is_first(&id(99, 1)));
        assert_eq!(seen.0.len(), NODES);
    }
}
