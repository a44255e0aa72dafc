//! Request headers, whoever parsed them.

/// Headers in the order in which they came, whoever parsed them.
#[derive(Clone)]
pub struct Headers<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Headers<'a> {
    /// From pairs of name and value.
    pub fn of(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self(pairs.collect())
    }

    /// The values of a header, whatever the case of its letters.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_ascii())
    }

    /// The first value of a header.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The entries of a header that is a list, also over several lines.
    pub fn list(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|b| *b == b',').map(<[u8]>::trim_ascii))
    }

    /// Whether a header that is a list of tokens has one of them.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name)
            .any(|entry| entry.eq_ignore_ascii_case(token.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_span_lines_and_tokens_ignore_case() {
        let headers = Headers::of(
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
