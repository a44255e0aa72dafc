//! Time limits on the requests of one connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant as StdInstant};

use hyper::rt;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

/// hyper's timer for one connection: one alarm, however many requests come. hyper wants a time limit for each head, and to
/// line an alarm up and take it out again would cost a good part of what the request does.
#[derive(Debug, Clone, Default)]
pub struct Alarm(Arc<Mutex<Option<Pin<Box<Sleep>>>>>);

impl rt::Timer for Alarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn rt::Sleep>> {
        let due = Instant::from_std(deadline);
        let mut alarm = self
            .0
            .lock()
            .take()
            .unwrap_or_else(|| Box::pin(sleep_until(due)));
        if alarm.deadline() > due {
            alarm.as_mut().reset(due);
        }
        Box::pin(Limit {
            due,
            alarm: Some(alarm),
            of: self.clone(),
        })
    }

    fn now(&self) -> StdInstant {
        Instant::now().into_std()
    }
}

/// One time limit. It gives the alarm back when it is dropped, set as it is: where it rings early it is set again.
struct Limit {
    due: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
    of: Alarm,
}

impl rt::Sleep for Limit {}

impl Future for Limit {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { due, alarm, .. } = self.get_mut();
        let Some(alarm) = alarm else {
            return Poll::Ready(());
        };
        loop {
            ready!(alarm.as_mut().poll(cx));
            if *due <= Instant::now() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(*due);
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        *self.of.0.lock() = self.alarm.take();
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::Timer;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_limit_is_its_own() {
        let (alarm, begun) = (Alarm::default(), Instant::now());
        let took = || begun.elapsed().as_secs();
        // Given up before it rang; the next one does not end with it, nor one that is shorter after it.
        drop(alarm.sleep(Duration::from_secs(10)));
        alarm.sleep(Duration::from_secs(30)).await;
        assert_eq!(took(), 30);
        let mut long = alarm.sleep(Duration::from_secs(100));
        assert!(futures_util::poll!(&mut long).is_pending());
        drop(long);
        alarm.sleep(Duration::from_secs(5)).await;
        assert_eq!(took(), 35);
        // Two at a time, as nobody asks for them.
        let (one, two) = (
            alarm.sleep(Duration::from_secs(1)),
            alarm.sleep(Duration::from_secs(2)),
        );
        two.await;
        one.await;
        assert_eq!(took(), 37);
    }
}
