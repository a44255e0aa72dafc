//! The names of peer channels.

use crate::core::model::ids::UserId;

/// The parts of a peer channel's name. A base may contain colons: the users follow the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerChannel<'a> {
    /// The presence channel's name without its `presence-`.
    pub base: &'a str,
    users: &'a str,
}

impl<'a> PeerChannel<'a> {
    /// Splits `peer-<base>:<a>&<b>[&<c>…]`; `None` unless it names at least two distinct users, sorted by code point.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (base, users) = name.strip_prefix("peer-")?.rsplit_once(':')?;
        let peer = Self { base, users };
        let sorted = peer.users().zip(peer.users().skip(1)).all(|(a, b)| a < b);
        let named =
            peer.users().all(|user| UserId::parse(user).is_some()) && peer.users().count() >= 2;
        (!base.is_empty() && sorted && named).then_some(peer)
    }

    /// The users, in order.
    pub fn users(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.users.split('&')
    }

    /// The presence channel on which the users have to be present.
    pub fn presence(&self) -> String {
        format!("presence-{}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_base_may_contain_a_colon() {
        let peer = PeerChannel::parse("peer-a:b:u1&u2&u3")
            .map(|p| (p.presence(), p.users().collect::<Vec<_>>()));
        assert_eq!(
            peer,
            Some(("presence-a:b".to_string(), vec!["u1", "u2", "u3"]))
        );
    }
}
