//! Webhook events that an app loses by its bounds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::core::model::{AppIdent, LostEvents, OutboxEvent, Timestamp};
use crate::core::ports::QueueKind;

/// The shortest time between two entries of the delivery log about one address.
const INTERVAL: Duration = Duration::from_secs(60);

/// For how long losses are gathered before the first entry.
const GATHER: Duration = Duration::from_secs(2);

/// How long presence is compared after the first loss, at the earliest.
const SETTLE: Duration = Duration::from_secs(10);

/// The losses that are not in the delivery log yet, by address.
#[derive(Default)]
pub(super) struct Losses {
    by_app: HashMap<AppIdent, AppLosses>,
}

#[derive(Default)]
struct AppLosses {
    addresses: HashMap<Arc<str>, (u64, Timestamp, &'static str)>,
    /// When the losses are logged next, if there are any.
    log_at: Option<Instant>,
    /// When presence is compared: arrivals or departures were lost.
    compare_at: Option<Instant>,
}

/// What is due after losses.
pub(super) struct DueLosses {
    /// For the delivery log.
    pub lost: Vec<LostEvents>,
    /// The apps whose presence has to be compared.
    pub apps: HashSet<AppIdent>,
}

impl Losses {
    /// Adds an event that was lost.
    pub(super) fn add(&mut self, event: &OutboxEvent, queue: QueueKind) {
        let losses = self.by_app.entry(event.app.clone()).or_default();
        losses.log_at.get_or_insert_with(|| Instant::now() + GATHER);
        for address in event.addresses.iter() {
            let entry = losses.addresses.entry(Arc::clone(address)).or_insert((
                0,
                event.at,
                queue.reason(),
            ));
            *entry = (entry.0 + 1, event.at, queue.reason());
        }
        if event.kind.presence().is_some() {
            self.compare(&event.app);
        }
    }

    /// Has the presence of an app compared: an arrival or departure was lost.
    pub(super) fn compare(&mut self, app: &AppIdent) {
        let losses = self.by_app.entry(app.clone()).or_default();
        losses
            .compare_at
            .get_or_insert_with(|| Instant::now() + SETTLE);
    }

    /// The time of the next step; `None`: nothing was lost.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |losses: &AppLosses| {
            let log = losses.log_at.filter(|_| !losses.addresses.is_empty());
            log.into_iter().chain(losses.compare_at).min()
        };
        self.by_app.values().filter_map(due).min()
    }

    /// Removes what is due. `all`: the losses that are due later, too.
    pub(super) fn take_due(&mut self, all: bool) -> DueLosses {
        let now = Instant::now();
        let mut due = DueLosses {
            lost: Vec::new(),
            apps: HashSet::new(),
        };
        for (app, losses) in &mut self.by_app {
            let is_due = all || losses.log_at.is_some_and(|at| at <= now);
            if is_due && !losses.addresses.is_empty() {
                let lost = losses.addresses.drain();
                due.lost
                    .extend(lost.map(|(address, (events, at, problem))| LostEvents {
                        app: app.clone(),
                        address,
                        at,
                        events,
                        problem: problem.to_owned(),
                    }));
                losses.log_at = Some(now + INTERVAL);
            }
            if losses.compare_at.is_some_and(|at| at <= now) {
                losses.compare_at = None;
                due.apps.insert(app.clone());
            }
        }
        self.by_app.retain(|_, losses| {
            !losses.addresses.is_empty()
                || losses.compare_at.is_some()
                || losses.log_at.is_some_and(|at| at > now)
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ChannelName, OutboxEventKind};

    fn event(kind: OutboxEventKind) -> OutboxEvent {
        OutboxEvent {
            app: AppIdent::trusted("a"),
            channel: ChannelName::trusted("c"),
            at: Timestamp::default(),
            kind,
            addresses: ["http://a/".into(), "http://b/".into()].into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn losses_are_logged_once_a_minute_for_each_address() {
        let mut losses = Losses::default();
        assert_eq!(losses.next_due(), None);
        for _ in 0..3 {
            losses.add(&event(OutboxEventKind::CacheMiss), QueueKind::Webhook);
        }
        assert_eq!(losses.next_due(), Some(Instant::now() + GATHER));
        assert!(losses.take_due(false).lost.is_empty());
        tokio::time::advance(GATHER).await;
        let due = losses.take_due(false);
        let counts: Vec<u64> = due.lost.iter().map(|lost| lost.events).collect();
        assert_eq!((counts, due.apps.len()), (vec![3, 3], 0));
        assert!(due.lost[0].problem.contains("PUSHI_MAX_QUEUED_BYTES"));
        losses.add(&event(OutboxEventKind::CacheMiss), QueueKind::Outbox);
        assert!(losses.take_due(false).lost.is_empty());
        assert_eq!(losses.next_due(), Some(Instant::now() + INTERVAL));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(losses.take_due(false).lost.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn presence_is_compared_after_an_arrival_was_lost() {
        let mut losses = Losses::default();
        losses.add(&event(OutboxEventKind::Occupied), QueueKind::Webhook);
        assert!(losses.take_due(false).apps.is_empty());
        tokio::time::advance(SETTLE).await;
        assert_eq!(losses.take_due(false).apps.len(), 1);
        tokio::time::advance(INTERVAL).await;
        losses.take_due(false);
        assert_eq!(losses.next_due(), None);
    }
}
