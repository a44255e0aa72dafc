//! What the address of an upgrade names.

use super::{Destination, destination};
use crate::core::model::Secret;

/// What the address of an upgrade names: the app, the dialect, and a token where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeTarget {
    /// The app and the dialect.
    pub destination: Destination,
    /// The query parameter `token`.
    pub token: Option<Secret>,
}

impl From<Destination> for UpgradeTarget {
    fn from(destination: Destination) -> Self {
        Self {
            destination,
            token: None,
        }
    }
}

impl UpgradeTarget {
    /// Parses the path and the query of an upgrade; `None`: there is no key.
    pub fn parse(path: &str, query: Option<&str>) -> Option<Self> {
        let destination = destination(path, query)?;
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let token = pairs
            .filter(|(name, value)| name == "token" && !value.is_empty())
            .map(|(_, value)| Secret::new(value.into_owned()))
            .next();
        Some(Self { destination, token })
    }
}
