//! Names and values of a query or a form (`application/x-www-form-urlencoded`).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::problem::Problem;

/// The decoded pairs of a query or form, in order; invalid UTF-8 is refused, which `form_urlencoded` would replace.
pub(super) fn pairs(
    text: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), Problem>> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    })
}

/// The first value of `name` in a query.
pub(super) fn value_of(query: &str, name: &str) -> Result<Option<String>, Problem> {
    for pair in query.split('&') {
        // Names are compared first: only the value that is wanted is decoded.
        if let Some(value) = pair
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='))
        {
            return Ok(Some(decode(value)?.into_owned()));
        }
    }
    Ok(None)
}

fn decode(text: &str) -> Result<Cow<'_, str>, Problem> {
    let refused = |_| Problem::bad_request("the query or form is not UTF-8");
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().map_err(refused);
    }
    // A plus is a space, unless it was escaped.
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(|text| Cow::Owned(text.into_owned()))
        .map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_bytes_that_are_no_text_refused() {
        let read: Vec<_> = pairs("a=b+c&&d=%2B%C3%A9&e")
            .filter_map(Result::ok)
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(read, ["a=b c", "d=+é", "e="]);
        assert!(pairs("a=%FF").any(|pair| pair.is_err()));
    }

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        assert_eq!(
            value_of("xsid=1&sid=2&sid=3", "sid")
                .ok()
                .flatten()
                .as_deref(),
            Some("2")
        );
        assert_eq!(value_of("sidx=1", "sid").ok().flatten(), None);
        assert!(value_of("sid=%FF", "sid").is_err());
    }
}
