//! Waiting for one thing while others continue.

use futures_util::stream::{FuturesUnordered, StreamExt};

/// Awaits `future` while the work in progress continues: some of it may hold a connection to the store that `future` waits for.
/// `ended` gets the results.
pub(super) async fn while_working<W: Future, T>(
    working: &mut FuturesUnordered<W>,
    mut ended: impl FnMut(W::Output),
    future: impl Future<Output = T>,
) -> T {
    tokio::pin!(future);
    loop {
        tokio::select! {
            biased;
            done = &mut future => return done,
            Some(result) = working.next() => ended(result),
        }
    }
}
