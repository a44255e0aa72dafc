//! The last event of a cache channel.

use std::sync::Arc;

use super::ids::Mid;
use super::time::Timestamp;

/// The last event of a cache channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedEvent {
    /// Its id.
    pub mid: Mid,
    /// Its name.
    pub event: Arc<str>,
    /// Its data.
    pub data: Arc<str>,
    /// From when on it is not given to subscribers any more.
    pub expires: Timestamp,
}
