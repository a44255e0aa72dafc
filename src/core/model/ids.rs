//! Identifiers, each with its own type.

use std::fmt;
use std::sync::Arc;

/// Identifies a live connection: a random 53-bit number of the process, a dot, and a counter. Never reused on any
/// node, and valid as a Pusher `socket_id` (`^\d+\.\d+$`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId {
    /// A random number of the process.
    pub process: u64,
    /// The number of the connection in the process, from 1.
    pub counter: u64,
}

impl SocketId {
    /// Parses `<digits>.<digits>`; `None` for anything else, also with leading zeros, so that a socket has exactly one text form.
    pub fn parse(text: &str) -> Option<Self> {
        let (process, counter) = text.split_once('.')?;
        let number = |part: &str| -> Option<u64> {
            let plain = !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().ok() } else { None }
        };
        Some(Self {
            process: number(process)?,
            counter: number(counter)?,
        })
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process, self.counter)
    }
}

/// A user id, assigned by the app's back end. The edge converts numbers to decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// At most this many characters (the limit of the Pusher documentation).
    pub const MAX_CHARS: usize = 128;

    /// A user id of 1 to [`UserId::MAX_CHARS`] characters without control characters.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.chars().count() <= Self::MAX_CHARS
            && !text.chars().any(char::is_control);
        fits.then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unique id of an event: 32 lower-case hex digits where this server assigned it, any text in a database of the original.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mid(pub Arc<str>);

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Shared by the copies of one publish to several channels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublishId(pub Arc<str>);
