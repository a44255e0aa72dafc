//! What is wrong with the signature of a request.

use super::{Mistake, fault, percent_encoded};
use crate::core::auth::SignedRequest;

impl SignedRequest<'_> {
    /// The string that should have been signed.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}\n{}", self.method, self.path, self.sorted_query())
    }

    /// The strings that are signed by mistake. `body` is the body as it was sent.
    pub(crate) fn mistakes(&self, body: Option<&str>) -> Vec<Mistake> {
        let Self {
            method,
            path,
            query,
            ..
        } = *self;
        let sorted = self.sorted_query();
        let unsorted: Vec<String> = query
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("auth_signature"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let unsorted = unsorted.join("&");
        let escaped: Vec<String> = sorted
            .split('&')
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                format!("{name}={}", percent_encoded(value))
            })
            .collect();
        let escaped = escaped.join("&");
        let without = |excluded: &str| {
            let kept: Vec<_> = sorted
                .split('&')
                .filter(|pair| !pair.starts_with(excluded))
                .collect();
            kept.join("&")
        };
        let slashed = format!("{}/", path.trim_end_matches('/'));
        let candidates = [
            (
                format!("{method}\n{path}\n{unsorted}"),
                "query",
                "the parameters are not sorted: sign them sorted by name",
            ),
            (
                format!("{method}\n{path}\n{escaped}"),
                "query",
                "the values are escaped: sign them as they are, without escapes",
            ),
            (
                format!("{}\n{path}\n{sorted}", method.to_lowercase()),
                "method",
                "the method is signed in lower case: sign it in upper case",
            ),
            (
                format!("GET\n{path}\n{sorted}"),
                "method",
                "the signature is that of a GET: sign the method of the request",
            ),
            (
                format!("POST\n{path}\n{sorted}"),
                "method",
                "the signature is that of a POST: sign the method of the request",
            ),
            (
                format!("{method}\n{slashed}\n{sorted}"),
                "path",
                "the signed path ends with a slash: sign the path of the request",
            ),
            (
                format!("{method}\n{}\n{sorted}", path.trim_end_matches('/')),
                "path",
                "the signed path has no slash at its end: sign the path of the request",
            ),
            (
                format!("{method}{path}{sorted}"),
                "auth",
                "the parts are not separated: put a line feed (\\n) between method, path and query",
            ),
            (
                format!("{method}\r\n{path}\r\n{sorted}"),
                "auth",
                "the parts are separated by \\r\\n: put \\n alone between them",
            ),
            (
                format!("{method}\n{path}\n{}", without("body_md5")),
                "body_md5",
                "the signature does not cover body_md5: sign it with the other parameters",
            ),
            (
                format!("{method}\n{path}\n{}", without("auth_version")),
                "version",
                "the signature does not cover auth_version: sign it with the other parameters",
            ),
            (
                format!("{method}\n{path}\n{sorted}\n{}", body.unwrap_or_default()),
                "body",
                "the body is signed too: only body_md5 stands for it",
            ),
            (
                format!("{method}\n{path}"),
                "query",
                "the signature does not cover the query: sign METHOD\\nPATH\\nQUERY",
            ),
        ];
        let right = self.text();
        candidates
            .into_iter()
            .filter(|(signed, ..)| *signed != right)
            .map(|(signed, part, message)| Mistake {
                signed,
                fault: fault(part, message),
            })
            .collect()
    }
}
