//! Content-Security-Policy: the hashes of a page's inline scripts and styles, and the headers that go with it.

use data_encoding::BASE64;
use poem::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

/// An element whose text a policy can allow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Element {
    Script,
    Style,
}

/// Adds the policy of a page, which no other page may frame and whose address its links do not pass on.
pub(super) fn protect(headers: &mut HeaderMap, policy: Option<&HeaderValue>) {
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy.clone())));
}

/// The hash of each such element of the page, each after a space. An element with an address has no text.
pub(super) fn hashes(page: &str, element: Element) -> String {
    let (begin, end) = match element {
        Element::Script => ("<script", "</script>"),
        Element::Style => ("<style", "</style>"),
    };
    let mut hashes = String::new();
    let mut rest = page;
    while let Some((_, tail)) = rest.split_once(begin) {
        let Some((text, tail)) = tail
            .split_once('>')
            .and_then(|(_, tail)| tail.split_once(end))
        else {
            break;
        };
        if !text.is_empty() {
            let hash = BASE64.encode(&Sha256::digest(text));
            hashes.push_str(&format!(" 'sha256-{hash}'"));
        }
        rest = tail;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of the text `a`, as `openssl dgst -sha256 -binary | base64` makes it.
    const A: &str = " 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='";

    #[test]
    fn each_text_has_a_hash() {
        let page = r#"<style>a</style><script src="x"></script><script type="module">a</script><script>a</script><script>"#;
        assert_eq!(hashes(page, Element::Style), A);
        assert_eq!(hashes(page, Element::Script), format!("{A}{A}"));
        assert_eq!(hashes("", Element::Script), "");
    }
}
