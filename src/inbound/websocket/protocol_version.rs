//! The version of the Pusher protocol that a client requests in the query of its handshake.

use percent_encoding::percent_decode_str;

/// The supported versions: the differences between them concern other servers' clients only.
const SUPPORTED: std::ops::RangeInclusive<u64> = 5..=7;

/// The longest version of a client library, in bytes.
const MAX_LIBRARY_VERSION: usize = 64;

/// Why a client of the Pusher dialect is refused because of its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolVersionError {
    /// `protocol` is not a number, or `version` is not a library's version.
    #[error(
        "the protocol version is malformed: connect with ?protocol=7&client=NAME&version=NUMBER"
    )]
    Malformed,
    /// The version is not supported.
    #[error("this protocol version is not supported: connect with ?protocol=7")]
    Unsupported,
    /// `protocol` is missing or empty.
    #[error("no protocol version: connect with ?protocol=7")]
    Missing,
}

impl ProtocolVersionError {
    /// The code that the connection is closed with.
    pub fn code(self) -> u16 {
        match self {
            Self::Malformed => 4006,
            Self::Unsupported => 4007,
            Self::Missing => 4008,
        }
    }

    /// Checks a query; `None`: the version is supported.
    pub(super) fn check(query: &str) -> Option<Self> {
        // The first value counts. A plus stays a plus, since versions of libraries contain it
        // ("1.0+build"): the form decoding of the REST API would turn it into a space.
        let (mut protocol, mut library) = (None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "protocol" => protocol = protocol.or(Some(value)),
                "version" => library = library.or(Some(value)),
                _ => {}
            }
        }
        let decode = |value| percent_decode_str(value).decode_utf8_lossy();
        let Some(protocol) = protocol.map(decode).filter(|value| !value.is_empty()) else {
            return Some(Self::Missing);
        };
        let Ok(protocol) = protocol.parse::<u64>() else {
            return Some(Self::Malformed);
        };
        if !library.is_none_or(|version| is_library_version(&decode(version))) {
            return Some(Self::Malformed);
        }
        (!SUPPORTED.contains(&protocol)).then_some(Self::Unsupported)
    }
}

/// Libraries format their versions differently, so every short text of these characters is
/// accepted.
fn is_library_version(text: &str) -> bool {
    text.len() <= MAX_LIBRARY_VERSION
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-+_~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_code() {
        for (query, code) in [
            ("protocol=7", None),
            ("client=js&version=8.6.0&protocol=7&flash=false&else", None),
            ("protocol=5", None),
            ("protocol=7&version=7.0.3-rc1%2Bbuild", None),
            ("protocol=7&version=7.0.3-rc1+build", None),
            ("protocol=7&version=", None),
            ("protocol=7&protocol=8", None),
            ("", Some(4008)),
            ("client=js", Some(4008)),
            ("protocol=", Some(4008)),
            ("protocol=x", Some(4006)),
            ("protocol=7.0", Some(4006)),
            ("protocol=-1", Some(4006)),
            ("protocol=7&version=%20", Some(4006)),
            ("protocol=4", Some(4007)),
            ("protocol=8", Some(4007)),
        ] {
            assert_eq!(
                ProtocolVersionError::check(query).map(ProtocolVersionError::code),
                code,
                "{query}"
            );
        }
    }
}
