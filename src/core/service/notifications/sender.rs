//! Sending notifications from the outbox.

mod away;
mod settlements;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::away::Decision;
pub(in crate::core::service) use self::away::UserConnections;
use self::settlements::{Settlements, notification, problem};
use super::breaker::Breaker;
use super::couriers::Couriers;
use super::credential_faults::{CredentialFaults, RefusedCredentials};
use super::progress::{ended, stopped};
use super::registration::{registration, unregistered};
use super::{KINDS, NotificationQueue, NotificationRules};
use crate::core::auth::random_53_bits;
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, Attempt, Claim, QueuedEvent, TargetKind, Timestamp};
use crate::core::ports::{
    Clock, Disposition, Metrics, NotificationOutcome, SendFailure, Stores, Verdict,
};
use crate::core::service::app_cache::AppCache;
use crate::core::service::webhooks::pause;
use crate::core::service::work_in_progress::while_working;

/// The attempts of a kind that are in progress at a time, at most; an app uses no more than what the others leave free. Each has
/// one notification in memory.
const SLOTS: usize = 256;

/// How long the sender gathers ended attempts and new notifications before it claims.
const LINGER: Duration = Duration::from_millis(20);

/// How often the outbox is polled, for notifications of other processes and for retries.
const POLL: Duration = Duration::from_secs(1);

/// How much longer than an attempt a claim lasts, for the calls of the store.
const CLAIM_MARGIN: Duration = Duration::from_secs(20);

/// How long a shutdown waits for the attempts in progress.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// The longest pause that a receiver can request with `Retry-After`.
const MAX_PAUSE: Duration = Duration::from_secs(6 * 3600);

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
    users: UserConnections,
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
    pub users: UserConnections,
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
            users: parts.users,
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
                sending.push(self.send(kind, claim));
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
    async fn send(&self, kind: TargetKind, mut claim: Claim) -> AppIdent {
        loop {
            match self.send_oldest(kind, &claim).await {
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

    /// Makes one attempt; `true`: the target has more notifications.
    async fn send_oldest(&self, kind: TargetKind, claim: &Claim) -> Result<bool, StorageError> {
        let Some(app) = self.apps.get(&claim.app).await? else {
            return Ok(false);
        };
        // The second one shows whether there are more.
        let events = self.stores.outbox.oldest(claim, 2).await?;
        let Some((event, notification)) = events.first().and_then(notification) else {
            return self.free(claim, self.clock.now()).await;
        };
        let Some((_, address)) = TargetKind::of_outbox_address(&claim.address) else {
            return Ok(false);
        };
        let targets = &self.stores.targets;
        let registered = match notification.is_direct() {
            true => Some(unregistered(kind, address, event)),
            false => registration(&**targets, &claim.app, kind, address, &event.channel).await?,
        };
        let Some(target) = &registered else {
            // It was removed since.
            let attempt = problem("the target is not registered any more");
            return self
                .settle(
                    claim,
                    Disposition::Discarded,
                    &events,
                    event.id,
                    attempt,
                    None,
                )
                .await;
        };
        let now = self.clock.now();
        if TargetKind::is_away_address(&claim.address) {
            let oldest = (event, notification);
            match self.decide(claim, oldest, now).await? {
                Decision::Send => {}
                Decision::LookAgain(at) => return self.free(claim, at).await,
                Decision::Drop(reason) => {
                    let (end, attempt) = (Disposition::Delivered, problem(reason));
                    return self
                        .settle(claim, end, &events, event.id, attempt, None)
                        .await;
                }
            }
        }
        let sent = self
            .couriers
            .send(&app, target, notification, claim.attempts + 1, now)
            .await;
        match sent {
            Ok(()) => {
                self.breaker.close(claim);
                self.faults.accepted(&app.ident, kind);
                self.count(kind, event, NotificationOutcome::Delivered);
                let attempt = Attempt::default();
                self.settle(
                    claim,
                    Disposition::Delivered,
                    &events,
                    event.id,
                    attempt,
                    None,
                )
                .await
            }
            Err(failure) => {
                self.faults.failed(&app.ident, kind, &failure);
                if failure.verdict == Verdict::Gone {
                    targets
                        .remove_target(&claim.app, kind, address, None)
                        .await?;
                    self.queue.targets_changed(&claim.app);
                }
                self.fail(&app, kind, claim, &events, event, &failure).await
            }
        }
    }

    async fn fail(
        &self,
        app: &App,
        kind: TargetKind,
        claim: &Claim,
        events: &[QueuedEvent],
        event: &QueuedEvent,
        failure: &SendFailure,
    ) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let is_final = match failure.verdict {
            Verdict::Refused | Verdict::Gone => true,
            Verdict::Later(_) | Verdict::Credentials => event.since.plus(self.rules.retry) <= now,
        };
        let attempts = claim.attempts + 1;
        let attempt = problem(failure.reason());
        if !is_final {
            self.count(kind, event, NotificationOutcome::Failed);
            tracing::debug!(
                app = app.ident.as_str(),
                kind = kind.label(),
                attempts,
                problem = failure.reason(),
                "notification failed"
            );
            // Without random numbers the pause has no jitter.
            let pause = pause(attempts, random_53_bits().unwrap_or(0));
            let pause = match failure.verdict {
                Verdict::Later(Some(after)) => pause.max(after.min(MAX_PAUSE)),
                _ => pause,
            };
            let next = Some(now.plus(pause));
            return self
                .settle(claim, Disposition::Failed, events, 0, attempt, next)
                .await;
        }
        self.count(kind, event, NotificationOutcome::GivenUp);
        tracing::warn!(
            app = app.ident.as_str(),
            kind = kind.label(),
            attempts,
            problem = failure.reason(),
            "notification given up"
        );
        // There is nobody to replay it to where the target is gone.
        let disposition = match failure.verdict != Verdict::Gone && self.may_keep(claim).await {
            true => Disposition::GivenUp,
            false => Disposition::Discarded,
        };
        // The next one begins with its first attempt; a target that keeps failing gets it later.
        let next = match failure.verdict {
            Verdict::Later(_) => self.breaker.open(claim, attempts),
            Verdict::Refused | Verdict::Gone | Verdict::Credentials => None,
        };
        let next = next.map(|failures| now.plus(pause(failures, random_53_bits().unwrap_or(0))));
        self.settle(claim, disposition, events, event.id, attempt, next)
            .await
    }

    fn count(&self, kind: TargetKind, event: &QueuedEvent, outcome: NotificationOutcome) {
        match notification(event) {
            Some((_, one)) if one.is_direct() => self.metrics.direct_message(kind, outcome),
            _ => self.metrics.notified(kind, outcome, 1),
        }
    }

    /// Whether a notification that is given up is kept to be replayed: up to the bound of the outbox.
    async fn may_keep(&self, claim: &Claim) -> bool {
        let stored = self.stores.outbox.bytes_of(&claim.app).await;
        self.outbox_bytes == 0 || stored.is_ok_and(|bytes| bytes.given_up < self.outbox_bytes)
    }
}
