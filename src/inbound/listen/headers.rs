//! Request headers, parsed by [`head`](super::head) or by hyper.

/// Request headers in the order of the request. Both upgrade paths use it, so that they apply the
/// same rules to headers from httparse and from hyper.
#[derive(Clone)]
pub(super) struct Headers<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Headers<'a> {
    /// Collects pairs of name and value.
    pub(super) fn new(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self(pairs.collect())
    }

    /// The trimmed values of a header; names are case-insensitive.
    pub(super) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_ascii())
    }

    /// The first value of a header; `None` if it is missing.
    pub(super) fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The entries of a comma-separated header. Several lines of one name are one list.
    pub(super) fn list(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|b| *b == b',').map(<[u8]>::trim_ascii))
    }

    /// Whether a comma-separated header contains a token; tokens are case-insensitive.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name)
            .any(|entry| entry.eq_ignore_ascii_case(token.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_span_lines_and_tokens_ignore_case() {
        let headers = Headers::new(
            [
                ("Connection", &b"keep-alive,  Upgrade"[..]),
                ("X", b" a "),
                ("connection", b"x"),
            ]
            .into_iter(),
        );
        assert!(headers.has_token("connection", "upgrade") && headers.has_token("connection", "x"));
        assert!(!headers.has_token("connection", "up") && !headers.has_token("upgrade", "x"));
        assert_eq!(headers.first("x"), Some(&b"a"[..]));
    }
}
