//! Sending webhook events from the outbox.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use super::backoff::pause;
use super::{WebhookQueue, WebhookRules};
use crate::core::auth::random_53_bits;
use crate::core::error::StorageError;
use crate::core::model::{App, Attempt, Claim, OutboxEventKind, QueuedEvent, Timestamp};
use crate::core::ports::{
    AttemptResult, ClaimUpdate, Clock, Disposition, Metrics, Notifier, OLDEST_BYTES, Outbox,
    WebhookOutcome,
};
use crate::core::service::app_cache::AppCache;
use crate::core::service::work_in_progress::while_working;

/// The addresses that are claimed at a time.
const CLAIMS: usize = 256;

/// The events in one request, and the bytes of client events in it. A request has at least one event, whatever its size.
const BATCH: usize = 100;
const BATCH_BYTES: usize = OLDEST_BYTES;

/// The batching window: how long the sender waits for more events before it claims.
const LINGER: Duration = Duration::from_millis(50);

/// How often the outbox is polled, for events of other processes and for retries.
const POLL: Duration = Duration::from_secs(1);

/// How often the depth of the outbox is measured while nothing is sent, and at most while something is.
const DEPTH_INTERVAL: Duration = Duration::from_secs(5);
const MIN_DEPTH_INTERVAL: Duration = Duration::from_secs(1);

/// How much longer than two attempts a claim lasts, for the calls of the store.
const CLAIM_MARGIN: Duration = Duration::from_secs(10);

/// How long a shutdown waits for the requests in progress. A shutdown has 650 ms after the drain time for this and for the
/// release of the claims, without which the events wait until the claims expire.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// Sends the events of the outbox: claims the addresses that are due, sends each its events in order, and retries.
pub struct OutboxSender {
    outbox: Arc<dyn Outbox>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
    apps: Arc<AppCache>,
    queue: Arc<WebhookQueue>,
    rules: WebhookRules,
    /// The name of this node in the claims.
    holder: String,
}

impl OutboxSender {
    pub(in crate::core::service) fn new(
        notifier: Arc<dyn Notifier>,
        metrics: Arc<dyn Metrics>,
        queue: Arc<WebhookQueue>,
        rules: WebhookRules,
        holder: String,
    ) -> Self {
        Self {
            outbox: Arc::clone(&queue.outbox),
            notifier,
            clock: Arc::clone(&queue.clock),
            metrics,
            apps: Arc::clone(&queue.apps),
            queue,
            rules,
            holder,
        }
    }

