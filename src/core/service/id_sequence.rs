//! Ids of events and of publishes.

use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;

use crate::core::auth::{self, RandomError};

/// Ids that no other sequence has: a random number and a counter without gaps, 32 hex digits.
pub(super) struct IdSequence {
    random: String,
    next: AtomicU64,
}

impl IdSequence {
    pub(super) fn new() -> Result<Self, RandomError> {
        Ok(Self {
            random: auth::random_hex::<8>()?,
            next: AtomicU64::new(0),
        })
    }

    pub(super) fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut text = String::with_capacity(self.random.len() + 2 * number.len());
        text.push_str(&self.random);
        HEXLOWER.encode_append(&number, &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sequences_share_no_id() {
        let (one, other) = (IdSequence::new().unwrap(), IdSequence::new().unwrap());
        let (first, second) = (one.next(), one.next());
        assert_eq!(first.len(), 32);
        assert_eq!(first[..16], second[..16]);
        assert_eq!(
            (&first[16..], &second[16..]),
            ("0000000000000000", "0000000000000001")
        );
        assert_ne!(first, other.next());
    }
}
