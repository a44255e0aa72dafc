//! The space that apps have in the outbox.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::core::model::{AppIdent, OutboxEvent};
use crate::core::ports::{OUTBOX_EVENT_BYTES, Outbox};

/// The bytes of an app are read again where this node has added this part of the bound.
const REREAD: u64 = 8;

/// How often they are read at most.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// The pause between two reads, as a multiple of the time that one takes.
const READ_PAUSE: u32 = 30;

/// The apps that are remembered at most; beyond it all are forgotten, and read again.
const MAX_APPS: usize = 10_000;

/// How full the outbox is, by app, as far as this node knows. With several nodes an app can have some more bytes than its
/// bound: each node adds at most an eighth before it reads them again.
pub(in crate::core::service) struct OutboxSpace {
    /// The most bytes of one app; `None`: no limit.
    bound: Option<u64>,
    apps: HashMap<AppIdent, AppBytes>,
}

struct AppBytes {
    stored: u64,
    added: u64,
    /// They are not read again before.
    read_again: Instant,
}

impl OutboxSpace {
    /// `bound`: the most bytes of one app; 0: no limit.
    pub(in crate::core::service) fn new(bound: u64) -> Self {
        Self {
            bound: Some(bound).filter(|bound| *bound > 0),
            apps: HashMap::new(),
        }
    }

    /// Removes the events for which their app has no space, and returns them. Where the store is unavailable, all stay.
    pub(in crate::core::service) async fn reject(
        &mut self,
        outbox: &dyn Outbox,
        batch: &mut Vec<OutboxEvent>,
    ) -> Vec<OutboxEvent> {
        let Some(bound) = self.bound else {
            return Vec::new();
        };
        let mut added: HashMap<AppIdent, u64> = HashMap::new();
        for event in &*batch {
            *added.entry(event.app.clone()).or_default() += bytes(event);
        }
        let mut full = HashSet::new();
        for (app, bytes) in added {
            if !self.admit(outbox, &app, bytes, bound).await {
                full.insert(app);
            }
        }
        if full.is_empty() {
            return Vec::new();
        }
        // Without addresses only the reported presence changes.
        let is_rejected =
            |event: &mut OutboxEvent| !event.addresses.is_empty() && full.contains(&event.app);
        batch.extract_if(.., is_rejected).collect()
    }

    async fn admit(&mut self, outbox: &dyn Outbox, app: &AppIdent, bytes: u64, bound: u64) -> bool {
        let now = Instant::now();
        let known = self.apps.get(app);
        let is_current = known.is_some_and(|known| {
            let has_space = known.added < bound / REREAD
                && known.stored.saturating_add(known.added + bytes) <= bound;
            has_space || now < known.read_again
        });
        if !is_current && let Ok(read) = outbox.bytes_of(app).await {
            if self.apps.len() >= MAX_APPS {
                self.apps.clear();
            }
            // The other apps wait for it: it takes a small part of the time, however many events are stored.
            let pause = READ_INTERVAL.max(now.elapsed() * READ_PAUSE);
            let stored = AppBytes {
                stored: read.waiting,
                added: 0,
                read_again: Instant::now() + pause,
            };
            self.apps.insert(app.clone(), stored);
        }
        let Some(known) = self.apps.get_mut(app) else {
            return true;
        };
        if known.stored.saturating_add(known.added + bytes) > bound {
            return false;
        }
        known.added += bytes;
        true
    }
}

fn bytes(event: &OutboxEvent) -> u64 {
    let one = OUTBOX_EVENT_BYTES + (event.channel.as_str().len() + event.kind.bytes()) as u64;
    one * event.addresses.len() as u64
}
