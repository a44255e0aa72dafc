//! Members of presence channels.

use std::sync::Arc;

use super::ids::UserId;

/// A user on a presence channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member's user id.
    pub user_id: UserId,
    /// The channel data of the join: the text of a JSON object with `user_id`.
    pub data: Arc<str>,
    /// Whether the channel data has `"peer": true`.
    pub peer: bool,
}
