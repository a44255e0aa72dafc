//! Addresses of web hooks in paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::Uri;

/// The characters of a segment that are not encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const WEBS: &str = "/webs/";

/// Encodes the address in a path such as `/webs/https://shop.example/hook/news`, as clients of the original send it: what follows
/// the last slash is the channel. `None`: the path has no such address.
pub(in super::super) fn encode_raw_address(uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix(WEBS)?;
    if !(rest.starts_with("http:/") || rest.starts_with("https:/")) {
        return None;
    }
    let (address, channel) = rest.rsplit_once('/')?;
    let encoded = utf8_percent_encode(address, SEGMENT);
    let target = match uri.query() {
        Some(query) => format!("{WEBS}{encoded}/{channel}?{query}"),
        None => format!("{WEBS}{encoded}/{channel}"),
    };
    Uri::try_from(target).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_path_is_encoded() {
        let encoded = |path: &str| {
            let encoded = encode_raw_address(&path.parse().unwrap());
            encoded.map(|uri| uri.to_string())
        };
        assert_eq!(
            encoded("/webs/http://127.0.0.1:80/a/b/news?force=1").unwrap(),
            "/webs/http%3A%2F%2F127.0.0.1%3A80%2Fa%2Fb/news?force=1"
        );
        for path in [
            "/webs",
            "/webs/",
            "/webs/http%3A%2F%2Fa%2Fb",
            "/webs/http%3A%2F%2Fa%2Fb/news",
            "/smtps/http://a/b",
        ] {
            assert_eq!(encoded(path), None, "{path}");
        }
    }
}
