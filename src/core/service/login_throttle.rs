//! Failed logins: slowed per client and app, counted, and logged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Service;
use crate::core::model::{AppIdent, ClientNetwork, Timestamp};
use crate::core::ports::{Clock, GuessedCredential, Metrics};

/// The time in which one attempt is given back, in microseconds.
const REFILL: u64 = 1_000_000;

/// A token may also be that of a session that has expired since, which clients send for a while.
const TOKEN_FACTOR: u64 = 3;

/// The number of remembered buckets, of about 100 bytes each.
const CAPACITY: usize = 20_000;

/// The client has to wait after too many failed logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed logins from this address: try again in {} s", .wait.as_secs())]
pub struct LoginsThrottled {
    /// The time until the next attempt, in whole seconds.
    pub wait: Duration,
}

/// What is guessed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum GuessTarget {
    /// The secret of the app with this number.
    App(u64),
    /// The secret of an app that there is not.
    NoApp,
    /// The administrator's token.
    Token,
    /// The signature of a request.
    Signature,
}

/// Judges logins and limits the failed ones.
pub(super) struct LoginThrottle {
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
    buckets: Mutex<Buckets>,
}

impl LoginThrottle {
    /// `attempts`: failed logins in a row; 0: no limit.
    pub(super) fn new(attempts: u64, clock: Arc<dyn Clock>, metrics: Arc<dyn Metrics>) -> Self {
        Self {
            clock,
            metrics,
            buckets: Mutex::new(Buckets {
                attempts,
                full_at: HashMap::new(),
            }),
        }
    }

    /// Runs `judge` if the client has attempts left, and takes one where it finds nothing. Concurrent guesses are judged one
    /// after the other. A client that is not known (a call within the process) is not limited.
    pub(super) fn judge<T>(
        &self,
        client: Option<ClientNetwork>,
        target: GuessTarget,
        app: Option<&AppIdent>,
        judge: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, LoginsThrottled> {
        let Some(client) = client else {
            return Ok(judge());
        };
        let network = client.0.clone();
        let bucket = (client, target);
        let now = self.clock.now();
        let judged = {
            let mut buckets = self.buckets.lock();
            match buckets.wait(&bucket, now) {
                Some(wait) => Err(LoginsThrottled { wait }),
                None => {
                    let found = judge();
                    if found.is_none() {
                        buckets.take(bucket, now);
                    }
                    Ok(found)
                }
            }
        };
        let credential = match target {
            GuessTarget::App(_) | GuessTarget::NoApp => GuessedCredential::Secret,
            GuessTarget::Token => GuessedCredential::Token,
            GuessTarget::Signature => GuessedCredential::Signature,
        };
        match &judged {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.metrics.login_failed(credential, false);
                let (credential, app) = (credential.name(), app.map(AppIdent::as_str));
                tracing::warn!(client = %network, credential, app, "login failed");
            }
            // Not logged: a bucket bounds the lines, too.
            Err(_) => self.metrics.login_failed(credential, true),
        }
        judged
    }
}

/// Names a bucket.
type Bucket = (ClientNetwork, GuessTarget);

/// Token buckets by client and target.
struct Buckets {
    attempts: u64,
    /// The time at which each bucket is full again; at most [`CAPACITY`].
    full_at: HashMap<Bucket, Timestamp>,
}

impl Buckets {
    /// The time that fills an empty bucket, in microseconds.
    fn most(&self, target: GuessTarget) -> u64 {
        let attempts = match target {
            GuessTarget::Token => self.attempts.saturating_mul(TOKEN_FACTOR),
            _ => self.attempts,
        };
        attempts.saturating_mul(REFILL)
    }

    /// The time until this bucket is full, in microseconds. After a step back of the clock it is no more than from empty.
    fn spent(&self, bucket: &Bucket, now: Timestamp) -> u64 {
        let full_at = self.full_at.get(bucket);
        let micros = full_at.map_or(0, |full_at| full_at.micros().saturating_sub(now.micros()));
        u64::try_from(micros).unwrap_or(0).min(self.most(bucket.1))
    }

    /// The time until an attempt, in whole seconds; `None`: there is one left.
    fn wait(&self, bucket: &Bucket, now: Timestamp) -> Option<Duration> {
        let missing = (self.spent(bucket, now) + REFILL).saturating_sub(self.most(bucket.1));
        (self.attempts > 0 && missing > 0).then(|| Duration::from_secs(missing.div_ceil(1_000_000)))
    }

    fn take(&mut self, bucket: Bucket, now: Timestamp) {
        if self.attempts == 0 {
            return;
        }
        if self.full_at.len() >= CAPACITY {
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() > CAPACITY / 2 {
                self.full_at.clear();
            }
        }
        let spent = Duration::from_micros(self.spent(&bucket, now) + REFILL);
        self.full_at.insert(bucket, now.plus(spent));
    }
}

impl Service {
    /// Judges a token that is the administrator's only; `fits`: whether it is.
    ///
    /// # Errors
    /// The client has presented too many wrong ones.
    pub fn judge_token(
        &self,
        client: Option<ClientNetwork>,
        fits: bool,
    ) -> Result<bool, LoginsThrottled> {
        let judge = || fits.then_some(());
        let throttle = &self.parts.logins;
        let found = throttle.judge(client, GuessTarget::Token, None, judge)?;
        Ok(found.is_some())
    }

    /// Counts a request whose signature is wrong. Later requests of the client are judged all the same: it may be the proxy of
    /// others.
    pub fn signature_failed(&self, client: Option<ClientNetwork>, app: &AppIdent) {
        let throttle = &self.parts.logins;
        let _ = throttle.judge(client, GuessTarget::Signature, Some(app), || None::<()>);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_end_and_are_given_back_one_a_second() {
        let mut buckets = Buckets {
            attempts: 3,
            full_at: HashMap::new(),
        };
        let client = ClientNetwork("192.0.2.1".into());
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut attempts = |seconds, target| {
            let left = |buckets: &mut Buckets| {
                let bucket = (client.clone(), target);
                let left = buckets.wait(&bucket, at(seconds)).is_none();
                left.then(|| buckets.take(bucket, at(seconds)))
            };
            std::iter::from_fn(|| left(&mut buckets)).count()
        };
        assert_eq!(attempts(100, GuessTarget::App(1)), 3);
        assert_eq!(attempts(100, GuessTarget::App(2)), 3, "another app");
        assert_eq!(attempts(102, GuessTarget::App(1)), 2);
        assert_eq!(attempts(900, GuessTarget::App(1)), 3);
        assert_eq!(attempts(900, GuessTarget::Token), 9);
        let wait = |now| buckets.wait(&(client.clone(), GuessTarget::Token), at(now));
        assert_eq!(wait(900), Some(Duration::from_secs(1)));
        assert_eq!(
            wait(1),
            Some(Duration::from_secs(1)),
            "a clock stepping back"
        );
        assert_eq!(wait(901), None);
    }

    #[test]
    fn remembered_clients_are_bounded() {
        let mut buckets = Buckets {
            attempts: 10,
            full_at: HashMap::new(),
        };
        let now = Timestamp::from_micros(1_000_000);
        for client in 0..2 * u32::try_from(CAPACITY).unwrap() {
            let client = ClientNetwork(client.to_string().into());
            buckets.take((client, GuessTarget::NoApp), now);
            assert!(buckets.full_at.len() <= CAPACITY);
        }
    }
}
