//! Sending what is due.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use super::backoff::pause;
use crate::core::auth::random_53_bits;
use crate::core::error::StorageError;
use crate::core::model::{App, Attempt, Claim, OutboxEventKind, QueuedEvent, Timestamp};
use crate::core::ports::{AttemptResult, ClaimUpdate, Disposition, WebhookOutcome};
use crate::core::service::Service;

/// Addresses that are claimed at a time.
const CLAIMS: usize = 256;

/// Notices in one message, and bytes of client events in it, at least one notice whatever its size.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 512 * 1024;

/// So long what happens next is waited for, so that what happens together is told together.
const LINGER: Duration = Duration::from_millis(50);

/// How often the outbox is looked at for what other processes put into it and what is to be tried again.
const POLL: Duration = Duration::from_secs(1);

/// How often what waits is counted where nothing is sent.
const COUNT: Duration = Duration::from_secs(5);

/// A claim lasts longer than two attempts by so much: for the store.
const SPARE: Duration = Duration::from_secs(10);

/// How long the end waits for answers that are under way.
const LAST: Duration = Duration::from_secs(1);

impl Service {
    /// Sends what is due, each address on its own, until `stop` ends. Messages to one address go one after the other.
    pub async fn deliver(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        // A store that is away is asked by the claims again; what was claimed ends by itself then.
        let _ = self.ports.stores.outbox.release(&self.hooks.holder).await;
        let mut sending = FuturesUnordered::new();
        let mut counted: Option<Instant> = None;
        loop {
            let claims = beside(&mut sending, self.claim()).await;
            if !claims.is_empty() || counted.is_none_or(|counted| counted.elapsed() >= COUNT) {
                counted = Some(Instant::now());
                beside(&mut sending, self.count_waiting()).await;
            }
            let more = claims.len() == CLAIMS;
            sending.extend(claims.into_iter().map(|claim| self.tell(claim)));
            if more {
                continue;
            }
            tokio::select! {
                () = self.hooks.put.notified() => beside(&mut sending, sleep(LINGER)).await,
                Some(()) = sending.next() => {}
                () = sleep(POLL) => {}
                () = &mut stop => break,
            }
        }
        let rest = async { while sending.next().await.is_some() {} };
        // What is not answered by then is told again.
        let _ = timeout(LAST, rest).await;
        drop(sending);
        let _ = self.ports.stores.outbox.release(&self.hooks.holder).await;
    }

    async fn claim(&self) -> Vec<Claim> {
        let now = self.ports.clock.now();
        match self
            .ports
            .stores
            .outbox
            .claim(&self.hooks.holder, now, self.held_until(now), CLAIMS)
            .await
        {
            Ok(claims) => claims,
            Err(error) => {
                tracing::debug!(
                    error = error.chain(),
                    "what webhooks are to be told cannot be read now"
                );
                Vec::new()
            }
        }
    }

    async fn count_waiting(&self) {
        if let Ok(depth) = self.ports.stores.outbox.depth().await {
            self.hub.metrics().outbox(depth);
        }
    }

    fn held_until(&self, now: Timestamp) -> Timestamp {
        now.plus(self.rules.webhooks.timeout.saturating_mul(2))
            .plus(SPARE)
    }

