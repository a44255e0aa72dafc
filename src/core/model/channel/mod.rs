//! Channel names, and the kinds of channels.

mod check;
mod peer;

use std::fmt;
use std::sync::Arc;

pub use self::check::{NameError, check_event_name};
use self::check::{check_printable, check_text};
pub use self::peer::PeerChannel;
use super::ids::UserId;

/// The kind of a channel, which its name's prefix defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// No prefix: anyone may subscribe.
    Public,
    /// `private-`: requires a signature.
    Private,
    /// `presence-`: requires a signature, and has members.
    Presence,
    /// `personal-<user_id>`: requires a signature, and combines the channels that one user is subscribed to.
    Personal,
    /// `peer-<base>:<user>&<user>`: for users who are present on the presence channel of the same base.
    Peer,
    /// `#server-to-user-<user_id>`: only for sockets that are signed in as the user.
    User,
}

/// The valid name of a channel. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// The prefix of a user's channel.
    const USER: &str = "#server-to-user-";

    /// The length of a peer channel's name in bytes, independent of the limit for the others.
    pub const MAX_PEER_BYTES: usize = 2000;

    /// Parses a name of at most `max_chars` characters (0: no limit). Control characters are rejected, and names with the
    /// prefix `peer-` or `personal-` must have the form of their kind.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(text: &str, max_chars: usize) -> Result<Self, NameError> {
        const WHAT: &str = "channel";
        if text.starts_with("peer-") {
            if text.len() > Self::MAX_PEER_BYTES {
                return Err(NameError::TooLong {
                    what: WHAT,
                    max: Self::MAX_PEER_BYTES,
                    unit: "bytes",
                });
            }
            check_printable(text, WHAT)?;
            PeerChannel::parse(text).ok_or(NameError::Peer)?;
        } else if let Some(user) = text.strip_prefix(Self::USER) {
            UserId::parse(user).ok_or(NameError::User)?;
        } else {
            check_text(text, WHAT, max_chars)?;
            if text
                .strip_prefix("personal-")
                .is_some_and(|user| UserId::parse(user).is_none())
            {
                return Err(NameError::Personal);
            }
        }
        Ok(Self(text.into()))
    }

    /// Parses a name by Pusher's rules: at most `max_chars` characters (0: no limit), each of `A-Z a-z 0-9 _ - = @ , . ;`
    /// (the Pusher documentation), except a user's channel. The rules exclude `:`, so there are no peer channels, and the
    /// prefix `peer-` has no meaning.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse_pusher(text: &str, max_chars: usize) -> Result<Self, NameError> {
        if text.starts_with(Self::USER) {
            return Self::parse(text, max_chars);
        }
        check_text(text, "channel", max_chars)?;
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-=@,.;".contains(&byte))
        {
            return Err(NameError::Pusher);
        }
        if text
            .strip_prefix("personal-")
            .is_some_and(|user| UserId::parse(user).is_none())
        {
            return Err(NameError::Personal);
        }
        Ok(Self(text.into()))
    }

    /// A name that was checked before (by a store, another node).
    pub fn trusted(text: &str) -> Self {
        Self(text.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind, from the prefix.
    pub fn kind(&self) -> ChannelKind {
        let name = &*self.0;
        if name.starts_with("private-") {
            ChannelKind::Private
        } else if name.starts_with("presence-") {
            ChannelKind::Presence
        } else if name.starts_with("personal-") {
            ChannelKind::Personal
        } else if name.starts_with("peer-") && name.contains(':') {
            ChannelKind::Peer
        } else if name.starts_with(Self::USER) {
            ChannelKind::User
        } else {
            ChannelKind::Public
        }
    }

    /// Whether the last event is kept for new subscribers of the Pusher dialect: `cache-`, also after `private-`,
    /// `private-encrypted-` or `presence-`.
    pub fn is_cache(&self) -> bool {
        let name = &*self.0;
        let rest = name
            .strip_prefix("private-encrypted-")
            .or_else(|| name.strip_prefix("private-"));
        rest.or_else(|| name.strip_prefix("presence-"))
            .unwrap_or(name)
            .starts_with("cache-")
    }

    /// Whether only its subscribers can read its events: `private-encrypted-`.
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("private-encrypted-")
    }

    /// Whether its members may send client events: it is private or a presence channel, and not encrypted.
    pub fn takes_client_events(&self) -> bool {
        matches!(self.kind(), ChannelKind::Private | ChannelKind::Presence) && !self.is_encrypted()
    }

    /// The user of `#server-to-user-<user_id>`.
    pub fn server_user(&self) -> Option<UserId> {
        self.0.strip_prefix(Self::USER).and_then(UserId::parse)
    }

    /// The user of a personal channel.
    pub fn personal_user(&self) -> Option<UserId> {
        self.0.strip_prefix("personal-").and_then(UserId::parse)
    }

    /// The personal channel of `user`.
    pub fn personal_of(user: &UserId) -> Self {
        Self(format!("personal-{user}").into())
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_defines_the_kind() {
        let kind = |name: &str| ChannelName::parse(name, 200).map(|n| n.kind());
        assert_eq!(kind("news"), Ok(ChannelKind::Public));
        assert_eq!(kind("private-x"), Ok(ChannelKind::Private));
        assert_eq!(kind("presence-x"), Ok(ChannelKind::Presence));
        assert_eq!(kind("personal-u1"), Ok(ChannelKind::Personal));
        assert_eq!(kind("peer-room:a&b"), Ok(ChannelKind::Peer));
    }

    #[test]
    fn refused_names() {
        assert_eq!(
            ChannelName::parse("", 200),
            Err(NameError::Empty { what: "channel" })
        );
        assert_eq!(
            ChannelName::parse("a\u{0}b", 200),
            Err(NameError::Control { what: "channel" })
        );
        assert!(matches!(
            ChannelName::parse(&"é".repeat(201), 200),
            Err(NameError::TooLong { max: 200, .. })
        ));
        assert!(ChannelName::parse(&"é".repeat(200), 200).is_ok());
        assert_eq!(
            ChannelName::parse("personal-", 200),
            Err(NameError::Personal)
        );
        for name in [
            "peer-room",
            "peer-room:a",
            "peer-room:b&a",
            "peer-room:a&a",
            "peer-room:a&",
            "peer-:a&b",
            "peer-room:a&b&",
        ] {
            assert_eq!(
                ChannelName::parse(name, 200),
                Err(NameError::Peer),
                "{name}"
            );
        }
    }

    #[test]
    fn pusher_names_are_restricted_and_never_peer_channels() {
        for name in [
            "news",
            "A-Za-z0-9_-=@,.;",
            "private-x",
            "peer-review",
            &"x".repeat(200),
            "#server-to-user-a b:é",
        ] {
            assert!(ChannelName::parse_pusher(name, 200).is_ok(), "{name}");
        }
        assert_eq!(
            ChannelName::parse_pusher("peer-review", 200).map(|name| name.kind()),
            Ok(ChannelKind::Public)
        );
        for name in ["a b", "a:b", "é", "#x", "peer-a:b&c", "a/b", "a\u{0}"] {
            assert!(ChannelName::parse_pusher(name, 200).is_err(), "{name}");
        }
        assert!(matches!(
            ChannelName::parse_pusher(&"x".repeat(201), 200),
            Err(NameError::TooLong { .. })
        ));
        assert_eq!(
            ChannelName::parse_pusher("", 200),
            Err(NameError::Empty { what: "channel" })
        );
        assert_eq!(
            ChannelName::parse_pusher("personal-", 200),
            Err(NameError::Personal)
        );
        assert_eq!(
            ChannelName::parse_pusher("#server-to-user-", 200),
            Err(NameError::User)
        );
    }

    #[test]
    fn a_users_channel_names_its_user_in_both_dialects() {
        for parse in [ChannelName::parse, ChannelName::parse_pusher] {
            let name = parse("#server-to-user-u1", 200).unwrap();
            assert_eq!(
                (name.kind(), name.server_user()),
                (ChannelKind::User, UserId::parse("u1"))
            );
        }
        assert_eq!(
            ChannelName::trusted("server-to-user-u1").server_user(),
            None
        );
    }

    #[test]
    fn prefixes_define_cache_and_encrypted_channels() {
        for (name, cache, encrypted) in [
            ("cache-x", true, false),
            ("private-cache-x", true, false),
            ("private-encrypted-cache-x", true, true),
            ("presence-cache-x", true, false),
            ("private-encrypted-x", false, true),
            ("x-cache-y", false, false),
            ("presence-encrypted-cache-x", false, false),
            ("private-private-cache-x", false, false),
            ("encrypted-cache-x", false, false),
        ] {
            let name = ChannelName::trusted(name);
            assert_eq!(
                (name.is_cache(), name.is_encrypted()),
                (cache, encrypted),
                "{name}"
            );
        }
    }
}
