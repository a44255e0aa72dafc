//! The text of an e-mail (RFC 5322, MIME).

use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MessageId, Subject};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use crate::core::model::{EmailAddress, EmailMessage};
use crate::core::ports::{SendFailure, Verdict};

/// The most characters of a subject.
const MAX_SUBJECT_CHARS: usize = 400;

/// An e-mail as it is sent, with its envelope.
pub(super) struct Mail {
    /// The sender of the envelope.
    pub from: Address,
    /// The only recipient.
    pub to: Address,
    /// Headers and body, with CRLF at the end of each line.
    pub text: Vec<u8>,
}

impl Mail {
    /// Encodes a message. Nothing in it can add a header or a recipient: line ends and other control characters of the subject
    /// become spaces, and addresses are parsed.
    pub(super) fn of(message: &EmailMessage) -> Result<Self, SendFailure> {
        let (name, sender) = EmailAddress::sender_parts(&message.server.sender);
        let from = address(sender).ok_or_else(|| {
            SendFailure::new(
                Verdict::Credentials,
                "the sender is not an e-mail address: set SMTP_SENDER, or ?sender= in the URL of the mail server",
            )
        })?;
        let to = address(message.to.expose()).ok_or_else(|| {
            SendFailure::new(Verdict::Refused, "the recipient is not an e-mail address")
        })?;
        let name = Some(printable(name)).filter(|name| !name.is_empty());
        let seconds = u64::try_from(message.at.micros() / 1_000_000).unwrap_or_default();
        let mut mail = Message::builder()
            .from(Mailbox::new(name, from.clone()))
            .to(Mailbox::new(None, to.clone()))
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .header(Subject::from(printable(&message.subject)))
            .header(MessageId::from(message_id(&message.id, from.domain())))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".into(),
            ));
        if let Some(link) = &message.unsubscribe {
            mail = mail
                .raw_header(unfolded("List-Unsubscribe", format!("<{}>", link.expose())))
                .raw_header(unfolded(
                    "List-Unsubscribe-Post",
                    "List-Unsubscribe=One-Click".into(),
                ));
        }
        let text = || SinglePart::plain(lines(&message.text));
        let html = |html: &str| {
            SinglePart::builder()
                .header(ContentType::TEXT_HTML)
                .body(lines(html))
        };
        let mail = match &message.html {
            None => mail.singlepart(text()),
            Some(page) if message.text.is_empty() => mail.singlepart(html(page)),
            Some(page) => mail.multipart(
                MultiPart::alternative()
                    .singlepart(text())
                    .singlepart(html(page)),
            ),
        };
        let mail =
            mail.map_err(|_| SendFailure::new(Verdict::Refused, "the e-mail cannot be encoded"))?;
        Ok(Self {
            from,
            to,
            text: mail.formatted(),
        })
    }
}

/// An address whose domain is ASCII; `None`: it is none.
fn address(text: &str) -> Option<Address> {
    let parsed = EmailAddress::parse(text).ok()?;
    let (user, domain) = parsed.as_str().rsplit_once('@')?;
    Address::new(user, idna::domain_to_ascii(domain).ok()?).ok()
}

/// A text on one line, of bounded length.
fn printable(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars()
        .map(|c| if breaks(c) { ' ' } else { c })
        .take(MAX_SUBJECT_CHARS)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A body whose lines end with LF, without NUL.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\0', "")
}

fn message_id(local: &str, domain: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let local: String = local.chars().filter(|c| plain(*c)).take(64).collect();
    format!("<{local}@{domain}>")
}

