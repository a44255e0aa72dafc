//! The attempts in progress, by app.

use std::collections::HashMap;

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

/// Waits until the server stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without a sender it never changes, and the sender outlives the tasks.
    let _ = stop.wait_for(|stop| *stop).await;
}
