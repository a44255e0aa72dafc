//! Sending notifications from the outbox.

mod attempt;
mod away;
mod batch;
mod digest;
mod settlements;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::settlements::Settlements;
use super::breaker::Breaker;
use super::couriers::Couriers;
use super::credential_faults::{CredentialFaults, RefusedCredentials};
use super::progress::{ended, stopped};
use super::{KINDS, NotificationQueue, NotificationRules};
use crate::core::model::{AppIdent, Claim, TargetKind, Timestamp};
use crate::core::ports::{Clock, Metrics, Nodes, Stores};
use crate::core::service::app_cache::AppCache;
use crate::core::service::work_in_progress::while_working;

/// The attempts of a kind that are in progress at a time, at most; an app uses no more than what the others leave free. Each has
/// one notification in memory, or one digest (see [`DigestContent`](crate::core::model::DigestContent)).
const SLOTS: usize = 256;

/// How long the sender gathers ended attempts and new notifications before it claims.
const LINGER: Duration = Duration::from_millis(20);

/// How often the outbox is polled, for notifications of other processes and for retries.
const POLL: Duration = Duration::from_secs(1);

/// How much longer than an attempt a claim lasts, for the calls of the store.
const CLAIM_MARGIN: Duration = Duration::from_secs(20);

/// How long a shutdown waits for the attempts in progress.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// Sends the notifications of the outbox: claims the targets that are due, sends each its notifications in order, and retries.
pub struct NotificationSender {
    stores: Stores,
    couriers: Couriers,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
    apps: Arc<AppCache>,
    queue: Arc<NotificationQueue>,
    rules: NotificationRules,
    /// The most bytes of an app that are kept after they were given up; 0: no limit.
    outbox_bytes: u64,
    /// The name of this node in the claims.
    holder: String,
    settlements: Settlements,
    nodes: Nodes,
    breaker: Breaker,
    faults: CredentialFaults,
}

/// What a sender of one kind depends on.
pub(in crate::core::service) struct SenderParts {
    pub stores: Stores,
    pub couriers: Couriers,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<dyn Metrics>,
    pub apps: Arc<AppCache>,
    pub queue: Arc<NotificationQueue>,
    pub rules: NotificationRules,
    pub outbox_bytes: u64,
    pub holder: String,
    pub nodes: Nodes,
}

impl NotificationSender {
    pub(in crate::core::service) fn new(parts: SenderParts) -> Self {
        Self {
            stores: parts.stores,
            couriers: parts.couriers,
            clock: parts.clock,
            metrics: parts.metrics,
            apps: parts.apps,
            queue: parts.queue,
            rules: parts.rules,
            outbox_bytes: parts.outbox_bytes,
            holder: parts.holder,
            settlements: Settlements::new(),
            nodes: parts.nodes,
            breaker: Breaker::default(),
            faults: CredentialFaults::default(),
        }
    }

    /// The credentials of a kind that are refused, as this node has seen it.
    pub(in crate::core::service) fn refused(&self, kind: TargetKind) -> Option<RefusedCredentials> {
        self.faults.of(kind)
    }

    /// The app was changed or deleted.
    pub(in crate::core::service) fn app_changed(&self, app: &AppIdent) {
        self.faults.forget(app);
    }

    pub(super) fn couriers(&self) -> &Couriers {
        &self.couriers
    }

    /// Sends notifications as they are due, each target and each kind independently of the others, until `stop` ends. Attempts
    /// for one target follow one another.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        if !self.rules.enabled {
            return stop.await;
        }
        // Where the store is unavailable, the claims of the previous run expire by themselves.
        let _ = self.stores.outbox.release(&self.holder).await;
        let stopping = watch::Sender::new(false);
        {
            let kinds = join_all(KINDS.map(|kind| self.run_kind(kind, stopping.subscribe())));
            let settling = self
                .settlements
                .run(&*self.stores.outbox, &self.queue.pacing);
            tokio::pin!(kinds, settling);
            tokio::select! {
                _ = &mut kinds => {}
                () = &mut settling => {}
                () = stop => {
                    stopping.send_replace(true);
                    self.queue.pacing.end();
                    tokio::select! {
                        _ = &mut kinds => {}
                        () = &mut settling => {}
                    }
                }
            }
        }
        let _ = self.stores.outbox.release(&self.holder).await;
    }

    async fn run_kind(&self, kind: TargetKind, mut stop: watch::Receiver<bool>) {
        let mut sending = FuturesUnordered::new();
        let mut in_progress: HashMap<AppIdent, usize> = HashMap::new();
        loop {
            let free = SLOTS - sending.len();
            let claims = match free {
                0 => Vec::new(),
                _ => {
                    let busy = in_progress.iter().filter(|(_, count)| **count >= free);
                    let busy = busy.map(|(app, _)| app.clone()).collect();
                    let claim = self.claim(kind, busy, free);
                    while_working(&mut sending, |app| ended(&mut in_progress, &app), claim).await
                }
            };
            let more = !claims.is_empty();
            for claim in claims {
                *in_progress.entry(claim.app.clone()).or_default() += 1;
                sending.push(self.send(claim));
            }
            let linger = async {
                if more {
                    return sleep(LINGER).await;
                }
                tokio::select! {
                    () = self.queue.stored.notified() => {}
                    () = sleep(POLL) => {}
                }
            };
            if sending.is_empty() {
                tokio::select! {
                    () = linger => {}
                    () = stopped(&mut stop) => break,
                }
                continue;
            }
            tokio::select! {
                Some(app) = sending.next() => {
                    ended(&mut in_progress, &app);
                    while_working(&mut sending, |app| ended(&mut in_progress, &app), sleep(LINGER)).await;
                }
                () = linger => {}
                () = stopped(&mut stop) => break,
            }
        }
        let rest = async { while sending.next().await.is_some() {} };
        // An attempt without a result by then is made again later.
        let _ = timeout(SHUTDOWN_GRACE, rest).await;
    }

    async fn claim(&self, kind: TargetKind, busy: Vec<AppIdent>, free: usize) -> Vec<Claim> {
        let now = self.clock.now();
        let claim = self.stores.outbox.claim_targets(
            kind,
            &self.holder,
            now,
            self.claimed_until(now),
            &busy,
            free.div_ceil(4),
        );
        match self.queue.pacing.call(claim).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::debug!(error = error.chain(), "notifications not claimed");
                Vec::new()
            }
        }
    }

    fn claimed_until(&self, now: Timestamp) -> Timestamp {
        now.plus(self.rules.timeout.saturating_mul(2))
            .plus(CLAIM_MARGIN)
    }

    /// Sends one target its notifications, until none is left or an attempt fails.
    async fn send(&self, mut claim: Claim) -> AppIdent {
        loop {
            match self.send_oldest(&claim).await {
                // The next one was not attempted yet.
                Ok(true) => claim.attempts = 0,
                Ok(false) => break,
                Err(error) => {
                    // The claim expires by itself.
                    tracing::warn!(
                        error = error.chain(),
                        "result of a notification not stored, it will be sent again"
                    );
                    break;
                }
            }
        }
        claim.app
    }
}