    /// Tells one address what waits for it, until nothing does or it fails.
    async fn tell(&self, claim: Claim) {
        loop {
            match self.tell_once(&claim).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // The claim ends by itself.
                    tracing::warn!(
                        error = error.chain(),
                        "what a webhook was told could not be noted: it is told again"
                    );
                    return;
                }
            }
        }
    }

    /// One message; `true`: there may be more for this address.
    async fn tell_once(&self, claim: &Claim) -> Result<bool, StorageError> {
        let Some(mut app) = self.app_by_ident(&claim.app).await? else {
            return Ok(false);
        };
        let mut notices = self.ports.stores.outbox.oldest(claim, BATCH).await?;
        cut(&mut notices);
        let Some(last) = notices.last() else {
            let now = self.ports.clock.now();
            let nothing = settlement(
                Disposition::Delivered,
                &[],
                now,
                Attempt::default(),
                ClaimUpdate::Free(now),
            );
            self.ports.stores.outbox.settle(claim, &nothing).await?;
            return Ok(false);
        };
        let knows = |app: &App| {
            app.settings
                .webhooks
                .iter()
                .any(|webhook| *webhook.url == *claim.address)
        };
        if !knows(&app) {
            // Another node may have heard of it before this one.
            let Some(fresh) = self.fresh_app(&claim.app).await? else {
                return Ok(false);
            };
            app = fresh;
        }
        let is_known = knows(&app);
        let attempt = if is_known {
            self.ports
                .notifier
                .tell(&app, &claim.address, &notices)
                .await
        } else {
            Attempt {
                status: None,
                problem: Some("the app has no webhook with this address any more".to_owned()),
            }
        };
        let now = self.ports.clock.now();
        if attempt.succeeded() {
            self.hub
                .metrics()
                .webhook_attempted(WebhookOutcome::Delivered, notices.len() as u64);
            let done = settlement(
                Disposition::Delivered,
                &notices,
                now,
                attempt,
                ClaimUpdate::Hold(self.held_until(now)),
            );
            return self.ports.stores.outbox.settle(claim, &done).await;
        }
        let failed = claim.attempts + 1;
        let expired = notices
            .iter()
            .take_while(|notice| !is_known || notice.since.plus(self.rules.webhooks.retry) <= now)
            .count();
        let (ending, ended) = if expired == 0 {
            (Disposition::Failed, &notices[..0])
        } else {
            (Disposition::GivenUp, &notices[..expired])
        };
        self.say_failed(&app, claim, &attempt, expired, last);
        // Without random numbers all pauses are whole ones.
        let next = ClaimUpdate::Free(now.plus(if is_known {
            pause(failed, random_53_bits().unwrap_or(0))
        } else {
            Duration::ZERO
        }));
        self.ports
            .stores
            .outbox
            .settle(claim, &settlement(ending, ended, now, attempt, next))
            .await?;
        Ok(false)
    }

    fn say_failed(
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
        self.hub
            .metrics()
            .webhook_attempted(outcome, expired.max(1) as u64);
        let (problem, status) = (
            attempt.problem.as_deref().unwrap_or("it was refused"),
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
                "a webhook was given up"
            );
        } else {
            tracing::debug!(
                app = app.ident.as_str(),
                attempts,
                status,
                problem,
                upto = last.id,
                "a webhook failed"
            );
        }
    }
}

/// Awaits `what` while the sending goes on: a message on its way may hold a connection to the store that `what` waits for.
async fn beside<T>(
    sending: &mut FuturesUnordered<impl Future<Output = ()>>,
    what: impl Future<Output = T>,
) -> T {
    tokio::pin!(what);
    loop {
        tokio::select! {
            biased;
            done = &mut what => return done,
            Some(()) = sending.next() => {}
        }
    }
}

/// Leaves what goes into one message.
fn cut(notices: &mut Vec<QueuedEvent>) {
    let mut bytes = 0;
    let fits = notices.iter().take_while(|notice| {
        if let OutboxEventKind::ClientEvent(said) = &notice.what {
            bytes += said.event.len() + said.data.len();
        }
        bytes <= BATCH_BYTES
    });
    let count = fits.count().max(1);
    notices.truncate(count);
}

fn settlement(
    ending: Disposition,
    ended: &[QueuedEvent],
    at: Timestamp,
    attempt: Attempt,
    next: ClaimUpdate,
) -> AttemptResult {
    let upto = ended.last().map_or(0, |notice| notice.id);
    AttemptResult {
        ending,
        upto,
        notices: ended.len() as u64,
        at,
        attempt,
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ChannelName, ClientEventDetails};

    fn notice(bytes: usize) -> QueuedEvent {
        let said = ClientEventDetails {
            event: "".into(),
            data: "x".repeat(bytes).into(),
            socket: "".into(),
            user: None,
        };
        let (at, channel) = (Timestamp::default(), ChannelName::trusted("x"));
        QueuedEvent {
            id: 0,
            channel,
            what: OutboxEventKind::ClientEvent(said),
            at,
            since: at,
        }
    }

    #[test]
    fn a_message_is_bounded_in_bytes_and_never_empty() {
        let cut = |sizes: &[usize]| {
            let mut notices: Vec<QueuedEvent> = sizes.iter().map(|bytes| notice(*bytes)).collect();
            cut(&mut notices);
            notices.len()
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
        super::cut(&mut none);
        assert!(none.is_empty());
    }
}
