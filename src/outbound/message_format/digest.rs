//! What e-mails say about several events.

use maud::{DOCTYPE, PreEscaped, html};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::macros::format_description;

use super::mail::{self, Shortened};
use super::text;
use crate::core::model::{DigestContent, MailContent};

/// The most bytes of the text of one event, and of its title; the rest is left out.
const MAX_TEXT: usize = 64 * 1024;
const MAX_TITLE: usize = 200;

/// The line between two events.
const LINE: &str = "----------------------------------------";

/// An event in the list.
struct Entry {
    title: String,
    channel: String,
    event: String,
    time: Option<String>,
    text: String,
}

impl Entry {
    fn of(event: &Map<String, Value>) -> Self {
        let own = |name| Some(text(event, name)).filter(|own| !own.is_empty());
        let name = text(event, "event");
        Self {
            title: line(own("subject").unwrap_or(name)),
            channel: line(text(event, "channel")),
            event: line(name),
            time: event
                .get("timestamp")
                .and_then(Value::as_f64)
                .and_then(time),
            text: match own("body") {
                Some(body) => Shortened::text(body, MAX_TEXT),
                None => mail::data(event.get("data"), MAX_TEXT),
            },
        }
    }

    fn as_text(&self) -> String {
        let time = self.time.as_ref();
        format!(
            "{}\n\nChannel: {}\nEvent: {}\n{}\n{}\n",
            self.title,
            self.channel,
            self.event,
            time.map_or_else(String::new, |time| format!("Time: {time}\n")),
            self.text.trim_end()
        )
    }

    fn as_html(&self) -> String {
        let markup = html! {
            h2 { (self.title) }
            p {
                "Channel: " b { (self.channel) } br;
                "Event: " b { (self.event) }
                @if let Some(time) = &self.time { br; "Time: " (time) }
            }
            pre { (self.text.trim_end()) }
        };
        markup.into_string()
    }
}

/// The mail about events: as many of the first ones as fit. Their own HTML is not used: a page is no part of another.
pub(super) fn content(events: impl Iterator<Item = Map<String, Value>>) -> DigestContent {
    let (mut texts, mut pages) = (Vec::new(), Vec::new());
    let (mut bytes, mut first) = (0, None);
    for event in events {
        let entry = Entry::of(&event);
        let (text, page) = (entry.as_text(), entry.as_html());
        // Beside the head, and what is between two events.
        bytes += text.len() + page.len() + 2 * LINE.len();
        if bytes > DigestContent::MAX_BYTES - 1024 && !texts.is_empty() {
            break;
        }
        first.get_or_insert_with(|| mail::subject(&event));
        texts.push(text);
        pages.push(page);
    }
    let events = texts.len();
    let (subject, heading) = match events {
        1 => (first.unwrap_or_default(), "1 event".to_owned()),
        count => (format!("[Pushi] {count} events"), format!("{count} events")),
    };
    let separator = format!("\n{LINE}\n\n");
    let page = html! {
        (DOCTYPE)
        html {
            head { meta charset="utf-8"; title { (heading) } }
            body { h1 { (heading) } @for page in &pages { (PreEscaped(page)) } }
        }
    };
    let mail = MailContent {
        subject,
        text: format!(
            "{heading}\n{}\n\n{}",
            "=".repeat(heading.len()),
            texts.join(&separator)
        ),
        html: Some(page.into_string()),
    };
    DigestContent { mail, events }
}

/// The beginning of a text as one line.
fn line(text: &str) -> String {
    let short = Shortened::text(text, MAX_TITLE);
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time in seconds since 1970; `None`: there is no such date.
fn time(seconds: f64) -> Option<String> {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    // A cast of a number that is too large is the largest one.
    let date = OffsetDateTime::from_unix_timestamp(seconds as i64).ok()?;
    date.format(&format).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(events: &[Value]) -> DigestContent {
        content(
            events
                .iter()
                .map(|event| event.as_object().unwrap().clone()),
        )
    }

    #[test]
    fn a_digest_lists_its_events_as_text_and_as_html() {
        let digest = of(&[
            json!({"channel": "news", "event": "a", "data": "<b>&", "timestamp": 1_795_337_089.42}),
            json!({"channel": "s", "event": "b", "subject": "Or\nder", "body": "Shipped\n\n", "html": "<p>S</p>"}),
        ]);
        assert_eq!(
            (digest.events, &*digest.mail.subject),
            (2, "[Pushi] 2 events")
        );
        let line = "-".repeat(40);
        assert_eq!(
            digest.mail.text,
            format!(
                "2 events\n========\n\na\n\nChannel: news\nEvent: a\nTime: 2026-11-22 08:44:49 UTC\n\n<b>&\n\n{line}\n\n\
                 Or der\n\nChannel: s\nEvent: b\n\nShipped\n"
            )
        );
        let html = digest.mail.html.unwrap();
        assert!(html.contains("<h2>a</h2>") && html.contains("<pre>&lt;b&gt;&amp;</pre>"));
        assert!(html.contains("<h2>Or der</h2>") && html.contains("<pre>Shipped</pre>"));
        assert!(!html.contains("<p>S</p>"));
    }

    #[test]
    fn a_digest_of_one_event_has_its_subject() {
        let event = json!({"channel": "c", "event": "e", "data": null});
        let digest = of(std::slice::from_ref(&event));
        assert_eq!(digest.mail.subject, "[Pushi] e");
        assert!(digest.mail.text.ends_with("(no data)\n"));
    }

    #[test]
    fn a_digest_is_bounded_in_bytes() {
        let deep = |depth: usize| {
            format!(
                "{}{}{}",
                "[".repeat(depth),
                "1,".repeat(20_000) + "1",
                "]".repeat(depth)
            )
        };
        for data in [
            "\"".repeat(300_000),
            deep(100),
            "é".repeat(50_000),
            "x".repeat(1000),
        ] {
            let event =
                json!({"channel": "c", "event": "e", "data": data, "subject": "\"".repeat(9000)});
            let digest = of(&vec![event; 1000]);
            let bytes = digest.mail.text.len() + digest.mail.html.unwrap().len();
            assert!(
                bytes <= DigestContent::MAX_BYTES && digest.events >= 2,
                "{bytes}"
            );
            assert!(digest.mail.subject.contains(&digest.events.to_string()));
        }
    }
}
