//! Origins of web pages (RFC 6454), and the patterns that allow them.
//!
//! | pattern | origins |
//! | --- | --- |
//! | `*` | any |
//! | `https://shop.example`, `http://localhost:3000`, `app://x` | this one |
//! | `https://*.shop.example`, `https://*.shop.example:8443` | of all subdomains, with this scheme and port |
//! | `*.shop.example`, `*.shop.example:8443` | of all subdomains, with any scheme; without a port: with any |
//! | `null` | of pages without one, such as files and sandboxed frames |
//! | `file://` | of files in some web views |

use url::Host;

/// The longest scheme.
const MAX_SCHEME: usize = 31;
/// The longest host name.
const MAX_HOST: usize = 253;

/// The normal form of a pattern, with which [`is_allowed`] compares: lower case, without a trailing
/// slash or the scheme's default port. `None` if it is not a pattern.
pub fn normalize(pattern: &str) -> Option<String> {
    let text = pattern.trim();
    let lower = text.to_lowercase();
    if matches!(lower.as_str(), "*" | "null" | "*/" | "null/") {
        return Some(lower.trim_end_matches('/').to_owned());
    }
    if matches!(lower.as_str(), "file://" | "file:///") {
        return Some("file://".to_owned());
    }
    let lower = lower.strip_suffix('/').unwrap_or(&lower);
    let (scheme, rest) = match lower.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, lower),
    };
    if !scheme.is_none_or(is_scheme) {
        return None;
    }
    let (wildcard, authority) = match rest.strip_prefix("*.") {
        Some(authority) => ("*.", authority),
        // Without a scheme, a word would be as likely a mistake.
        None if scheme.is_none() => return None,
        None => ("", rest),
    };
    let (host, port) = parse_authority(authority)?;
    let is_default = matches!(
        (scheme, port),
        (Some("http"), Some(80)) | (Some("https"), Some(443))
    );
    let port = port.filter(|_| !is_default);
    let mut normal = scheme.map_or_else(String::new, |scheme| format!("{scheme}://"));
    normal.push_str(wildcard);
    normal.push_str(&host);
    if let Some(port) = port {
        normal.push_str(&format!(":{port}"));
    }
    Some(normal)
}

/// Whether one of the patterns, in normal form, allows the `Origin` that a browser sent. No pattern:
/// any.
pub fn is_allowed(patterns: &[String], origin: &str) -> bool {
    if patterns.is_empty() {
        return true;
    }
    // What is no origin is compared as it is, so that an exact pattern still allows it.
    let origin = normalize(origin).unwrap_or_else(|| origin.to_ascii_lowercase());
    patterns.iter().any(|pattern| matches(pattern, &origin))
}

/// Whether this is `<host>[:<port>]`, the host a name, an IPv4 or a bracketed IPv6 address.
pub fn is_authority(text: &str) -> bool {
    text.is_ascii() && parse_authority(text).is_some()
}

fn matches(pattern: &str, origin: &str) -> bool {
    if pattern == "*" || pattern.eq_ignore_ascii_case(origin) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    if let Some(suffix) = pattern.strip_prefix("*.") {
        return is_subdomain(authority, suffix)
            || authority
                .rsplit_once(':')
                .is_some_and(|(host, _)| is_subdomain(host, suffix));
    }
    match pattern.split_once("://*.") {
        Some((wanted, suffix)) => wanted == scheme && is_subdomain(authority, suffix),
        None => false,
    }
}

/// `a.shop.example:1` is one of `shop.example:1`.
fn is_subdomain(authority: &str, suffix: &str) -> bool {
    authority
        .strip_suffix(suffix)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|label| !label.is_empty())
}

fn is_scheme(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
    text.len() <= MAX_SCHEME
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(plain)
}

