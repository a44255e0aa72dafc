//! An attempt to send, and what follows from its result.

use std::time::Duration;

use super::NotificationSender;
use super::away::Decision;
use super::batch::{Batch, notification};
use super::settlements::problem;
use crate::core::auth::random_53_bits;
use crate::core::error::StorageError;
use crate::core::model::{App, Attempt, Claim, OutboxEvent, QueuedEvent, TargetKind, TargetQueue};
use crate::core::ports::{Disposition, NotificationOutcome, SendFailure, Verdict};
use crate::core::service::notifications::registration::{registration, unregistered};
use crate::core::service::webhooks::pause;

/// The longest pause that a receiver can request with `Retry-After`.
const MAX_PAUSE: Duration = Duration::from_secs(6 * 3600);

impl NotificationSender {
    /// Makes one attempt; `true`: the target has more notifications.
    pub(super) async fn send_oldest(&self, claim: &Claim) -> Result<bool, StorageError> {
        let Some(app) = self.apps.get(&claim.app).await? else {
            return Ok(false);
        };
        let Some((kind, queue, address)) = TargetKind::queue_of(&claim.address) else {
            return Ok(false);
        };
        if let TargetQueue::Digest(window) = queue {
            return self.send_digest(&app, claim, (kind, address), window).await;
        }
        // The second one shows whether there are more.
        let events = self.stores.outbox.oldest(claim, 2).await?;
        let oldest = events.first();
        let Some((event, notification)) = oldest.and_then(|one| Some((one, notification(one)?)))
        else {
            return self.free(claim, self.clock.now()).await;
        };
        let batch = Batch::of(&events, 1);
        let targets = &self.stores.targets;
        let registered = match notification.is_direct() {
            true => Some(unregistered(kind, address, event)),
            false => registration(&**targets, &claim.app, kind, address, &event.channel).await?,
        };
        let Some(target) = &registered else {
            return self.discard(claim, batch).await;
        };
        let now = self.clock.now();
        if queue == TargetQueue::Away {
            match self.decide(claim, (event, notification), now).await? {
                Decision::Send => {}
                Decision::Collect(window) => {
                    let digest = kind.digest_address(address, window);
                    return self.collect(claim, event, batch, digest).await;
                }
                Decision::LookAgain(at) => return self.free(claim, at).await,
                Decision::Drop(reason) => {
                    let (end, attempt) = (Disposition::Delivered, problem(reason));
                    return self.settle(claim, end, batch, attempt, None).await;
                }
            }
        }
        let sent = self
            .couriers
            .send(&app, target, notification, claim.attempts + 1, now)
            .await;
        self.conclude(&app, claim, (kind, address), batch, sent)
            .await
    }

    /// The target was removed since.
    pub(super) async fn discard(&self, claim: &Claim, batch: Batch) -> Result<bool, StorageError> {
        let attempt = problem("the target is not registered any more");
        self.settle(claim, Disposition::Discarded, batch, attempt, None)
            .await
    }

    /// Puts a notification into the queue of a digest.
    async fn collect(
        &self,
        claim: &Claim,
        event: &QueuedEvent,
        batch: Batch,
        digest: String,
    ) -> Result<bool, StorageError> {
        let collected = OutboxEvent {
            app: claim.app.clone(),
            channel: event.channel.clone(),
            // The window begins now.
            at: self.clock.now(),
            kind: event.kind.clone(),
            addresses: [digest.into()].into(),
        };
        self.stores.outbox.put(&[collected]).await?;
        let attempt = problem("it is sent in a digest");
        self.settle(claim, Disposition::Delivered, batch, attempt, None)
            .await
    }

    /// Records the result of an attempt.
    pub(super) async fn conclude(
        &self,
        app: &App,
        claim: &Claim,
        (kind, address): (TargetKind, &str),
        batch: Batch,
        sent: Result<(), SendFailure>,
    ) -> Result<bool, StorageError> {
        let Err(failure) = sent else {
            self.breaker.close(claim);
            self.faults.accepted(&app.ident, kind);
            self.count(kind, batch, NotificationOutcome::Delivered);
            let attempt = Attempt::default();
            return self
                .settle(claim, Disposition::Delivered, batch, attempt, None)
                .await;
        };
        self.faults.failed(&app.ident, kind, &failure);
        if failure.verdict == Verdict::Gone {
            self.stores
                .targets
                .remove_target(&claim.app, kind, address, None)
                .await?;
            self.queue.targets_changed(&claim.app);
        }
        self.fail(app, kind, claim, batch, &failure).await
    }

    async fn fail(
        &self,
        app: &App,
        kind: TargetKind,
        claim: &Claim,
        batch: Batch,
        failure: &SendFailure,
    ) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let is_final = match failure.verdict {
            Verdict::Refused | Verdict::Gone => true,
            Verdict::Later(_) | Verdict::Credentials => batch.since.plus(self.rules.retry) <= now,
        };
        let attempts = claim.attempts + 1;
        let attempt = problem(failure.reason());
        if !is_final {
            self.count(kind, batch, NotificationOutcome::Failed);
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
                .settle(claim, Disposition::Failed, batch, attempt, next)
                .await;
        }
        self.count(kind, batch, NotificationOutcome::GivenUp);
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
        self.settle(claim, disposition, batch, attempt, next).await
    }

    fn count(&self, kind: TargetKind, batch: Batch, outcome: NotificationOutcome) {
        match batch.is_direct {
            true => self.metrics.direct_message(kind, outcome),
            false => self.metrics.notified(kind, outcome, batch.events),
        }
    }

    /// Whether a notification that is given up is kept to be replayed: up to the bound of the outbox.
    async fn may_keep(&self, claim: &Claim) -> bool {
        let stored = self.stores.outbox.bytes_of(&claim.app).await;
        self.outbox_bytes == 0 || stored.is_ok_and(|bytes| bytes.given_up < self.outbox_bytes)
    }
}
