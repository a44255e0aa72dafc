//! The attempts in progress, by app.

use std::collections::HashMap;

use futures_util::stream::{FuturesUnordered, StreamExt};

use tokio::sync::watch;

use crate::core::model::AppIdent;

/// An attempt for a target of an app has ended.
pub(super) fn ended(in_progress: &mut HashMap<AppIdent, usize>, app: &AppIdent) {
    if let Some(count) = in_progress.get_mut(app) {
        *count -= 1;
        if *count == 0 {
            in_progress.remove(app);
        }
    }
}

/// Awaits `future` while the attempts in progress continue: one of them may hold a connection to the store that `future` waits
/// for.
pub(super) async fn while_sending<T>(
    sending: &mut FuturesUnordered<impl Future<Output = AppIdent>>,
    in_progress: &mut HashMap<AppIdent, usize>,
    future: impl Future<Output = T>,
) -> T {
    tokio::pin!(future);
    loop {
        tokio::select! {
            biased;
            done = &mut future => return done,
            Some(app) = sending.next() => ended(in_progress, &app),
        }
    }
}

/// Waits until the server stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without a sender it never changes, and the sender outlives the tasks.
    let _ = stop.wait_for(|stop| *stop).await;
}