/// A header of ASCII without spaces, which no encoder may fold.
fn unfolded(name: &'static str, value: String) -> HeaderValue {
    let value: String = value.chars().filter(char::is_ascii_graphic).collect();
    HeaderValue::dangerous_new_pre_encoded(
        HeaderName::new_from_ascii_str(name),
        value.clone(),
        value,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{MailServer, MailTls, Secret, Timestamp};

    fn message(subject: &str, text: &str) -> EmailMessage {
        EmailMessage {
            server: MailServer {
                host: "mail.example".into(),
                port: 25,
                tls: MailTls::None,
                user: None,
                password: None,
                sender: "Shop & Söhne <shop@müller.example>".into(),
                is_trusted: false,
            },
            to: Secret::new("ann@shop.example"),
            subject: subject.into(),
            text: text.into(),
            html: None,
            unsubscribe: None,
            id: "0f9a-1".into(),
            at: Timestamp::from_micros(1_795_337_092_270_000),
        }
    }

    fn text_of(message: &EmailMessage) -> String {
        String::from_utf8(Mail::of(message).unwrap().text).unwrap()
    }

    /// The headers' names, and the body.
    fn parts(text: &str) -> (Vec<&str>, &str) {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let names = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        (names, body)
    }

    const HEADERS: [&str; 8] = [
        "From",
        "To",
        "Date",
        "Subject",
        "Message-ID",
        "Auto-Submitted",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];

    #[test]
    fn a_mail_has_its_headers_and_text() {
        let text = text_of(&message("[Pushi] news", "Hello\nAnn"));
        assert!(text.contains("From: =?utf-8?b?"), "{text}");
        assert!(text.contains("<shop@xn--mller-kva.example>\r\n"), "{text}");
        for line in [
            "To: ann@shop.example\r\n",
            "Subject: [Pushi] news\r\n",
            "Date: Sun, 22 Nov 2026 08:44:52 +0000\r\n",
            "Message-ID: <0f9a-1@xn--mller-kva.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "\r\n\r\nHello\r\nAnn",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
    }

    #[test]
    fn nothing_in_a_subject_adds_a_header_or_a_line() {
        let long = "x".repeat(5000);
        let spaces = "many words ".repeat(500);
        for subject in [
            "a\r\nBcc: eve@shop.example",
            "a\nBcc: eve@shop.example\n\nbody",
            "a\rBcc: eve@shop.example",
            "a\u{2028}Bcc: eve@shop.example\u{85}x\0y\u{b}z",
            "=?utf-8?q?=0D=0ABcc:_eve@shop.example?=",
            "",
            "漢字 und Ümläute",
            &long,
            &spaces,
        ] {
            let text = text_of(&message(subject, "body"));
            let (mut names, body) = parts(&text);
            names.retain(|name| *name != "MIME-Version");
            let mut expected = HEADERS.to_vec();
            names.sort_unstable();
            expected.sort_unstable();
            assert_eq!(names, expected, "{subject:?}: {text}");
            assert_eq!(body.trim_end(), "body");
            assert!(text.lines().all(|line| line.len() < 998), "{subject:?}");
            assert!(text.is_ascii() && !text.contains('\0'));
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        }
    }

    #[test]
    fn a_body_has_lines_of_bounded_length_and_no_stray_line_ends() {
        let long = "x".repeat(5000);
        for text in ["a\rb\r\nc\nd\0e", &long, "漢字\r.\r\n.\r\nQUIT\r\n", ""] {
            let mail = text_of(&message("s", text));
            assert!(mail.lines().all(|line| line.len() < 998));
            assert!(!mail.replace("\r\n", "").contains(['\r', '\n']) && !mail.contains('\0'));
            assert!(mail.is_ascii());
        }
    }

    #[test]
    fn html_is_an_alternative_to_the_text() {
        let mut mail = message("s", "the text");
        mail.html = Some("<p>the page</p>".into());
        let text = text_of(&mail);
        for part in [
            "multipart/alternative",
            "text/plain",
            "text/html",
            "the text",
            "the page",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.find("the text") < text.find("the page"));
        mail.text = String::new();
        let text = text_of(&mail);
        assert!(!text.contains("multipart") && text.contains("text/html"));
    }

    #[test]
    fn one_click_ends_a_registration() {
        let mut mail = message("s", "text");
        let link = format!("https://push.example/unsubscribe/{}", "t".repeat(300));
        mail.unsubscribe = Some(Secret::new(format!("{link}\r\nX: y")));
        let text = text_of(&mail);
        assert!(
            text.contains(&format!("List-Unsubscribe: <{link}X:y>\r\n")),
            "{text}"
        );
        assert!(text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for to in [
            "ann",
            "ann@shop.example\r\nRCPT TO:<eve@shop.example>",
            "ann@shop.example>\r\nDATA",
            "ann@shop.example, eve@shop.example",
            "Ann <ann@shop.example>",
        ] {
            let mut mail = message("s", "text");
            mail.to = Secret::new(to);
            let failure = Mail::of(&mail).err().unwrap();
            assert_eq!(failure.verdict, Verdict::Refused, "{to:?}");
            assert!(!failure.reason().contains("ann"));
        }
        let mut mail = message("s", "text");
        mail.server.sender = "shop".into();
        assert_eq!(Mail::of(&mail).err().unwrap().verdict, Verdict::Credentials);
    }
}
