//! The provider's token: a JWT that Apple accepts for an hour.

use parking_lot::Mutex;
use serde_json::json;

use crate::core::auth::signed_token;
use crate::core::model::{P256Key, Timestamp};

/// The age at which a token is renewed, in seconds. Apple refuses one after an hour, and renewals within 20 minutes.
const RENEWAL: i64 = 50 * 60;

/// A key that signs tokens, and its current token.
pub(super) struct ProviderToken {
    key: P256Key,
    key_id: String,
    team_id: String,
    current: Mutex<Option<IssuedToken>>,
}

struct IssuedToken {
    text: String,
    /// Seconds since 1970.
    at: i64,
}

impl ProviderToken {
    pub(super) fn new(key: P256Key, key_id: String, team_id: String) -> Self {
        Self {
            key,
            key_id,
            team_id,
            current: Mutex::new(None),
        }
    }

    /// The current token, or a new one where it is too old.
    pub(super) fn get(&self, now: Timestamp) -> String {
        let now = seconds(now);
        let mut current = self.current.lock();
        match &*current {
            // A clock that was set back makes tokens of the future.
            Some(token) if (-1..RENEWAL).contains(&(now - token.at)) => token.text.clone(),
            _ => self.issue(&mut current, now),
        }
    }

    /// A token other than one that Apple has called expired.
    pub(super) fn renewed(&self, refused: &str, now: Timestamp) -> String {
        let mut current = self.current.lock();
        let at = match &*current {
            Some(token) if token.text != refused => return token.text.clone(),
            // Tokens of one second are equal.
            Some(token) => seconds(now).max(token.at + 1),
            None => seconds(now),
        };
        self.issue(&mut current, at)
    }

    fn issue(&self, current: &mut Option<IssuedToken>, at: i64) -> String {
        let header = json!({"alg": "ES256", "kid": self.key_id});
        let claims = json!({"iss": self.team_id, "iat": at});
        let text = signed_token(&self.key, &header.to_string(), &claims.to_string());
        *current = Some(IssuedToken {
            text: text.clone(),
            at,
        });
        text
    }
}

fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;
    use crate::core::auth::new_p256_key;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_token_is_kept_for_50_minutes() {
        let token = ProviderToken::new(new_p256_key().unwrap(), "KEY".into(), "TEAM".into());
        let first = token.get(at(1000));
        assert_eq!(token.get(at(1000 + 3000 - 1)), first);
        let second = token.get(at(1000 + 3000));
        assert_ne!(second, first);
        assert_ne!(token.get(at(10)), second, "the clock was set back");
        let part = |number: usize| {
            let part = first.split('.').nth(number).unwrap();
            String::from_utf8(BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
        };
        assert_eq!(part(0), r#"{"alg":"ES256","kid":"KEY"}"#);
        assert_eq!(part(1), r#"{"iss":"TEAM","iat":1000}"#);
    }

    #[test]
    fn a_refused_token_is_renewed_once_for_all() {
        let token = ProviderToken::new(new_p256_key().unwrap(), "KEY".into(), "TEAM".into());
        let first = token.get(at(1000));
        let second = token.renewed(&first, at(1000));
        assert_ne!(second, first);
        assert_eq!(token.renewed(&first, at(1000)), second);
        assert_eq!(token.get(at(1000)), second);
    }
}
