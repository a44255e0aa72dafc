//! What became of deliveries to webhooks.

use std::sync::Arc;

use super::app::AppIdent;
use super::time::Timestamp;

/// How an attempt to tell a webhook ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The HTTP status that was answered; `None`: there was no answer.
    pub status: Option<u16>,
    /// What went wrong, for people, on one line.
    pub problem: Option<String>,
}

impl Attempt {
    /// Whether the address has taken it: any 2xx.
    pub fn succeeded(&self) -> bool {
        self.problem.is_none()
            && self
                .status
                .is_some_and(|status| (200..300).contains(&status))
    }
}

/// An entry of the delivery log: notices that were delivered together, or given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// A number unique in the app, growing.
    pub id: u64,
    /// The address.
    pub address: Arc<str>,
    /// When it ended.
    pub at: Timestamp,
    /// How many notices.
    pub notices: u64,
    /// How many attempts it took.
    pub attempts: u64,
    /// How the last one ended.
    pub last: Attempt,
    /// Whether it was given up; its notices are kept, and can be replayed.
    pub given_up: bool,
}

/// An address of an app with notices that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The address.
    pub address: Arc<str>,
    /// How many notices wait.
    pub notices: u64,
    /// Attempts that failed since the last that did not.
    pub attempts: u64,
    /// When the next one is due.
    pub due: Timestamp,
    /// How the last one failed; empty where none did.
    pub last: Attempt,
}

/// A node's right to tell one address, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who has it: a name that no other node has.
    pub holder: Arc<str>,
    /// The app.
    pub app: AppIdent,
    /// The address.
    pub address: Arc<str>,
    /// Attempts that failed since the last that did not.
    pub attempts: u64,
}
