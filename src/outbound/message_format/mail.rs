//! What e-mails say about events.

use serde_json::{Map, Value};

use crate::core::model::MailContent;

/// The mail about an event.
pub(super) fn content(event: &Map<String, Value>) -> MailContent {
    let member = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let own = |name| Some(member(name)).filter(|text: &&str| !text.is_empty());
    MailContent {
        subject: own("subject").map_or_else(|| format!("[Pushi] {}", member("event")), Into::into),
        text: own("body").map_or_else(|| description(event), Into::into),
        html: own("html").map(Into::into),
    }
}

fn description(event: &Map<String, Value>) -> String {
    let member = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
    format!(
        "Event Notification\n==================\n\nChannel: {}\nEvent: {}\n\nData:\n{}\n",
        member("channel"),
        member("event"),
        data(event.get("data"))
    )
}

/// The data as text. Objects and lists, which have become texts, are indented again.
fn data(data: Option<&Value>) -> String {
    let parsed = match data {
        None | Some(Value::Null) => Value::Null,
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ => {
                return Some(text.as_str())
                    .filter(|text| !text.is_empty())
                    .unwrap_or("(no data)")
                    .into();
            }
        },
        Some(value) => value.clone(),
    };
    match parsed {
        Value::Null => "(no data)".into(),
        value => serde_json::to_string_pretty(&value).unwrap_or_default(),
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
