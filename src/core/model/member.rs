//! Who is on a presence channel.

use std::sync::Arc;

use super::ids::UserId;

/// A user on a presence channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user_id: UserId,
    /// The channel data it joined with: the text of a JSON object that holds `user_id`.
    pub data: Arc<str>,
    /// Whether the channel data says `"peer": true`.
    pub peer: bool,
}
