//! The connections that ended last, and why.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::core::model::{AppIdent, UserId};
use crate::core::ports::{AddressRange, ClosedConnection};

/// The connections that are kept.
const KEPT: usize = 1000;

/// The bytes of a reason that are kept; a close frame has at most 123.
const REASON_BYTES: usize = 123;

/// The [`KEPT`] connections of this node that ended last, each with at most 1 KiB: a user's id has at most 512 bytes. Where they are
/// full, the oldest one of the app with the most is forgotten, so that an app whose clients come and go leaves those of the others.
#[derive(Default)]
pub(super) struct ClosedConnections {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    count: usize,
    by_app: HashMap<AppIdent, VecDeque<ClosedConnection>>,
}

impl ClosedConnections {
    /// Records the end of a connection.
    pub(super) fn record(&self, app: &AppIdent, mut ended: ClosedConnection) {
        let end = ended.reason.floor_char_boundary(REASON_BYTES);
        if end < ended.reason.len() {
            ended.reason = ended.reason[..end].into();
        }
        let mut guard = self.kept.lock();
        let kept = &mut *guard;
        if kept.count == KEPT {
            kept.forget_one();
        }
        kept.count += 1;
        match kept.by_app.get_mut(app) {
            Some(of_app) => of_app.push_back(ended),
            None => drop(kept.by_app.insert(app.clone(), [ended].into())),
        }
    }

    /// The connections of an app that ended last, newest first.
    pub(super) fn newest(
        &self,
        app: &AppIdent,
        user: Option<&UserId>,
        address: Option<&AddressRange>,
        limit: usize,
    ) -> Vec<ClosedConnection> {
        let is_wanted = |ended: &&ClosedConnection| {
            user.is_none_or(|user| ended.user.as_ref() == Some(user))
                && address.is_none_or(|range| ended.address.is_some_and(|one| range.contains(one)))
        };
        let kept = self.kept.lock();
        let of_app = kept.by_app.get(app).into_iter().flatten().rev();
        of_app.filter(is_wanted).take(limit).cloned().collect()
    }
}

impl Kept {
    fn forget_one(&mut self) {
        let most = self.by_app.iter().max_by_key(|(_, of_app)| of_app.len());
        let Some(app) = most.map(|(app, _)| app.clone()) else {
            return;
        };
        if let Some(of_app) = self.by_app.get_mut(&app) {
            self.count -= usize::from(of_app.pop_front().is_some());
            if of_app.is_empty() {
                self.by_app.remove(&app);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::model::{SocketId, Timestamp};
    use crate::core::ports::{ClosedBy, DialectId};

    fn ended(counter: u64, reason: &str) -> ClosedConnection {
        let opened = Timestamp::from_micros(0);
        ClosedConnection {
            id: SocketId {
                process: 1,
                counter,
            },
            dialect: DialectId::Pushi,
            address: None,
            user: None,
            opened,
            closed: opened.plus(Duration::from_secs(counter)),
            code: 1000,
            reason: reason.into(),
            by: ClosedBy::Client,
        }
    }

    #[test]
    fn a_busy_app_leaves_the_others() {
        let (busy, calm) = (AppIdent::trusted("busy"), AppIdent::trusted("calm"));
        let closed = ClosedConnections::default();
        for counter in 0..10 {
            closed.record(&calm, ended(counter, ""));
        }
        for counter in 0..3000 {
            closed.record(&busy, ended(counter, ""));
        }
        let found = closed.newest(&calm, None, None, 100);
        let counters: Vec<_> = found.iter().map(|one| one.id.counter).collect();
        assert_eq!(counters, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        let found = closed.newest(&busy, None, None, 10_000);
        assert_eq!((found.len(), found[0].id.counter), (990, 2999));
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let app = AppIdent::trusted("a");
        let closed = ClosedConnections::default();
        closed.record(&app, ended(1, &"ä".repeat(100)));
        let found = closed.newest(&app, None, None, 1);
        assert_eq!(&*found[0].reason, "ä".repeat(61));
    }
}