    /// Sends events as they are due, each address independently of the others, until `stop` ends. Requests to one address
    /// follow one another.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        // Where the store is unavailable, the claims of the previous run expire by themselves.
        let _ = self.outbox.release(&self.holder).await;
        let mut sending = FuturesUnordered::new();
        // Counting a large outbox takes time, for which the sender does not wait.
        let mut measuring = FuturesUnordered::new();
        let mut measured: Option<Instant> = None;
        loop {
            let claims = while_working(&mut sending, drop, self.claim()).await;
            let interval = match claims.is_empty() {
                true => DEPTH_INTERVAL,
                false => MIN_DEPTH_INTERVAL,
            };
            if measuring.is_empty() && measured.is_none_or(|last| last.elapsed() >= interval) {
                measured = Some(Instant::now());
                measuring.push(self.measure_depth());
            }
            let more = claims.len() == CLAIMS;
            sending.extend(claims.into_iter().map(|claim| self.send(claim)));
            if more {
                continue;
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.queue.stored.notified() => while_working(&mut sending, drop, sleep(LINGER)).await,
                Some(()) = sending.next() => {}
                Some(()) = measuring.next() => {}
                () = sleep(POLL) => {}
            }
        }
        let rest = async { while sending.next().await.is_some() {} };
        // A request without a response by then is sent again later.
        let _ = timeout(SHUTDOWN_GRACE, rest).await;
        drop(sending);
        let _ = self.outbox.release(&self.holder).await;
    }

    async fn claim(&self) -> Vec<Claim> {
        let now = self.clock.now();
        match self
            .outbox
            .claim(&self.holder, now, self.claimed_until(now), CLAIMS)
            .await
        {
            Ok(claims) => claims,
            Err(error) => {
                tracing::debug!(error = error.chain(), "webhook events not claimed");
                Vec::new()
            }
        }
    }

    async fn measure_depth(&self) {
        if let Ok(depth) = self.outbox.depth().await {
            self.metrics.outbox(depth);
        }
    }

    fn claimed_until(&self, now: Timestamp) -> Timestamp {
        now.plus(self.rules.timeout.saturating_mul(2))
            .plus(CLAIM_MARGIN)
    }

    /// Sends one address its events, until none is left or a request fails.
    async fn send(&self, claim: Claim) {
        loop {
            match self.send_batch(&claim).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // The claim expires by itself.
                    tracing::warn!(
                        error = error.chain(),
                        "webhook result not stored, events will be sent again"
                    );
                    return;
                }
            }
        }
    }

    /// Sends one request; `true`: the address may have more events.
    async fn send_batch(&self, claim: &Claim) -> Result<bool, StorageError> {
        let Some(mut app) = self.apps.get(&claim.app).await? else {
            return Ok(false);
        };
        let mut events = self.outbox.oldest(claim, BATCH).await?;
        truncate_to_request(&mut events);
        let Some(last) = events.last() else {
            let now = self.clock.now();
            let nothing = attempt_result(
                Disposition::Delivered,
                &[],
                now,
                Attempt::default(),
                ClaimUpdate::Free(now),
            );
            self.outbox.settle(claim, &nothing).await?;
            return Ok(false);
        };
        let has_webhook = |app: &App| {
            app.settings
                .webhooks
                .iter()
                .any(|webhook| *webhook.url == *claim.address)
        };
        if !has_webhook(&app) {
            // The webhook may be newer than the cached app.
            let Some(fresh) = self.apps.read_through(&claim.app).await? else {
                return Ok(false);
            };
            app = fresh;
        }
        let is_configured = has_webhook(&app);
        let attempt = if is_configured {
            self.notifier.send(&app, &claim.address, &events).await
        } else {
            Attempt {
                status: None,
                problem: Some("the app no longer has a webhook with this address".to_owned()),
            }
        };
        let now = self.clock.now();
        if attempt.succeeded() {
            self.metrics
                .webhook_attempted(WebhookOutcome::Delivered, events.len() as u64);
            let next = ClaimUpdate::Hold(self.claimed_until(now));
            let delivered = attempt_result(Disposition::Delivered, &events, now, attempt, next);
            return self.outbox.settle(claim, &delivered).await;
        }
        let failed = claim.attempts + 1;
        let expired = events
            .iter()
            .take_while(|event| !is_configured || event.since.plus(self.rules.retry) <= now)
            .count();
        let (disposition, settled) = if expired == 0 {
            (Disposition::Failed, &events[..0])
        } else if self.may_keep(claim).await {
            (Disposition::GivenUp, &events[..expired])
        } else {
            (Disposition::Discarded, &events[..expired])
        };
        self.report_failure(&app, claim, &attempt, expired, last);
        // Without random numbers the pause has no jitter.
        let next = ClaimUpdate::Free(now.plus(if is_configured {
            pause(failed, random_53_bits().unwrap_or(0))
        } else {
            Duration::ZERO
        }));
        self.outbox
            .settle(
                claim,
                &attempt_result(disposition, settled, now, attempt, next),
            )
            .await?;
        Ok(false)
    }

    /// Whether events that are given up are kept to be replayed: up to the bound of the outbox.
    async fn may_keep(&self, claim: &Claim) -> bool {
        let bound = self.queue.outbox_bytes;
        let stored = self.outbox.bytes_of(&claim.app).await;
        bound == 0 || stored.is_ok_and(|bytes| bytes.given_up < bound)
    }

    fn report_failure(
        &self,
        app: &App,
        claim: &Claim,
        attempt: &Attempt,
        expired: usize,
        last: &QueuedEvent,
    ) {
        let outcome = if expired == 0 {
            WebhookOutcome::Failed
        } else {
            WebhookOutcome::GivenUp
        };
        self.metrics
            .webhook_attempted(outcome, expired.max(1) as u64);
        let (problem, status) = (
            attempt.problem.as_deref().unwrap_or("request rejected"),
            attempt.status.unwrap_or(0),
        );
        let attempts = claim.attempts + 1;
        if expired > 0 {
            tracing::warn!(
                app = app.ident.as_str(),
                attempts,
                status,
                problem,
                expired,
                "webhook events given up"
            );
        } else {
            tracing::debug!(
                app = app.ident.as_str(),
                attempts,
                status,
                problem,
                upto = last.id,
                "webhook request failed"
            );
        }
    }
}

/// Truncates the events to one request.
fn truncate_to_request(events: &mut Vec<QueuedEvent>) {
    let mut bytes = 0;
    let fits = events.iter().take_while(|event| {
        if let OutboxEventKind::ClientEvent(client_event) = &event.kind {
            bytes += client_event.event.len() + client_event.data.len();
        }
        bytes <= BATCH_BYTES
    });
    let count = fits.count().max(1);
    events.truncate(count);
}

fn attempt_result(
    disposition: Disposition,
    settled: &[QueuedEvent],
    at: Timestamp,
    attempt: Attempt,
    next: ClaimUpdate,
) -> AttemptResult {
    let upto = settled.last().map_or(0, |event| event.id);
    AttemptResult {
        disposition,
        upto,
        events: settled.len() as u64,
        at,
        attempt,
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ChannelName, ClientEventDetails};

    fn event(bytes: usize) -> QueuedEvent {
        let client_event = ClientEventDetails {
            event: "".into(),
            data: "x".repeat(bytes).into(),
            socket: "".into(),
            user: None,
        };
        let (at, channel) = (Timestamp::default(), ChannelName::trusted("x"));
        QueuedEvent {
            id: 0,
            channel,
            kind: OutboxEventKind::ClientEvent(client_event),
            at,
            since: at,
        }
    }

    #[test]
    fn a_message_is_bounded_in_bytes_and_never_empty() {
        let cut = |sizes: &[usize]| {
            let mut events: Vec<QueuedEvent> = sizes.iter().map(|bytes| event(*bytes)).collect();
            truncate_to_request(&mut events);
            events.len()
        };
        assert_eq!(
            [
                cut(&[BATCH_BYTES + 1, 1]),
                cut(&[BATCH_BYTES, 1]),
                cut(&[BATCH_BYTES - 1, 1, 1]),
                cut(&[1, 1])
            ],
            [1, 1, 2, 2]
        );
        let mut none = Vec::new();
        truncate_to_request(&mut none);
        assert!(none.is_empty());
    }
}
