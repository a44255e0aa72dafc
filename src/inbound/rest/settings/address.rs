//! Addresses that settings hold: origins, and where webhooks go.

use crate::core::model::origin::is_authority;

/// The pattern of an origin's pattern in the document; `origin::normalize` also accepts other abbreviations of IPv6 addresses. A slash
/// is written as `\x2f`, which needs no escape in any language, and a repetition is at most 1000, the limit of RE2.
pub(super) const ORIGIN: &str = "^(\\*|null|file:\\x2f\\x2f|\\*\\.[A-Za-z0-9._-]{1,200}(:[0-9]{1,5})?|[A-Za-z][A-Za-z0-9+.-]{0,30}:\\x2f\\x2f((\\*\\.)?[A-Za-z0-9._-]{1,200}|\\[::1\\]|\\[([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\\])(:[0-9]{1,5})?\\x2f?)$";

/// The pattern of a web hook's address in the document; [`is_web_address`] also accepts other abbreviations of
/// IPv6 addresses.
pub(in crate::inbound::rest) const WEB_ADDRESS: &str = "^https?:\\x2f\\x2f([A-Za-z0-9._-]{1,253}|\\[::1\\]|\\[([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\\])(:[0-9]{1,5})?([\\x2f?][!-~]{0,1000}[!-~]{0,500})?$";

/// Whether this is an `http` or `https` address.
pub(in crate::inbound::rest) fn is_web_address(text: &str) -> bool {
    let Some(rest) = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
    else {
        return false;
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    is_authority(host) && path.len() <= 1501 && path.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_go_to_web_addresses() {
        for text in [
            "http://a",
            "https://shop.example/hook?x=1#y",
            "https://[2001:db8::1]:8443/",
            "http://127.0.0.1:9?x",
        ] {
            assert!(is_web_address(text), "{text}");
        }
        for text in [
            "",
            "ftp://a",
            "https://",
            "https:///x",
            "https://u@a/",
            "https://a/ b",
            "https://a/é",
            "https://[::1",
            "https://[fe80]",
            "//a",
        ] {
            assert!(!is_web_address(text), "{text}");
        }
    }
}
