//! The target `signed_query`.

#![expect(clippy::unwrap_used, reason = "a panic is how a target fails")]

use std::collections::HashSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::form;
use crate::core::auth::{RequestError, SignedRequest};
use crate::core::model::{App, Secret, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

type Pairs = Vec<(String, String)>;

fn pairs(query: &str) -> Option<Pairs> {
    form::pairs(query)
        .map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned())))
        .collect::<Result<_, _>>()
        .ok()
}

fn request(query: &[(String, String)]) -> SignedRequest<'_> {
    SignedRequest {
        method: "GET",
        path: "/apps/a/channels",
        query,
        has_body: false,
    }
}

/// A signed query fits its secret alone, in any order and with any escapes, and no more once a parameter differs.
pub(crate) fn signed_query(bytes: &[u8]) {
    let Some(mut query) = std::str::from_utf8(bytes).ok().and_then(pairs) else {
        return;
    };
    let app = App::sample("a");
    // As it is: any answer, without a panic.
    let _ = request(&query).check(&app, NOW);
    query.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("auth_"));
    let own = [
        ("auth_key", app.key.as_str()),
        ("auth_timestamp", "1700000000"),
        ("auth_version", "1.0"),
    ];
    query.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let signature = request(&query).signature(&app.secret);
    query.push(("auth_signature".to_owned(), signature));
    assert_eq!(request(&query).check(&app, NOW), Ok(()));
    let other = App {
        secret: Secret::new("another"),
        ..App::sample("a")
    };
    let wrong = Err(RequestError::Signature);
    assert_eq!(request(&query).check(&other, NOW), wrong);

    let mut names = HashSet::new();
    // Parameters of one name are signed in the order in which they are sent.
    if query
        .iter()
        .all(|(name, _)| names.insert(name.to_ascii_lowercase()))
    {
        let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let sent: Vec<String> = query
            .iter()
            .rev()
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
            .collect();
        let received = pairs(&sent.join("&")).unwrap();
        assert_eq!(request(&received).check(&app, NOW), Ok(()));
    }
    query[0].1.push('x');
    assert!(request(&query).check(&app, NOW).is_err());
}
