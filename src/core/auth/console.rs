//! The administrator's sessions of the console: tokens that all nodes can verify, because all have the administrator's token.

use std::time::Duration;

use super::{RandomError, random_hex, sign};
use crate::core::model::{Secret, Timestamp};

/// What a token of the administrator's begins with; those of apps' sessions are hex.
const PREFIX: &str = "administrator.";
/// Keeps these signatures apart from those of other texts.
const TOKEN_LABEL: &str = "pushi-console-session:";
const REQUEST_LABEL: &str = "pushi-console-request";

/// A new session of whoever knows the administrator's token: it expires after `ttl`, and ends when that token changes.
///
/// # Errors
/// The operating system provided no random numbers.
pub fn administrator_session(
    token: &Secret,
    now: Timestamp,
    ttl: Duration,
) -> Result<String, RandomError> {
    let expires = now.plus(ttl).micros();
    let text = format!("{PREFIX}{expires}.{}", random_hex::<16>()?);
    let signature = sign(token, &[TOKEN_LABEL, &text]);
    Ok(format!("{text}.{signature}"))
}

/// Whether a session claims to be the administrator's, valid or not.
pub fn is_administrator_session(session: &str) -> bool {
    session.starts_with(PREFIX)
}

/// Whether a session was opened with this token of the administrator, and has not expired.
pub fn check_administrator_session(session: &str, token: &Secret, now: Timestamp) -> bool {
    let Some((text, signature)) = session.rsplit_once('.') else {
        return false;
    };
    let expires = text
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('.'))
        .and_then(|(expires, _)| expires.parse().ok())
        .map(Timestamp::from_micros);
    let expected = Secret::new(sign(token, &[TOKEN_LABEL, text]));
    expected.matches(signature) && expires.is_some_and(|expires| expires > now)
}

/// The text that pages of the console send with each request of a session, so that the cookie alone does nothing.
pub fn console_request_token(session: &str) -> Secret {
    Secret::new(sign(&Secret::new(session), &[REQUEST_LABEL]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_session_ends_with_its_time_and_with_the_token() {
        let (token, now) = (Secret::new("token"), Timestamp::from_micros(1_000_000));
        let session = administrator_session(&token, now, HOUR).unwrap();
        let is_valid = |session: &str, token: &str, now| {
            check_administrator_session(session, &Secret::new(token), now)
        };
        assert!(is_administrator_session(&session));
        assert!(is_valid(&session, "token", now));
        assert!(!is_valid(&session, "token", now.plus(HOUR)));
        assert!(!is_valid(&session, "another", now));
        let later = session.replacen("3601000000", "3601000001", 1);
        assert_ne!(later, session);
        let unsigned = session.rsplit_once('.').unwrap().0;
        for forged in [
            &later,
            unsigned,
            "",
            ".",
            "administrator.",
            "administrator.1",
        ] {
            assert!(!is_valid(forged, "token", now), "{forged}");
        }
        assert_ne!(session, administrator_session(&token, now, HOUR).unwrap());
    }

    #[test]
    fn each_session_has_a_request_token_of_its_own() {
        let of = |session| console_request_token(session).expose().to_owned();
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
    }
}
