//! The queue of webhook events.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Attempt, Claim, OutboxEvent, QueuedEvent, ReportedPresence, TargetKind, Timestamp,
};

/// What happens to the events of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// They were delivered: they are removed and counted in the delivery log.
    Delivered,
    /// They failed and are not retried: they move from the queue to an entry of the delivery log, from which they can be
    /// replayed.
    GivenUp,
    /// They failed and are not retried: they are removed, and counted in the delivery log as given up.
    Discarded,
    /// They failed and stay in the queue.
    Failed,
}

/// What happens to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimUpdate {
    /// It is extended until this time.
    Hold(Timestamp),
    /// It is released; the address is due at this time.
    Free(Timestamp),
}

/// The bytes of client events that [`Outbox::oldest`] reads at most.
pub const OLDEST_BYTES: usize = 512 * 1024;

/// The bytes of an app's stored events, about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxBytes {
    /// Of those that wait to be sent.
    pub waiting: u64,
    /// Of those that were given up and are kept to be replayed.
    pub given_up: u64,
}

/// The bytes of a stored event besides its texts, about.
pub const OUTBOX_EVENT_BYTES: u64 = 200;

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// What happens to the events.
    pub disposition: Disposition,
    /// The newest event that this settles, with all older ones; 0: none.
    pub upto: u64,
    /// The number of those events, for the delivery log. Notifications have an entry each, unless they are given up: together.
    pub events: u64,
    /// When the attempt ended.
    pub at: Timestamp,
    /// The response, or the error.
    pub attempt: Attempt,
    /// What happens to the claim.
    pub next: ClaimUpdate,
}

/// The queues of webhook events, one for each address of an app. It also stores the presence that was last reported to
/// webhooks.
///
/// All nodes of a cluster use the same store. Times are given by the caller, so nodes whose clocks differ by some seconds hold
/// claims some seconds too long or too short.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Appends events to the queues of their addresses, in the order given; they are durable when this returns. An arrival or
    /// departure ([`OutboxEventKind::presence`](crate::core::model::OutboxEventKind::presence)) is written only where it
    /// differs from the [`ReportedPresence`] stored last: of several that are equal, from any nodes, one is written, and
    /// `Vacated` without an `Occupied` before it never is. Without addresses only the reported presence changes. Events of an
    /// unknown app are skipped. A notification is written once for each address and publish: not where the queue of the address
    /// or its log has one of the same publish.
    ///
    /// # Errors
    /// After an error a prefix of the events may have been written; the whole call can be repeated.
    async fn put(&self, events: &[OutboxEvent]) -> Result<(), StorageError>;

    /// Claims addresses of webhooks that are due at `now`, have events and are not claimed (or only until `now`), those first that have
    /// been due longest, at most `limit`: of several callers exactly one gets an address. `holder` has the claim until
    /// `until`, or until it is settled. A queue is due when its first event is written; see [`ClaimUpdate`] for later.
    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError>;

    /// Claims addresses of targets of a kind, like [`Outbox::claim`], none of them of an app in `busy`.
    async fn claim_targets(
        &self,
        kind: TargetKind,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        busy: &[AppIdent],
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError>;

    /// The oldest events of a claimed address, in order, at most `limit` and [`OLDEST_BYTES`], but at least one.
    async fn oldest(&self, claim: &Claim, limit: usize) -> Result<Vec<QueuedEvent>, StorageError>;

    /// Settles an attempt. [`Disposition::Delivered`] resets the count of failed attempts; the others increment it and store
    /// the attempt. A notification that ends resets it, too: the next one begins with its first attempt. `false`: another holder has the claim by now, and nothing is changed. An address without events is removed
    /// when its claim is released.
    async fn settle(&self, claim: &Claim, settlement: &AttemptResult)
    -> Result<bool, StorageError>;

    /// Settles attempts for different addresses: see [`Outbox::settle`].
    ///
    /// # Errors
    /// After an error some of them may be settled.
    async fn settle_all(
        &self,
        settled: &[(Claim, AttemptResult)],
    ) -> Result<Vec<bool>, StorageError> {
        let mut held = Vec::with_capacity(settled.len());
        for (claim, result) in settled {
            held.push(self.settle(claim, result).await?);
        }
        Ok(held)
    }

    /// Releases all claims of a holder; the times at which the addresses are due stay.
    async fn release(&self, holder: &str) -> Result<(), StorageError>;

    /// The reported presence after `after`, ordered by channel (code points; the channel itself before its users, those ordered
    /// by id), at most `limit`.
    async fn reported_presence(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Result<Vec<ReportedPresence>, StorageError>;

    /// The bytes of an app's events, each with [`OUTBOX_EVENT_BYTES`] and its texts, once for each address.
    async fn bytes_of(&self, app: &AppIdent) -> Result<OutboxBytes, StorageError>;

    /// The number of queued events of all apps, without those that were given up.
    async fn depth(&self) -> Result<u64, StorageError>;
}
