//! Web hooks.

use bytes::Bytes;

use crate::core::model::app::App;
use crate::core::model::secret::Secret;
use crate::core::model::time::Timestamp;

/// The method of a web hook's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebMethod {
    /// With a body.
    Post,
    /// With a body.
    Put,
    /// Without a body.
    Get,
    /// Without a body.
    Delete,
}

impl WebMethod {
    /// All methods with their names.
    pub const NAMES: [(Self, &'static str); 4] = [
        (Self::Post, "POST"),
        (Self::Put, "PUT"),
        (Self::Get, "GET"),
        (Self::Delete, "DELETE"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(method, _)| *method == self)
            .map_or("", |(_, name)| name)
    }

    /// From the name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(method, _)| *method)
    }

    /// Whether requests have a body.
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put)
    }
}

/// A request to a web hook.
#[derive(Debug, Clone)]
pub struct WebMessage {
    /// The address, `http` or `https`.
    pub url: Secret,
    /// The method.
    pub method: WebMethod,
    /// Further headers, valid ones; none is `Content-Type`, which is JSON by default, unless it is given here.
    pub headers: Vec<(String, String)>,
    /// The body; not sent with a method that has none.
    pub body: Bytes,
    /// What the signature headers show.
    pub signing: WebSigning,
}

/// What the signature headers of a web hook show.
#[derive(Debug, Clone)]
pub struct WebSigning {
    /// The app's key.
    pub key: String,
    /// The secrets, the current one first. A receiver that rejects its signature gets those of the others.
    pub secrets: Vec<Secret>,
    /// The identifier of the event, the same in every attempt.
    pub event_id: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The time of the attempt.
    pub at: Timestamp,
}

impl WebSigning {
    /// The signature of an app.
    pub fn of(app: &App, event_id: String, attempt: u32, at: Timestamp) -> Self {
        Self {
            key: app.key.clone(),
            secrets: app.secrets().cloned().collect(),
            event_id,
            attempt,
            at,
        }
    }
}
