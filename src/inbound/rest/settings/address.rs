//! Addresses that settings hold: origins, and where webhooks go.

use std::net::Ipv6Addr;

/// The pattern of an origin in the document; [`origin`] also accepts other abbreviations of IPv6 addresses.
pub(super) const ORIGIN: &str = "^(\\*|[A-Za-z][A-Za-z0-9+.-]{0,30}://([A-Za-z0-9._-]{1,253}|\\[::1\\]|\\[([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\\])(:[0-9]{1,5})?)$";

/// The pattern of a web hook's address in the document; [`is_web_address`] also accepts other abbreviations of
/// IPv6 addresses.
pub(super) const WEB_ADDRESS: &str = "^https?://([A-Za-z0-9._-]{1,253}|\\[::1\\]|\\[([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\\])(:[0-9]{1,5})?([/?][!-~]{0,1500})?$";

/// An origin as browsers send it: lower case, without the scheme's default port; `*` matches any. `None` if it is invalid.
pub(super) fn origin(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.into());
    }
    let (scheme, rest) = text.split_once("://")?;
    let first = scheme
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    let plain = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    if !first || !plain || scheme.len() > 31 || !authority(rest) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let own_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    Some(lower.strip_suffix(own_port).unwrap_or(&lower).into())
}

/// Whether this is an `http` or `https` address.
pub(super) fn is_web_address(text: &str) -> bool {
    let Some(rest) = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
    else {
        return false;
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    authority(host) && path.len() <= 1501 && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `<host>[:<port>]`, the host a name, an IPv4 or a bracketed IPv6 address.
fn authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, port)) = rest.split_once(']') else {
                return false;
            };
            if host.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            (None, port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (host, port) = text.split_at(end);
            (Some(host), port)
        }
    };
    let host_fits = host.is_none_or(|host| {
        (1..=253).contains(&host.len())
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    });
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => {
            (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => port.is_empty(),
    };
    host_fits && port_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_say_them() {
        let read = |text| origin(text).unwrap_or_default();
        assert_eq!(read("*"), "*");
        assert_eq!(read("HTTPS://Shop.Example:443"), "https://shop.example");
        assert_eq!(read("http://localhost:3000"), "http://localhost:3000");
        assert_eq!(read("http://[::1]:80"), "http://[::1]");
        assert_eq!(read("capacitor://localhost"), "capacitor://localhost");
        for text in [
            "",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://a b",
            "1http://a",
            "https://a:",
            "https://a:x",
            "http://[3091]",
            "null",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

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
