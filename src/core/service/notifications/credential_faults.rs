//! Apps whose credentials a push service or mail server refuses: their notifications wait until the credentials are corrected.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::core::model::{AppIdent, TargetKind};
use crate::core::ports::{SendFailure, Verdict};

/// The apps that are remembered, about 300 bytes each; further ones are not.
const MAX_APPS: usize = 1000;

/// The refused credentials by kind and app, with the reason of the last refusal, as this node has seen them.
#[derive(Default)]
pub(super) struct CredentialFaults {
    faults: Mutex<BTreeMap<(&'static str, AppIdent), String>>,
}

/// The credentials of a kind that are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedCredentials {
    /// One of the apps.
    pub app: AppIdent,
    /// Why its credentials are refused, without secrets.
    pub reason: String,
    /// The number of apps.
    pub apps: usize,
}

impl CredentialFaults {
    /// An attempt for a target of the app has failed.
    pub(super) fn failed(&self, app: &AppIdent, kind: TargetKind, failure: &SendFailure) {
        if failure.verdict != Verdict::Credentials {
            return;
        }
        let (mut faults, key) = (self.faults.lock(), (kind.label(), app.clone()));
        if faults.len() < MAX_APPS || faults.contains_key(&key) {
            faults.insert(key, failure.reason().to_owned());
        }
    }

    /// A target of the app has accepted a notification.
    pub(super) fn accepted(&self, app: &AppIdent, kind: TargetKind) {
        let mut faults = self.faults.lock();
        if !faults.is_empty() {
            faults.remove(&(kind.label(), app.clone()));
        }
    }

    /// Removes what concerns an app, which was deleted or changed: its next attempt shows whether it is correct now.
    pub(super) fn forget(&self, app: &AppIdent) {
        self.faults.lock().retain(|(_, other), _| other != app);
    }

    /// Those of a kind; `None`: there are none.
    pub(super) fn of(&self, kind: TargetKind) -> Option<RefusedCredentials> {
        let faults = self.faults.lock();
        let mut of_kind = faults
            .iter()
            .filter(|((label, _), _)| *label == kind.label());
        let ((_, app), reason) = of_kind.next()?;
        Some(RefusedCredentials {
            app: app.clone(),
            reason: reason.clone(),
            apps: 1 + of_kind.count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lasts_until_an_attempt_succeeds() {
        let (faults, kind) = (CredentialFaults::default(), TargetKind::Smtp);
        let [one, other] = ["a", "b"].map(AppIdent::trusted);
        let failure = |verdict| SendFailure::new(verdict, "the login is refused");
        faults.failed(&one, kind, &failure(Verdict::Later(None)));
        faults.failed(&one, kind, &failure(Verdict::Refused));
        assert_eq!(faults.of(kind), None);
        faults.failed(&one, kind, &failure(Verdict::Credentials));
        faults.failed(&other, kind, &failure(Verdict::Credentials));
        let found = faults.of(kind).unwrap();
        assert_eq!((found.apps, &*found.reason), (2, "the login is refused"));
        assert_eq!(faults.of(TargetKind::Apn), None);
        faults.accepted(&one, kind);
        assert_eq!(faults.of(kind).map(|found| found.app), Some(other.clone()));
        faults.forget(&other);
        assert_eq!(faults.of(kind), None);
    }
}
