//! What e-mails say about events.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::text;
use crate::core::model::MailContent;

/// The mail about an event.
pub(super) fn content(event: &Map<String, Value>) -> MailContent {
    let member = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let own = |name| Some(member(name)).filter(|text: &&str| !text.is_empty());
    MailContent {
        subject: subject(event),
        text: own("body").map_or_else(|| description(event), Into::into),
        html: own("html").map(Into::into),
    }
}

/// The subject of the mail about an event.
pub(super) fn subject(event: &Map<String, Value>) -> String {
    match text(event, "subject") {
        "" => format!("[Pushi] {}", text(event, "event")),
        own => own.to_owned(),
    }
}

fn description(event: &Map<String, Value>) -> String {
    let member = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
    format!(
        "Event Notification\n==================\n\nChannel: {}\nEvent: {}\n\nData:\n{}\n",
        member("channel"),
        member("event"),
        data(event.get("data"), usize::MAX)
    )
}

/// The data as text of about `most` bytes. Objects and lists, which have become texts, are indented again.
pub(super) fn data(data: Option<&Value>, most: usize) -> String {
    let parsed = match data {
        None | Some(Value::Null) => Value::Null,
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ => {
                let shown = Some(text.as_str()).filter(|text| !text.is_empty());
                return Shortened::text(shown.unwrap_or("(no data)"), most);
            }
        },
        Some(value) => value.clone(),
    };
    match parsed {
        Value::Null => "(no data)".into(),
        value => {
            let mut shown = Shortened::new(most);
            // It fails where the text is longer.
            let _ = serde_json::to_writer_pretty(&mut shown, &value);
            shown.finish()
        }
    }
}

/// A text whose end is left out where it has more bytes than this.
pub(super) struct Shortened {
    text: Vec<u8>,
    most: usize,
    is_cut: bool,
}

impl Shortened {
    fn new(most: usize) -> Self {
        Self {
            text: Vec::new(),
            most,
            is_cut: false,
        }
    }

    pub(super) fn text(text: &str, most: usize) -> String {
        let mut shown = Self::new(most);
        let _ = shown.write_all(text.as_bytes());
        shown.finish()
    }

    fn finish(self) -> String {
        let mut text = match String::from_utf8(self.text) {
            Ok(text) => text,
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned()
            }
        };
        if self.is_cut {
            text.push('…');
        }
        text
    }
}

impl Write for Shortened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.most - self.text.len());
        self.text.extend_from_slice(&bytes[..fits]);
        if fits < bytes.len() {
            self.is_cut = true;
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(event: Value) -> MailContent {
        content(event.as_object().unwrap())
    }

    #[test]
    fn an_event_is_described() {
        let mail = of(json!({"channel": "news", "event": "message", "data": "hello", "mid": "1"}));
        assert_eq!(mail.subject, "[Pushi] message");
        assert_eq!(
            mail.text,
            "Event Notification\n==================\n\nChannel: news\nEvent: message\n\nData:\nhello\n"
        );
        assert_eq!(mail.html, None);
    }

    #[test]
    fn data_is_shown_as_text() {
        for (data, expected) in [
            (json!(null), "(no data)"),
            (json!(""), "(no data)"),
            (json!("null"), "null"),
            (json!("17"), "17"),
            (json!("{\"a\":[1]}"), "{\n  \"a\": [\n    1\n  ]\n}"),
            (json!({"b": "é"}), "{\n  \"b\": \"é\"\n}"),
            (json!("{no json"), "{no json"),
        ] {
            let text = of(json!({"channel": "c", "event": "e", "data": data})).text;
            assert!(text.ends_with(&format!("Data:\n{expected}\n")), "{text}");
        }
    }

    #[test]
    fn members_of_the_event_count_more() {
        let mail = of(json!({"event": "e", "subject": "S", "body": "B", "html": "<p>H</p>"}));
        let expected = MailContent {
            subject: "S".into(),
            text: "B".into(),
            html: Some("<p>H</p>".into()),
        };
        assert_eq!(mail, expected);
        let mail = of(json!({"event": "e", "subject": "", "body": 7, "html": null}));
        assert_eq!(mail.subject, "[Pushi] e");
        assert!(mail.text.starts_with("Event Notification") && mail.html.is_none());
    }
}
