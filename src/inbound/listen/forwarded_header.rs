//! The header `Forwarded` (RFC 7239).

use std::borrow::Cow;

/// The values of a parameter, such as `for` or `proto`, in the elements of a `Forwarded` header, in
/// order. A line that is malformed yields what precedes the fault.
pub(super) fn parameters<'a>(
    line: &'a [u8],
    name: &'static str,
) -> impl Iterator<Item = Cow<'a, str>> {
    Pairs(line)
        .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The pairs of all elements: which pairs belong together does not matter here.
struct Pairs<'a>(&'a [u8]);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self
                .0
                .iter()
                .position(|byte| !matches!(byte, b';' | b',' | b' ' | b'\t'))?;
            let rest = self.0.get(start..)?;
            let end = rest
                .iter()
                .position(|byte| matches!(byte, b'=' | b';' | b','))?;
            let (key, rest) = rest.split_at_checked(end)?;
            self.0 = rest;
            // A word without a value names nothing.
            if let Some(value) = rest.strip_prefix(b"=") {
                let key = std::str::from_utf8(key.trim_ascii()).ok()?;
                return Some((key, self.value(value.trim_ascii_start())?));
            }
        }
    }
}

impl<'a> Pairs<'a> {
    /// Reads a token or a quoted string.
    fn value(&mut self, text: &'a [u8]) -> Option<Cow<'a, str>> {
        let Some(mut quoted) = text.strip_prefix(b"\"") else {
            let end = text.iter().position(|byte| matches!(byte, b';' | b','));
            let (token, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
            self.0 = rest;
            return std::str::from_utf8(token.trim_ascii())
                .ok()
                .map(Cow::Borrowed);
        };
        let mut value = Vec::new();
        loop {
            let (byte, rest) = quoted.split_first()?;
            quoted = rest;
            match byte {
                b'"' => break,
                b'\\' => {
                    let (escaped, rest) = quoted.split_first()?;
                    quoted = rest;
                    value.push(*escaped);
                }
                _ => value.push(*byte),
            }
        }
        self.0 = quoted;
        String::from_utf8(value).ok().map(Cow::Owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, name: &'static str) -> Vec<String> {
        parameters(line.as_bytes(), name)
            .map(Cow::into_owned)
            .collect()
    }

    #[test]
    fn tokens_and_quoted_strings_are_read_in_every_element() {
        let line = r#"for=192.0.2.43;proto=https, For="[2001:db8::17]:4711" ; PROTO="ht\tps";by=a,proto = http"#;
        assert_eq!(of(line, "for"), ["192.0.2.43", "[2001:db8::17]:4711"]);
        assert_eq!(of(line, "proto"), ["https", "https", "http"]);
        assert_eq!(of(line, "host"), [""; 0]);
    }

    /// A separator or a name inside of quotes is text.
    #[test]
    fn quoted_text_is_not_parsed() {
        let line = r#"host="a;proto=https,b\"proto=https";proto=http"#;
        assert_eq!(of(line, "proto"), ["http"]);
        assert_eq!(of(line, "host"), [r#"a;proto=https,b"proto=https"#]);
    }

    #[test]
    fn malformed_lines_yield_what_precedes_the_fault() {
        for (line, protos) in [
            ("", 0),
            (",;, ;", 0),
            ("proto", 0),
            ("proto;proto=http", 1),
            ("proto=http;for=\"[::1", 1),
            ("for=\"\\", 0),
            ("proto=", 1),
            ("=https", 0),
        ] {
            assert_eq!(of(line, "proto").len(), protos, "{line}");
        }
    }
}
