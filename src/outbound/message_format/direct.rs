//! Direct messages that were queued.

use serde_json::{Map, Value};

use super::text;
use crate::core::model::{MailContent, WebContent, WebMethod};

/// What a web hook is sent.
pub(super) fn web(message: &Map<String, Value>) -> Option<WebContent> {
    let pair = |pair: &Value| {
        let value = |at| pair.get(at).and_then(Value::as_str).map(String::from);
        Some((value(0)?, value(1)?))
    };
    let headers = message.get("headers")?.as_array()?.iter().map(pair);
    Some(WebContent {
        method: WebMethod::parse(text(message, "method"))?,
        headers: headers.collect::<Option<_>>()?,
        body: text(message, "body").to_owned().into(),
    })
}

/// An e-mail.
pub(super) fn mail(message: &Map<String, Value>) -> MailContent {
    let html = message.get("html").and_then(Value::as_str);
    MailContent {
        subject: text(message, "subject").to_owned(),
        text: text(message, "body").to_owned(),
        html: html.map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_queued() {
        let message =
            json!({"method": "PUT", "headers": [["X-A", "1"], ["X-B", ""]], "body": "{}"});
        let content = web(message.as_object().unwrap()).unwrap();
        assert_eq!(content.method, WebMethod::Put);
        let headers = [("X-A", "1"), ("X-B", "")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(content.headers, headers);
        assert_eq!(&content.body[..], b"{}");
        for other in [
            json!({}),
            json!({"method": "PATCH", "headers": []}),
            json!({"method": "GET", "headers": [["a"]]}),
        ] {
            assert_eq!(web(other.as_object().unwrap()), None);
        }
    }

    #[test]
    fn a_mail_of_html_alone_has_no_text() {
        let message = json!({"subject": "S", "body": "", "html": "<p>H</p>"});
        let content = mail(message.as_object().unwrap());
        assert_eq!((content.subject.as_str(), content.text.as_str()), ("S", ""));
        assert_eq!(content.html.as_deref(), Some("<p>H</p>"));
    }
}
