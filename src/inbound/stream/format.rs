//! The forms in which a stream's events are written.

use std::str::FromStr;

use crate::core::hub::CloseReason;
use crate::inbound::wire::push_json_string;

/// The form of the events of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamFormat {
    /// Server-sent events (HTML, section 9.2).
    EventStream,
    /// A JSON object a line.
    JsonLines,
    /// One JSON object for all events: an answer to a poll.
    Poll {
        /// Its media type is that of JSON lines.
        is_line: bool,
    },
}

/// The largest part of a media type's quality: 1.000.
const FULL_QUALITY: u16 = 1000;

impl StreamFormat {
    /// The best form for an `Accept` header (RFC 9110, section 12.5.1); `None`: it accepts none.
    pub(super) fn negotiate(accept: Option<&str>, is_poll: bool) -> Option<Self> {
        let forms = if is_poll {
            [
                ("application/json", Self::Poll { is_line: false }),
                ("application/x-ndjson", Self::Poll { is_line: true }),
            ]
        } else {
            [
                ("text/event-stream", Self::EventStream),
                ("application/x-ndjson", Self::JsonLines),
            ]
        };
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
            return Some(forms[0].1);
        };
        let [first, second] = forms.map(|(media, form)| (quality(accept, media), form));
        match (first, second) {
            ((0, _), (0, _)) => None,
            (first, second) if second.0 > first.0 => Some(second.1),
            (first, _) => Some(first.1),
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::EventStream => "text/event-stream",
            Self::JsonLines | Self::Poll { is_line: true } => "application/x-ndjson",
            Self::Poll { is_line: false } => "application/json",
        }
    }

    /// Appends an event: the text of its frame, and the cursor after it.
    pub(super) fn push_event(
        self,
        out: &mut Vec<u8>,
        cursor: impl FnOnce(&mut Vec<u8>),
        frame: &[u8],
    ) {
        match self {
            Self::EventStream => {
                out.extend_from_slice(b"id: ");
                cursor(out);
                out.extend_from_slice(b"\ndata: ");
                out.extend_from_slice(frame);
                out.extend_from_slice(b"\n\n");
            }
            Self::JsonLines => {
                out.extend_from_slice(b"{\"id\":\"");
                cursor(out);
                out.extend_from_slice(b"\",\"event\":");
                out.extend_from_slice(frame);
                out.extend_from_slice(b"}\n");
            }
            Self::Poll { .. } => {
                if !out.is_empty() {
                    out.push(b',');
                }
                out.extend_from_slice(frame);
            }
        }
    }

    /// Appends that events of these channels may be missing. Polls name them at their end.
    pub(super) fn push_gap<'a>(
        self,
        out: &mut Vec<u8>,
        cursor: impl FnOnce(&mut Vec<u8>),
        channels: impl IntoIterator<Item = &'a str>,
    ) {
        let gap = ["{\"channels\":", &json_list(channels), "}"].concat();
        match self {
            Self::EventStream => {
                out.extend_from_slice(b"event: gap\nid: ");
                cursor(out);
                out.extend_from_slice(format!("\ndata: {gap}\n\n").as_bytes());
            }
            Self::JsonLines => {
                out.extend_from_slice(b"{\"id\":\"");
                cursor(out);
                out.extend_from_slice(format!("\",\"gap\":{gap}}}\n").as_bytes());
            }
            Self::Poll { .. } => {}
        }
    }

    /// Bytes that keep proxies from closing a silent connection. No empty line follows a comment:
    /// some parsers report it as an event.
    pub(super) fn keep_alive(self) -> &'static [u8] {
        match self {
            Self::EventStream => b":\n",
            Self::JsonLines => b"\n",
            Self::Poll { .. } => b"",
        }
    }

    /// The last event: why the server closes the stream. `retry` is in milliseconds.
    pub(super) fn last_event(
        self,
        (code, text): (u16, &str),
        reason: CloseReason,
        retry: u64,
    ) -> String {
        let mut message = String::new();
        push_json_string(&mut message, text);
        match self {
            Self::EventStream => {
                let retry = match reason {
                    CloseReason::Stopping => format!("retry: {retry}\n"),
                    _ => String::new(),
                };
                format!(
                    "{retry}event: error\ndata: {{\"event\":\"pusher:error\",\"channel\":\"\",\"data\":{{\"code\":{code},\"message\":{message},\"event\":\"\"}}}}\n\n"
                )
            }
            Self::JsonLines => {
                let retry = match reason {
                    CloseReason::Stopping => format!(",\"retry\":{retry}"),
                    _ => String::new(),
                };
                format!("{{\"error\":{{\"code\":{code},\"message\":{message}{retry}}}}}\n")
            }
            Self::Poll { .. } => String::new(),
        }
    }
}

/// The answer to a poll: `events` are what [`StreamFormat::push_event`] wrote.
pub(super) fn poll_body(cursor: &str, events: &[u8], gap: &[String]) -> Vec<u8> {
    let mut body = format!("{{\"id\":\"{cursor}\",\"events\":[").into_bytes();
    body.extend_from_slice(events);
    body.extend_from_slice(b"],\"gap\":");
    body.extend_from_slice(json_list(gap.iter().map(String::as_str)).as_bytes());
    body.extend_from_slice(b"}\n");
    body
}

fn json_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut list = String::from("[");
    for (index, text) in texts.into_iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        push_json_string(&mut list, text);
    }
    list.push(']');
    list
}

/// The quality that an `Accept` header gives a media type, in thousandths: that of the most specific
/// range that includes it.
fn quality(accept: &str, media: &str) -> u16 {
    let (kind, _) = media.split_once('/').unwrap_or((media, ""));
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specificity = match name.split_once('/')? {
            _ if name == media => 2,
            (of, "*") if of == kind => 1,
            ("*", "*") => 0,
            _ => return None,
        };
        let given = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("q")
                .then_some(value.trim())
        });
        let quality = given.map_or(Some(1.0), |given| f32::from_str(given).ok())?;
        let thousandths = (quality.clamp(0.0, 1.0) * f32::from(FULL_QUALITY)) as u16;
        Some((specificity, thousandths))
    });
    ranges.max().map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_accept_header() {
        let of = |accept| StreamFormat::negotiate(Some(accept), false);
        let events = Some(StreamFormat::EventStream);
        let lines = Some(StreamFormat::JsonLines);
        assert_eq!(StreamFormat::negotiate(None, false), events);
        for accept in [
            "*/*",
            "text/event-stream",
            "text/*",
            "",
            "application/x-ndjson;q=0.5, text/event-stream",
            "TEXT/Event-Stream; charset=utf-8",
        ] {
            assert_eq!(of(accept), events, "{accept}");
        }
        for accept in [
            "application/x-ndjson",
            "application/*",
            "text/event-stream;q=0, */*",
            "*/*;q=0.1, application/x-ndjson",
        ] {
            assert_eq!(of(accept), lines, "{accept}");
        }
        for accept in [
            "text/html",
            "application/json",
            "text/event-stream;q=0",
            "nonsense",
        ] {
            assert_eq!(of(accept), None, "{accept}");
        }
    }

    #[test]
    fn a_poll_is_answered_with_json() {
        let of = |accept| StreamFormat::negotiate(accept, true).map(StreamFormat::content_type);
        for accept in [
            None,
            Some("*/*"),
            Some("application/json"),
            Some("application/*"),
        ] {
            assert_eq!(of(accept), Some("application/json"), "{accept:?}");
        }
        assert_eq!(
            of(Some("application/x-ndjson")),
            Some("application/x-ndjson")
        );
        assert_eq!(of(Some("text/event-stream")), None);
    }
}
