//! Cookies of requests. They are read by hand: poem's `cookie` feature would bring some twenty crates for signed and private cookies,
//! which are not used.

use percent_encoding::percent_decode_str;
use poem::Request;
use poem::http::header;

/// The value of a cookie that is not empty.
pub(super) fn cookie(request: &Request, named: &str) -> Option<String> {
    let cookies = request
        .headers()
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let value = pairs
        .find(|(name, value)| *name == named && !value.is_empty())
        .map(|(_, value)| value.trim_matches('"'))?;
    let value = percent_decode_str(value).decode_utf8().ok()?;
    Some(value.into_owned())
}
