//! Storing the results of attempts, several at a time.

use tokio::sync::{Mutex, mpsc, oneshot};

use super::NotificationSender;
use super::batch::Batch;
use crate::core::error::StorageError;
use crate::core::model::{Attempt, Claim, Timestamp};
use crate::core::ports::{AttemptResult, ClaimUpdate, Disposition, Outbox};
use crate::core::service::notifications::pacing::Pacing;

/// The results that are stored together: a publisher waits for one such call at most.
const BATCH: usize = 64;

/// The results that wait: each belongs to an attempt, whose number is bounded, too.
const WAITING: usize = 256;

/// Results on their way to the store.
pub(super) struct Settlements {
    sender: mpsc::Sender<Settlement>,
    receiver: Mutex<mpsc::Receiver<Settlement>>,
}

struct Settlement {
    settled: (Claim, AttemptResult),
    reply: oneshot::Sender<Result<bool, StorageError>>,
}

impl Settlements {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self {
            sender,
            receiver: Mutex::new(receiver),
        }
    }

    /// Settles an attempt: see [`Outbox::settle`].
    async fn settle(&self, claim: &Claim, result: AttemptResult) -> Result<bool, StorageError> {
        let (reply, answer) = oneshot::channel();
        let settlement = Settlement {
            settled: (claim.clone(), result),
            reply,
        };
        let stopped = || StorageError::unavailable("the server is stopping");
        self.sender.send(settlement).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Stores results. Never returns.
    pub(super) async fn run(&self, outbox: &dyn Outbox, pacing: &Pacing) {
        let mut receiver = self.receiver.lock().await;
        while let Some(first) = receiver.recv().await {
            let together = async {
                let mut replies = vec![first.reply];
                let mut settled = vec![first.settled];
                while settled.len() < BATCH
                    && let Ok(next) = receiver.try_recv()
                {
                    replies.push(next.reply);
                    settled.push(next.settled);
                }
                match outbox.settle_all(&settled).await {
                    Ok(held) => {
                        for (reply, is_held) in replies.into_iter().zip(held) {
                            let _ = reply.send(Ok(is_held));
                        }
                    }
                    Err(error) => {
                        for reply in replies {
                            let _ = reply.send(Err(StorageError::unavailable(error.chain())));
                        }
                    }
                }
            };
            pacing.call(together).await;
        }
    }
}

impl NotificationSender {
    /// Releases a claim without an attempt.
    pub(super) async fn free(&self, claim: &Claim, due: Timestamp) -> Result<bool, StorageError> {
        let result = AttemptResult {
            disposition: Disposition::Delivered,
            upto: 0,
            events: 0,
            at: self.clock.now(),
            attempt: Attempt::default(),
            next: ClaimUpdate::Free(due),
        };
        self.settlements.settle(claim, result).await?;
        Ok(false)
    }

    /// Settles an attempt: the notifications of the batch, unless it [failed](Disposition::Failed). `next`: the time of the next
    /// attempt; `None`: now, and the claim is kept where there are more.
    pub(super) async fn settle(
        &self,
        claim: &Claim,
        disposition: Disposition,
        batch: Batch,
        attempt: Attempt,
        next: Option<Timestamp>,
    ) -> Result<bool, StorageError> {
        let at = self.clock.now();
        let more = next.is_none() && batch.more;
        let (upto, events) = match disposition {
            Disposition::Failed => (0, 0),
            _ => (batch.upto, batch.events),
        };
        let result = AttemptResult {
            disposition,
            upto,
            events,
            at,
            attempt,
            next: match more {
                true => ClaimUpdate::Hold(self.claimed_until(at)),
                false => ClaimUpdate::Free(next.unwrap_or(at)),
            },
        };
        let is_held = self.settlements.settle(claim, result).await?;
        Ok(is_held && more)
    }
}

pub(super) fn problem(reason: &str) -> Attempt {
    Attempt {
        status: None,
        problem: Some(reason.to_owned()),
    }
}
