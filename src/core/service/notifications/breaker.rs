//! Targets that keep failing.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::model::{AppIdent, Claim};

/// The failures in a row after which a target gets its next notification only after a pause.
const FAILURES: u64 = 5;

/// The targets that are remembered, about 200 bytes each; beyond it all are forgotten.
const MAX_TARGETS: usize = 50_000;

/// Counts the failures of targets over the notifications that were given up: a notification that is retried has its own count.
#[derive(Default)]
pub(super) struct Breaker {
    failures: Mutex<HashMap<(AppIdent, Arc<str>), u64>>,
}

impl Breaker {
    /// A notification was given up after this many attempts. `Some`: the failures in a row, which make the next one wait.
    pub(super) fn open(&self, claim: &Claim, attempts: u64) -> Option<u64> {
        let mut failures = self.failures.lock();
        if failures.len() >= MAX_TARGETS {
            failures.clear();
        }
        let key = (claim.app.clone(), Arc::clone(&claim.address));
        let count = failures.entry(key).or_default();
        *count += attempts;
        Some(*count).filter(|count| *count >= FAILURES)
    }

    /// The target has accepted a notification.
    pub(super) fn close(&self, claim: &Claim) {
        let mut failures = self.failures.lock();
        if !failures.is_empty() {
            failures.remove(&(claim.app.clone(), Arc::clone(&claim.address)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_keeps_failing_waits_until_it_accepts() {
        let (breaker, claim) = (
            Breaker::default(),
            Claim {
                holder: "n".into(),
                app: AppIdent::trusted("a"),
                address: "web:http://a/".into(),
                attempts: 0,
            },
        );
        assert_eq!(breaker.open(&claim, 4), None);
        assert_eq!(breaker.open(&claim, 1), Some(5));
        assert_eq!(breaker.open(&claim, 1), Some(6));
        breaker.close(&claim);
        assert_eq!(breaker.open(&claim, 1), None);
    }
}
