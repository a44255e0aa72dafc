//! The bytes of the answers that are being prepared or sent: bounded in all, for each app and for each address, and handed
//! out in turn.
//!
//! An answer acquires its bytes before it reads the store and keeps them until the client has taken it. Waiting callers are
//! served in their order, within their address, then within their app, then in all; so an app that asks for much waits for
//! itself first, and the others find room. Small and large answers have half of the bytes each: large ones that nobody reads
//! do not stop small ones, which mostly fit the sockets' buffers. Names have as many bytes as one half besides: those of
//! channels that a user follows, and those of members as far as no earlier answer has rendered them.

use ::core::net::IpAddr;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::core::model::AppIdent;

/// How long an answer waits for its bytes.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The most bytes of a small answer.
pub const SMALL_ANSWER: usize = 256 * 1024;

/// The part of all bytes that the answers of one app may have.
const PER_APP: usize = 4;

/// The part of all bytes that the answers to one address may have.
const PER_ADDRESS: usize = 8;

/// An app or an address, each with its part of the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Share {
    App(AppIdent),
    Address(IpAddr),
}

/// Too many bytes of answers are being prepared or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many large answers are being prepared or are not read (max_answers_bytes): read faster, or try again later"
)]
pub struct AnswersBusy;

/// The bytes of all answers, bounded by `max_answers_bytes`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AnswerBudget {
    small: Arc<Pool>,
    large: Arc<Pool>,
    names: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    bytes: usize,
    all: Arc<Semaphore>,
    /// The apps and addresses with answers; removed with their last one.
    shares: Mutex<HashMap<Share, Arc<Semaphore>>>,
}

impl AnswerBudget {
    /// A budget of `bytes` (0: no bound).
    pub fn new(bytes: u64) -> Self {
        let bytes = match usize::try_from(bytes) {
            Ok(0) | Err(_) => Semaphore::MAX_PERMITS,
            Ok(bytes) => (bytes / 2).clamp(1, Semaphore::MAX_PERMITS),
        };
        let pool = || {
            Arc::new(Pool {
                bytes,
                all: Arc::new(Semaphore::new(bytes)),
                shares: Mutex::default(),
            })
        };
        Self {
            small: pool(),
            large: pool(),
            names: pool(),
        }
    }

    /// Waits for `bytes`, or for as many as the smallest of the bounds has.
    ///
    /// # Errors
    /// None came free in time.
    pub async fn acquire(
        &self,
        app: &AppIdent,
        address: Option<IpAddr>,
        bytes: usize,
    ) -> Result<AnswerPermit, AnswersBusy> {
        let pool = match bytes {
            0..=SMALL_ANSWER => &self.small,
            _ => &self.large,
        };
        Self::acquire_from(pool, app, address, bytes).await
    }

    /// Waits for the bytes of names, or for the app's part of all.
    ///
    /// # Errors
    /// None came free in time.
    pub async fn acquire_names(
        &self,
        app: &AppIdent,
        bytes: usize,
    ) -> Result<AnswerPermit, AnswersBusy> {
        Self::acquire_from(&self.names, app, None, bytes).await
    }

    async fn acquire_from(
        pool: &Arc<Pool>,
        app: &AppIdent,
        address: Option<IpAddr>,
        bytes: usize,
    ) -> Result<AnswerPermit, AnswersBusy> {
        let smallest = match address {
            Some(_) => pool.bytes / PER_ADDRESS,
            None => pool.bytes / PER_APP,
        };
        let bytes = u32::try_from(bytes.min(smallest).max(1)).unwrap_or(u32::MAX);
        let shares = address
            .map(Share::Address)
            .into_iter()
            .chain([Share::App(app.clone())]);
        let mut permit = AnswerPermit {
            held: Vec::with_capacity(3),
            pool: Arc::clone(pool),
        };
        let acquiring = async {
            for share in shares {
                let semaphore = pool.share(&share);
                permit
                    .held
                    .push((Some(share), semaphore.acquire_many_owned(bytes).await?));
            }
            let all = Arc::clone(&pool.all).acquire_many_owned(bytes).await?;
            permit.held.push((None, all));
            Ok::<_, tokio::sync::AcquireError>(())
        };
        match timeout(MAX_WAIT, acquiring).await {
            Ok(Ok(())) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(AnswersBusy),
        }
    }

