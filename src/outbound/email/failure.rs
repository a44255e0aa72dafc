//! What follows from the answers of a mail server.

use std::error::Error as StdError;
use std::io;

use lettre::transport::smtp::Error as SmtpError;

use crate::core::ports::{SendFailure, Verdict};

/// A part of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The greeting.
    Greeting,
    /// The login.
    Login,
    /// The sender.
    Sender,
    /// The recipient.
    Recipient,
    /// The mail itself.
    Content,
}

impl Step {
    /// The end of "the mail server refused …".
    fn object(self) -> &'static str {
        match self {
            Self::Greeting => "the connection",
            Self::Login => "the login",
            Self::Sender => "the sender",
            Self::Recipient => "the recipient",
            Self::Content => "the mail",
        }
    }
}

/// The failure of a step. Of the server's answer it shows the codes alone, because the text often has the address.
pub(super) fn of(step: Step, error: &SmtpError) -> SendFailure {
    let Some(code) = error.status() else {
        return without_code(step, error);
    };
    let number = u16::from(code);
    let enhanced = error.source().and_then(|source| {
        let text = source.to_string();
        let word = text.split_whitespace().next()?;
        is_enhanced(word).then(|| format!(" {word}"))
    });
    let reason = format!(
        "the mail server refused {} ({number}{})",
        step.object(),
        enhanced.unwrap_or_default()
    );
    SendFailure::new(verdict(step, number), reason)
}

fn verdict(step: Step, code: u16) -> Verdict {
    match (step, code) {
        (_, 400..500) => Verdict::Later(None),
        // Authentication is required, too weak, or not accepted (RFC 4954).
        (Step::Login, _) | (_, 530 | 534 | 535 | 538) => Verdict::Credentials,
        _ => Verdict::Refused,
    }
}

fn without_code(step: Step, error: &SmtpError) -> SendFailure {
    if error.is_client() && step == Step::Login {
        return SendFailure::new(
            Verdict::Credentials,
            "the mail server offers no login by PLAIN or LOGIN; many offer it only with TLS (smtps:// or smtp+ssl://)",
        );
    }
    if error.is_response() {
        return SendFailure::new(
            Verdict::Later(None),
            "the mail server sent an answer that is not SMTP",
        );
    }
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return io_failure(error);
        }
        next = cause.source();
    }
    SendFailure::new(
        Verdict::Later(None),
        "the connection to the mail server failed",
    )
}

/// A failed connection.
pub(super) fn io_failure(error: &io::Error) -> SendFailure {
    SendFailure::new(
        Verdict::Later(None),
        format!("the connection to the mail server failed: {error}"),
    )
}

/// Whether this is an enhanced status code such as `5.1.1` (RFC 3463).
fn is_enhanced(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    parts.len() == 3
        && parts.iter().all(|part| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_says_whether_another_attempt_makes_sense() {
        for (step, code, expected) in [
            (Step::Recipient, 450, Verdict::Later(None)),
            (Step::Greeting, 421, Verdict::Later(None)),
            (Step::Login, 454, Verdict::Later(None)),
            (Step::Login, 535, Verdict::Credentials),
            (Step::Login, 501, Verdict::Credentials),
            (Step::Sender, 530, Verdict::Credentials),
            (Step::Recipient, 550, Verdict::Refused),
            (Step::Content, 554, Verdict::Refused),
            (Step::Greeting, 554, Verdict::Refused),
        ] {
            assert_eq!(verdict(step, code), expected, "{step:?} {code}");
        }
    }

    #[test]
    fn only_codes_are_shown_of_an_answer() {
        for word in ["5.1.1", "4.7.28", "2.0.0"] {
            assert!(is_enhanced(word), "{word}");
        }
        for word in [
            "<ann@shop.example>:",
            "5.1",
            "5.1.1.1",
            "5..1",
            "127.0.0.1",
            "a.b.c",
        ] {
            assert!(!is_enhanced(word), "{word}");
        }
    }
}
