//! Leaving the store to publishers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

/// What a publish costs besides its commit, about.
const PUBLISH: Duration = Duration::from_micros(50);

/// The time over which the load is measured.
const WINDOW: Duration = Duration::from_millis(500);

/// The pause after a call, as a multiple of the time that it took, where publishers use [`FULL_LOAD`] of the time or more. Below,
/// the pause is shorter in proportion, so that notifications use what publishers leave.
const PAUSE: f64 = 40.0;
const FULL_LOAD: f64 = 0.25;
/// Below this load calls are made at the same time, and without pauses.
const NO_LOAD: f64 = 0.002;
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The turns of notifications at the store: while this node publishes, one call at a time, with a pause after each.
pub(super) struct Pacing {
    /// The time that publishes have used so far, in microseconds.
    used: AtomicU64,
    turn: Mutex<Turn>,
    ended: watch::Sender<bool>,
}

struct Turn {
    next: Instant,
    /// The beginning of the window, and what was used before it.
    since: Instant,
    used: u64,
    /// The part of the time that publishes used in the window before.
    load: f64,
}

impl Pacing {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            used: AtomicU64::new(0),
            turn: Mutex::new(Turn {
                next: now,
                since: now,
                used: 0,
                load: 0.0,
            }),
            ended: watch::Sender::new(false),
        }
    }

    /// The server stops: there are no pauses any more.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// A publish was accepted.
    pub(super) fn published(&self) {
        self.use_time(PUBLISH);
    }

    /// A commit of publishes took this time.
    pub(super) fn committed(&self, took: Duration) {
        self.use_time(took);
    }

    fn use_time(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.used.fetch_add(micros, Ordering::Relaxed);
    }

    /// Makes a call to the store when its turn comes.
    pub(super) async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.call_in_turn(None, call).await
    }

    /// The same, with a permit for the call itself: while it waits for its turn, others have the permits.
    pub(super) async fn call_with_permit<T>(
        &self,
        permits: &Semaphore,
        call: impl Future<Output = T>,
    ) -> T {
        self.call_in_turn(Some(permits), call).await
    }

    async fn call_in_turn<T>(
        &self,
        permits: Option<&Semaphore>,
        call: impl Future<Output = T>,
    ) -> T {
        let permit = async {
            match permits {
                Some(permits) => permits.acquire().await.ok(),
                None => None,
            }
        };
        let mut turn = self.turn.lock().await;
        let mut ended = self.ended.subscribe();
        tokio::select! {
            () = sleep_until(turn.next) => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
        let load = turn.load(self.used.load(Ordering::Relaxed));
        if load < NO_LOAD || *ended.borrow() {
            drop(turn);
            let _permit = permit.await;
            return call.await;
        }
        let _permit = permit.await;
        let began = Instant::now();
        let result = call.await;
        let pause = began.elapsed().mul_f64(PAUSE * (load / FULL_LOAD).min(1.0));
        turn.next = Instant::now() + pause.min(MAX_PAUSE);
        result
    }
}

impl Turn {
    fn load(&mut self, used: u64) -> f64 {
        let window = self.since.elapsed().max(WINDOW);
        let load = Duration::from_micros(used - self.used).as_secs_f64() / window.as_secs_f64();
        if self.since.elapsed() < WINDOW {
            return load.max(self.load);
        }
        (self.since, self.used, self.load) = (Instant::now(), used, load);
        load
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{sleep, timeout};

    /// The time from the first of two calls to the second, each of 10 ms.
    async fn interval(pacing: &Pacing) -> Duration {
        let call = || pacing.call(sleep(Duration::from_millis(10)));
        let began = Instant::now();
        call().await;
        call().await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn without_publishers_nothing_waits() {
        let pacing = Pacing::new();
        assert!(interval(&pacing).await < Duration::from_millis(25));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_grows_with_the_load_and_ends_with_it() {
        let mut intervals = Vec::new();
        for busy in [25, 250, 500] {
            let pacing = Pacing::new();
            pacing.committed(Duration::from_millis(busy));
            intervals.push(interval(&pacing).await.as_millis());
            sleep(Duration::from_secs(5)).await;
            pacing.call(async {}).await;
            sleep(Duration::from_secs(5)).await;
            assert!(interval(&pacing).await < Duration::from_millis(25));
        }
        assert!((90..130).contains(&intervals[0]), "{intervals:?}");
        assert!((400..440).contains(&intervals[1]), "{intervals:?}");
        assert!((400..440).contains(&intervals[2]), "{intervals:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_turn_has_no_permit() {
        let (pacing, permits) = (Pacing::new(), Semaphore::new(1));
        pacing.committed(Duration::from_millis(500));
        pacing.call(sleep(Duration::from_millis(10))).await;
        let waiting = pacing.call_with_permit(&permits, async { permits.available_permits() });
        tokio::pin!(waiting);
        let early = timeout(Duration::from_millis(100), &mut waiting).await;
        assert!(early.is_err());
        assert_eq!(permits.available_permits(), 1);
        assert_eq!(waiting.await, 0);
        assert_eq!(permits.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_server_ends_the_pause() {
        let pacing = Pacing::new();
        pacing.committed(Duration::from_secs(1));
        pacing.call(sleep(Duration::from_millis(10))).await;
        pacing.end();
        let began = Instant::now();
        pacing.call(async {}).await;
        assert!(began.elapsed() < Duration::from_millis(5));
    }
}
