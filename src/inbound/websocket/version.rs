//! Which version of the Pusher protocol a client speaks.

use percent_encoding::percent_decode_str;

/// The versions that are spoken: what changed between them concerns other servers' clients alone.
const SPOKEN: std::ops::RangeInclusive<u64> = 5..=7;

/// Why a client of the Pusher dialect may not stay, by what its query says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionFault {
    /// `protocol` is no number, or `version` nothing that a library would say.
    #[error("the version is malformed: connect with ?protocol=7&client=NAME&version=NUMBER")]
    Malformed,
    /// Another version than those spoken.
    #[error("this version of the protocol is not supported: connect with ?protocol=7")]
    Unsupported,
    /// There is no `protocol`.
    #[error("no version of the protocol was given: connect with ?protocol=7")]
    Missing,
}

impl VersionFault {
    /// The code that the connection is closed with.
    pub fn code(self) -> u16 {
        match self {
            Self::Malformed => 4006,
            Self::Unsupported => 4007,
            Self::Missing => 4008,
        }
    }

    /// What is wrong with a query, if something is.
    pub(super) fn of(query: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut pairs = query
                .split('&')
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let value = pairs.find(|(known, _)| *known == name)?.1;
            Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        let Some(protocol) = value("protocol").filter(|protocol| !protocol.is_empty()) else {
            return Some(Self::Missing);
        };
        let Ok(protocol) = protocol.parse::<u64>() else {
            return Some(Self::Malformed);
        };
        if !value("version").is_none_or(|version| is_version(&version)) {
            return Some(Self::Malformed);
        }
        (!SPOKEN.contains(&protocol)).then_some(Self::Unsupported)
    }
}

/// What a library may call its own version: libraries differ, so anything short and plain will do.
fn is_version(text: &str) -> bool {
    text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-+_~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_code() {
        for (query, code) in [
            ("protocol=7", None),
            ("client=js&version=8.6.0&protocol=7&flash=false&else", None),
            ("protocol=5", None),
            ("protocol=7&version=7.0.3-rc1%2Bbuild", None),
            ("protocol=7&version=", None),
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
                VersionFault::of(query).map(VersionFault::code),
                code,
                "{query}"
            );
        }
    }
}