/// Reads `<host>[:<port>]`. A name with letters beyond ASCII is answered as browsers send it.
fn parse_authority(text: &str) -> Option<(String, Option<u32>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let host = Host::parse(&format!("[{address}]")).ok()?;
            (host.to_string(), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let host = if name.is_ascii() {
                name.to_owned()
            } else {
                Host::parse(name).ok()?.to_string()
            };
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if !(1..=MAX_HOST).contains(&host.len()) || !host.bytes().all(plain) {
                return None;
            }
            (host, port)
        }
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if (1..=5).contains(&digits.len()) => {
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None if port.is_empty() => None,
        None => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_a_normal_form() {
        for (pattern, normal) in [
            ("*", "*"),
            ("null", "null"),
            ("Null", "null"),
            ("file://", "file://"),
            ("FILE:///", "file://"),
            ("HTTPS://Shop.Example:443/", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("http://shop.example:443", "http://shop.example:443"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("http://localhost:03000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://abc", "chrome-extension://abc"),
            ("https://Bücher.example", "https://xn--bcher-kva.example"),
            ("https://*.Shop.Example", "https://*.shop.example"),
            ("https://*.shop.example:443/", "https://*.shop.example"),
            ("*.shop.example", "*.shop.example"),
            (" *.Shop.example:8443/ ", "*.shop.example:8443"),
        ] {
            assert_eq!(normalize(pattern).as_deref(), Some(normal), "{pattern}");
        }
        for bad in [
            "",
            "/",
            "shop.example",
            "localhost:3000",
            "https://",
            "://x",
            "https://shop.example/path",
            "https://shop.example//",
            "https://shop.example?x",
            "https://a b",
            "https://user@shop.example",
            "1http://a",
            "https://a:",
            "https://a:x",
            "https://a:1:2",
            "http://[3091]",
            "http://[::1",
            "https://*",
            "https://*.",
            "https://a.*.example",
            "*.",
            "*.*.example",
            "**.shop.example",
            "*shop.example",
            "file://host/path",
        ] {
            assert_eq!(normalize(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_pattern_allows_its_origins_alone() {
        let cases: [(&str, &[&str], &[&str]); 8] = [
            ("*", &["https://a.example", "null", "file://"], &[]),
            ("null", &["null"], &["file://", "https://null"]),
            (
                "file://",
                &["file://", "file:///"],
                &["null", "https://file"],
            ),
            (
                "https://shop.example",
                &[
                    "https://shop.example",
                    "HTTPS://Shop.Example:443",
                    "https://shop.example/",
                ],
                &[
                    "http://shop.example",
                    "https://shop.example:8443",
                    "https://a.shop.example",
                ],
            ),
            (
                "http://localhost:3000",
                &["http://localhost:3000"],
                &[
                    "http://localhost",
                    "http://localhost:30000",
                    "https://localhost:3000",
                ],
            ),
            (
                "https://*.shop.example",
                &[
                    "https://a.shop.example",
                    "https://a.b.shop.example",
                    "https://A.Shop.example:443",
                ],
                &[
                    "https://shop.example",
                    "https://.shop.example",
                    "https://evilshop.example",
                    "http://a.shop.example",
                    "https://a.shop.example:8443",
                    "https://a.shop.example.evil.example",
                ],
            ),
            (
                "*.shop.example",
                &["https://a.shop.example", "http://a.shop.example:3000"],
                &[
                    "https://shop.example",
                    "https://evilshop.example",
                    "https://shop.example.evil.example",
                    "null",
                    "a.shop.example",
                ],
            ),
            (
                "*.shop.example:8443",
                &["https://a.shop.example:8443"],
                &["https://a.shop.example", "https://a.shop.example:18443"],
            ),
        ];
        for (pattern, allowed, refused) in cases {
            let list = [normalize(pattern).unwrap_or_default()];
            for origin in allowed {
                assert!(is_allowed(&list, origin), "{pattern}: {origin}");
            }
            for origin in refused {
                assert!(!is_allowed(&list, origin), "{pattern}: {origin}");
            }
        }
        assert!(is_allowed(&[], "https://any.example"));
    }
}
