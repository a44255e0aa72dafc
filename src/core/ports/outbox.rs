//! Where what webhooks are to be told waits.

use async_trait::async_trait;

use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Attempt, Claim, OutboxEvent, QueuedEvent, ReportedPresence, Timestamp,
};

/// What became of an attempt to deliver the oldest notices of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// They were taken. They are removed and counted in the delivery log.
    Delivered,
    /// They were not, and no further attempt is made. They leave the queue, and are kept with an entry of the delivery log
    /// for a replay.
    GivenUp,
    /// They were not, and stay.
    Failed,
}

/// How a claim goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimUpdate {
    /// It is kept, until this time.
    Hold(Timestamp),
    /// It is given back; the address is due at this time.
    Free(Timestamp),
}

/// How an attempt ended, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// What became of the notices.
    pub ending: Disposition,
    /// The newest notice that it is about; older ones are meant too. 0: none is.
    pub upto: u64,
    /// How many those are, for the delivery log.
    pub notices: u64,
    /// When the attempt ended.
    pub at: Timestamp,
    /// How.
    pub attempt: Attempt,
    /// What follows.
    pub next: ClaimUpdate,
}

/// Where what webhooks are to be told waits: a queue for each address of an app. It also remembers who is where, as far as
/// webhooks are concerned.
///
/// Every node of a cluster asks the same store. Times are given by the caller, so nodes whose clocks are some seconds apart
/// hold claims some seconds too long or too short.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Writes what happened into the queues of its addresses, in the order given; it is there after a crash when this
    /// returns. What says who is there ([`OutboxEventKind::standing`](crate::core::model::OutboxEventKind::standing)) is written only where
    /// it says something new: each [`ReportedPresence`] remembers the last that was put, so of several that say the same, from
    /// whichever nodes, one is written, and `Vacated` without an `Occupied` before it never is. Without addresses only the
    /// mark changes. What belongs to an app that is not there is passed over. After an error it may have been done in part, from the
    /// first on, and can be put again whole.
    async fn put(&self, happenings: &[OutboxEvent]) -> Result<(), StorageError>;

    /// Claims addresses that are due at `now`, have notices and are claimed by nobody (or only until `now`), those first that
    /// have been due longest, at most `limit`: of several callers exactly one gets an address. It is `holder`'s until `until`,
    /// or until it is settled. A queue is due when its first notice is put; see [`ClaimUpdate`] for later.
    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError>;

    /// The oldest notices of a claimed address, in order, at most `limit`.
    async fn oldest(&self, claim: &Claim, limit: usize) -> Result<Vec<QueuedEvent>, StorageError>;

    /// Settles an attempt. After [`Disposition::Delivered`] counting begins anew; the others count it and remember how it ended. `false`,
    /// and nothing is changed: the claim is another's by now. An address without notices is forgotten when its claim is given
    /// back.
    async fn settle(&self, claim: &Claim, settlement: &AttemptResult)
    -> Result<bool, StorageError>;

    /// Gives back all that a holder has claimed; the times at which it is due stay.
    async fn release(&self, holder: &str) -> Result<(), StorageError>;

    /// Who is there by what was put, those behind `after`, in the order of the channels' names by code point (the channel
    /// itself before its users, those in the order of their ids), at most `limit`.
    async fn standing(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Result<Vec<ReportedPresence>, StorageError>;

    /// How many notices wait, over all apps. Those that were given up do not.
    async fn depth(&self) -> Result<u64, StorageError>;
}