    /// The bytes that answers have now.
    pub fn used(&self) -> u64 {
        let used = |pool: &Pool| pool.bytes.saturating_sub(pool.all.available_permits()) as u64;
        [&self.small, &self.large, &self.names]
            .map(|pool| used(pool))
            .iter()
            .sum()
    }
}

impl Pool {
    fn share(&self, share: &Share) -> Arc<Semaphore> {
        let part = match share {
            Share::App(_) => PER_APP,
            Share::Address(_) => PER_ADDRESS,
        };
        let mut shares = self.shares.lock();
        let new = || Arc::new(Semaphore::new((self.bytes / part).max(1)));
        Arc::clone(shares.entry(share.clone()).or_insert_with(new))
    }
}

/// The bytes of one answer, which are given back when it is dropped.
#[derive(Debug)]
pub struct AnswerPermit {
    held: Vec<(Option<Share>, OwnedSemaphorePermit)>,
    pool: Arc<Pool>,
}

impl AnswerPermit {
    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        for (_, held) in &mut self.held {
            let surplus = held.num_permits().saturating_sub(bytes.max(1));
            drop(held.split(surplus));
        }
    }
}

impl Drop for AnswerPermit {
    fn drop(&mut self) {
        for (share, held) in self.held.drain(..) {
            drop(held);
            let Some(share) = share else { continue };
            let mut shares = self.pool.shares.lock();
            // Permits and waiting callers hold the semaphore, too.
            if shares
                .get(&share)
                .is_some_and(|semaphore| Arc::strong_count(semaphore) == 1)
            {
                shares.remove(&share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn app(name: &str) -> AppIdent {
        AppIdent::trusted(name)
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_that_has_its_part_waits_and_others_do_not() {
        let budget = AnswerBudget::new(32 * MIB as u64);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(budget.acquire(&app("a"), None, MIB).await.unwrap());
        }
        let refused = budget.acquire(&app("a"), None, MIB).await;
        assert_eq!(refused.unwrap_err(), AnswersBusy);
        let other = budget.acquire(&app("b"), None, MIB).await.unwrap();
        let small = budget.acquire(&app("a"), None, 1000).await.unwrap();
        assert_eq!(budget.used(), 5 * MIB as u64 + 1000);
        held.clear();
        drop(budget.acquire(&app("a"), None, MIB).await.unwrap());
        drop((other, small));
        assert_eq!(budget.used(), 0);
        for pool in [&budget.small, &budget.large, &budget.names] {
            assert!(pool.shares.lock().is_empty(), "shares are left");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_half_of_an_apps_part() {
        let budget = AnswerBudget::new(32 * MIB as u64);
        let (one, two) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let _first = budget.acquire(&app("a"), Some(one), 2 * MIB).await.unwrap();
        let refused = budget.acquire(&app("a"), Some(one), MIB).await;
        assert_eq!(refused.unwrap_err(), AnswersBusy);
        drop(budget.acquire(&app("a"), Some(two), 2 * MIB).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shrunk_answer_gives_room_to_others() {
        let budget = AnswerBudget::new(8 * MIB as u64);
        let mut permit = budget.acquire(&app("a"), None, 10 * MIB).await.unwrap();
        assert_eq!(budget.used(), MIB as u64, "the app's part");
        permit.shrink_to(1000);
        assert_eq!(budget.used(), 1000);
        drop(budget.acquire(&app("a"), None, MIB / 2).await.unwrap());
    }
}
