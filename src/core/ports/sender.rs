//! Sending messages to targets outside the connections.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::core::model::{ApnMessage, EmailMessage, WebMessage, WebPushMessage};

/// Sends messages of one kind; retries are up to the caller.
#[async_trait]
pub trait Sender<M>: Send + Sync {
    /// Makes one attempt to send a message to its target. Ends within twice the timeout that the adapter was built with. A target that
    /// the adapter must not connect to is refused.
    ///
    /// # Errors
    /// The receiver did not accept the message; what follows from it is the failure's verdict.
    async fn send(&self, message: &M) -> Result<(), SendFailure>;
}

/// The senders, one a kind.
#[derive(Clone)]
pub struct Senders {
    /// Web hooks.
    pub web: Arc<dyn Sender<WebMessage>>,
    /// Browsers.
    pub web_push: Arc<dyn Sender<WebPushMessage>>,
    /// E-mails.
    pub email: Arc<dyn Sender<EmailMessage>>,
    /// Apple devices.
    pub apn: Arc<dyn Sender<ApnMessage>>,
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The target will never accept this message.
    Refused,
    /// The target does not exist any more: its registrations are to be removed.
    Gone,
    /// Another attempt may succeed, after this time where the receiver has named one.
    Later(Option<Duration>),
    /// The app's key, login or certificate is not accepted. Another attempt may succeed after it was corrected.
    Credentials,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendFailure {
    /// What follows from it.
    pub verdict: Verdict,
    reason: String,
}

impl SendFailure {
    /// The most characters of a reason.
    const MAX_CHARS: usize = 300;

    /// A failure with its reason, which must contain no address, token or key. It is reduced to one line of bounded length.
    pub fn new(verdict: Verdict, reason: impl AsRef<str>) -> Self {
        let line = reason
            .as_ref()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c });
        Self {
            verdict,
            reason: line.take(Self::MAX_CHARS).collect(),
        }
    }

    /// The reason, one line.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
