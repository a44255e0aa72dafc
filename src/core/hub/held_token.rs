//! The token that a connection holds.

use std::sync::Arc;

use crate::core::auth::TokenGrant;
use crate::core::model::ChannelName;

/// A token and what the connection has by it. It ends with the token.
#[derive(Debug)]
pub struct HeldToken {
    /// What the token grants.
    pub grant: Arc<TokenGrant>,
    /// The channels that the client subscribed to by the token: no more than a connection may have.
    pub channels: Vec<ChannelName>,
    /// Whether the connection is signed in by the token.
    pub signed_in: bool,
}

impl HeldToken {
    /// Takes the channels that the grant does not cover any more.
    pub(super) fn take_uncovered(&mut self) -> Vec<ChannelName> {
        let channels = std::mem::take(&mut self.channels);
        let (covered, uncovered) = channels
            .into_iter()
            .partition(|channel| self.grant.covers(channel));
        self.channels = covered;
        uncovered
    }
}
