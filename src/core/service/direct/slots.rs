//! The number of attempts at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::MAX_DIRECT_TARGETS;
use crate::core::model::AppIdent;
use crate::core::ports::{SendFailure, Verdict};

/// Attempts at a time of one app, as many as a request has targets, and of all apps. Each has one connection.
const OF_AN_APP: usize = MAX_DIRECT_TARGETS;
const OF_ALL: usize = 1000;

/// Bounds the attempts at a time. What exceeds a bound waits in the order of its arrival.
pub(in crate::core::service) struct SendSlots {
    all: Arc<Semaphore>,
    /// The apps that are sending.
    apps: Mutex<HashMap<AppIdent, Arc<Semaphore>>>,
}

/// The right to one attempt.
pub(super) struct SendSlot<'a> {
    slots: &'a SendSlots,
    app: &'a AppIdent,
    permits: Option<[OwnedSemaphorePermit; 2]>,
}

impl SendSlots {
    pub(in crate::core::service) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(OF_ALL)),
            apps: Mutex::default(),
        }
    }

    /// Waits for the right to one attempt.
    ///
    /// # Errors
    /// There is none within `wait`.
    pub(super) async fn acquire<'a>(
        &'a self,
        app: &'a AppIdent,
        wait: Duration,
    ) -> Result<SendSlot<'a>, SendFailure> {
        // Made first, so that an app that gives up waiting is forgotten as well.
        let mut slot = SendSlot {
            slots: self,
            app,
            permits: None,
        };
        let of_app = {
            let mut apps = self.apps.lock();
            let new = || Arc::new(Semaphore::new(OF_AN_APP));
            Arc::clone(apps.entry(app.clone()).or_insert_with(new))
        };
        let permits = async {
            let first = of_app.acquire_owned().await.ok()?;
            let second = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some([first, second])
        };
        slot.permits = timeout(wait, permits).await.ok().flatten();
        match slot.permits {
            Some(_) => Ok(slot),
            None => Err(SendFailure::new(
                Verdict::Later(None),
                "not sent: too many messages are being sent, try again later",
            )),
        }
    }
}

impl Drop for SendSlot<'_> {
    fn drop(&mut self) {
        self.permits = None;
        let mut apps = self.slots.apps.lock();
        // One reference is that of the map; waiting calls have another one.
        if apps.get(self.app).is_some_and(|of_app| {
            Arc::strong_count(of_app) == 1 && of_app.available_permits() == OF_AN_APP
        }) {
            apps.remove(self.app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_app_that_uses_its_slots_does_not_delay_another() {
        let slots = SendSlots::new();
        let (busy, other) = (AppIdent::trusted("busy"), AppIdent::trusted("other"));
        let second = Duration::from_secs(1);
        let mut held = Vec::new();
        for _ in 0..OF_AN_APP {
            held.push(slots.acquire(&busy, second).await.unwrap());
        }
        let refused = slots.acquire(&busy, second).await.map(drop).unwrap_err();
        assert_eq!(refused.verdict, Verdict::Later(None));
        assert!(slots.acquire(&other, Duration::ZERO).await.is_ok());
        held.pop();
        assert!(slots.acquire(&busy, Duration::ZERO).await.is_ok());
        drop(held);
        assert!(slots.apps.lock().is_empty());
    }
}
