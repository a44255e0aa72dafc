//! What follows from the answers of Apple's push service.

use std::error::Error as StdError;
use std::time::Duration;

use rustls::AlertDescription;
use serde_json::Value;

use crate::core::ports::{SendFailure, Verdict};

/// The most characters of a reason that is shown.
const MAX_REASON_CHARS: usize = 60;

/// A refusal.
pub(super) struct Refusal {
    status: u16,
    /// Apple's reason, such as `BadDeviceToken`; empty where there is none.
    reason: String,
    /// The time after which another attempt is welcome.
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with its body, of which the reason is kept.
    pub(super) fn new(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let reason = body
            .get("reason")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Self {
            status,
            reason: reason
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(MAX_REASON_CHARS)
                .collect(),
            retry_after,
        }
    }

    /// Whether a new token may help.
    pub(super) fn is_expired_token(&self) -> bool {
        self.status == 403 && self.reason == "ExpiredProviderToken"
    }

    /// The failure.
    pub(super) fn failure(&self) -> SendFailure {
        let verdict = match (self.status, self.reason.as_str()) {
            (410, _) | (400, "BadDeviceToken") => Verdict::Gone,
            (403, _) | (400, "MissingTopic" | "BadTopic" | "TopicDisallowed") => {
                Verdict::Credentials
            }
            (429 | 500.., _) => Verdict::Later(self.retry_after),
            _ => Verdict::Refused,
        };
        let reason = format!("the push service answered {} {}", self.status, self.reason);
        SendFailure::new(verdict, reason.trim_end())
    }
}

/// A request without an answer. A receiver that refuses the client's certificate ends the TLS connection with an alert.
///
/// The alert is lost where the connection is closed at once.
pub(super) fn connection_failure(error: &reqwest::Error, certificate: bool) -> SendFailure {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(alert) = alert_of(cause)
            && is_about_certificate(alert)
        {
            let reason = format!("the push service does not accept the certificate ({alert:?})");
            return SendFailure::new(Verdict::Credentials, reason);
        }
        text = cause.to_string();
        next = cause.source();
    }
    let hint = match certificate {
        true => " (perhaps the certificate is not accepted)",
        false => "",
    };
    let reason = if error.is_timeout() {
        "the push service did not answer in time".to_owned()
    } else {
        format!("the connection to the push service failed: {text}{hint}")
    };
    SendFailure::new(Verdict::Later(None), reason)
}

fn alert_of(cause: &(dyn StdError + 'static)) -> Option<AlertDescription> {
    let direct = cause.downcast_ref::<rustls::Error>();
    let inner = || {
        let error = cause.downcast_ref::<std::io::Error>()?;
        error.get_ref()?.downcast_ref::<rustls::Error>()
    };
    match direct.or_else(inner)? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_decide_what_follows() {
        let minute = Some(Duration::from_secs(60));
        for (status, reason, expected) in [
            (410, "Unregistered", Verdict::Gone),
            (410, "ExpiredToken", Verdict::Gone),
            (400, "BadDeviceToken", Verdict::Gone),
            (400, "DeviceTokenNotForTopic", Verdict::Refused),
            (400, "PayloadEmpty", Verdict::Refused),
            (400, "TopicDisallowed", Verdict::Credentials),
            (413, "PayloadTooLarge", Verdict::Refused),
            (403, "InvalidProviderToken", Verdict::Credentials),
            (403, "BadCertificateEnvironment", Verdict::Credentials),
            (429, "TooManyRequests", Verdict::Later(minute)),
            (500, "InternalServerError", Verdict::Later(minute)),
            (503, "Shutdown", Verdict::Later(minute)),
        ] {
            let body = format!(r#"{{"reason":"{reason}"}}"#);
            let failure = Refusal::new(status, body.as_bytes(), minute).failure();
            assert_eq!(failure.verdict, expected, "{status} {reason}");
            let text = format!("the push service answered {status} {reason}");
            assert_eq!(failure.reason(), text);
        }
    }

    #[test]
    fn a_reason_is_one_word() {
        for (body, expected) in [
            (
                &br#"{"reason":"Bad\r\nX: <y>"}"#[..],
                "the push service answered 400 BadXy",
            ),
            (b"no JSON", "the push service answered 400"),
            (b"", "the push service answered 400"),
            (b"[]", "the push service answered 400"),
            (br#"{"reason":{"a":1}}"#, "the push service answered 400"),
        ] {
            assert_eq!(Refusal::new(400, body, None).failure().reason(), expected);
        }
    }
}
