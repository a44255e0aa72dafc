//! Channel and event names: what they may hold, and what a prefix means.

use std::fmt;
use std::sync::Arc;

use super::ids::UserId;

/// What a channel asks of those who subscribe; told by the name's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// Anybody may subscribe.
    Public,
    /// `private-`: needs a signature.
    Private,
    /// `presence-`: needs a signature, and lists its members.
    Presence,
    /// `personal-<user_id>`: needs a signature, and gathers what one user follows.
    Personal,
    /// `peer-<base>:<user>&<user>`: follows from the presence channel of the same base.
    Peer,
    /// `#server-to-user-<user_id>`: only for sockets that are signed in as the user.
    User,
}

/// Why a name was refused; the text is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("the {what} name is empty: give it at least one character")]
    Empty {
        /// "channel" or "event".
        what: &'static str,
    },
    /// The name is longer than allowed.
    #[error("the {what} name has more than {max} {unit}: shorten it")]
    TooLong {
        /// "channel" or "event".
        what: &'static str,
        /// The limit.
        max: usize,
        /// "characters" or "bytes".
        unit: &'static str,
    },
    /// The name holds a control character.
    #[error("the {what} name holds a control character: use printable characters only")]
    Control {
        /// "channel" or "event".
        what: &'static str,
    },
    /// The name begins like a peer channel but is not one.
    #[error(
        "a peer channel is named peer-<base>:<user>&<user>, its distinct users sorted by code point"
    )]
    Peer,
    /// `personal-` without a usable user id behind it.
    #[error(
        "a personal channel is named personal-<user_id>, with a user id of 1 to 128 characters"
    )]
    Personal,
    /// `#server-to-user-` without a usable user id behind it.
    #[error(
        "a user's channel is named #server-to-user-<user_id>, with a user id of 1 to 128 characters"
    )]
    User,
    /// The name holds a character that Pusher clients do not use.
    #[error("a channel name may hold letters, digits and _ - = @ , . ; only")]
    Pusher,
    /// The event name is one of the protocol's own.
    #[error(
        "event names beginning with pusher: or pusher_internal: are the protocol's own: choose another"
    )]
    Reserved,
}

/// The name of a channel, known to be well formed. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// How a user's channel begins.
    const USER: &str = "#server-to-user-";

    /// A peer channel's name may have this many bytes, whatever the limit for the others.
    pub const MAX_PEER_BYTES: usize = 2000;

    /// Parses a name of at most `max_chars` characters (0: no limit). Control characters are refused, and names that
    /// begin `peer-` or `personal-` must have the form of their kind.
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

    /// Parses a name as Pusher clients give it: of at most `max_chars` characters (0: no limit), each of
    /// `A-Z a-z 0-9 _ - = @ , . ;` (the Pusher documentation), a user's channel aside. So it never names a peer channel, and
    /// `peer-` means nothing.
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

    /// A name that comes from where it was checked before (a store, another node).
    pub fn trusted(text: &str) -> Self {
        Self(text.into())
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the prefix says.
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

    /// Whether the last event is kept for new subscribers of the Pusher dialect: `cache-`, also behind `private-`,
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

    /// The user whose channel this is: of `#server-to-user-<user_id>`.
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

/// The parts of a peer channel's name. A base may hold colons: the users begin behind the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerChannel<'a> {
    /// The presence channel's name without its `presence-`.
    pub base: &'a str,
    users: &'a str,
}

impl<'a> PeerChannel<'a> {
    /// Splits `peer-<base>:<a>&<b>[&<c>…]`; `None` unless at least two distinct users are named, sorted by code point.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (base, users) = name.strip_prefix("peer-")?.rsplit_once(':')?;
        let peer = Self { base, users };
        let sorted = peer.users().zip(peer.users().skip(1)).all(|(a, b)| a < b);
        let named =
            peer.users().all(|user| UserId::parse(user).is_some()) && peer.users().count() >= 2;
        (!base.is_empty() && sorted && named).then_some(peer)
    }

    /// The named users, in order.
    pub fn users(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.users.split('&')
    }

    /// The presence channel that this one follows from.
    pub fn presence(&self) -> String {
        format!("presence-{}", self.base)
    }
}

/// Checks an event name: 1 to `max_chars` characters (0: no limit), no control character, not the protocol's own.
pub fn check_event_name(name: &str, max_chars: usize) -> Result<(), NameError> {
    check_text(name, "event", max_chars)?;
    if name.starts_with("pusher:") || name.starts_with("pusher_internal:") {
        return Err(NameError::Reserved);
    }
    Ok(())
}

fn check_text(text: &str, what: &'static str, max_chars: usize) -> Result<(), NameError> {
    // A character has at most four bytes, so most names need no counting.
    if max_chars != 0 && text.len() > max_chars && text.chars().count() > max_chars {
        return Err(NameError::TooLong {
            what,
            max: max_chars,
            unit: "characters",
        });
    }
    check_printable(text, what)
}

fn check_printable(text: &str, what: &'static str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_tell_the_kind() {
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
    fn pusher_names_hold_few_characters_and_are_never_peer_channels() {
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
    fn cache_and_encrypted_channels_are_told_by_their_prefixes() {
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

    #[test]
    fn a_peer_base_may_hold_a_colon() {
        let peer = PeerChannel::parse("peer-a:b:u1&u2&u3")
            .map(|p| (p.presence(), p.users().collect::<Vec<_>>()));
        assert_eq!(
            peer,
            Some(("presence-a:b".to_string(), vec!["u1", "u2", "u3"]))
        );
    }

    #[test]
    fn the_protocols_own_events_are_reserved() {
        assert_eq!(check_event_name("pusher:x", 200), Err(NameError::Reserved));
        assert_eq!(
            check_event_name("pusher_internal:x", 200),
            Err(NameError::Reserved)
        );
        assert_eq!(check_event_name("pusher", 200), Ok(()));
    }
}
