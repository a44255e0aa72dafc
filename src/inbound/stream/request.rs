//! The request for a stream: its channels, its form, and where it continues.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::cursor::Cursor;
use super::format::StreamFormat;
use super::refusal::StreamRefusal;
use crate::core::model::{ChannelName, Limits, Secret};

/// The most channels of a stream. Each event has a position in all of them.
pub(crate) const MAX_CHANNELS: usize = 100;

/// The longest poll, in seconds: proxies close connections after 60 silent seconds.
pub(crate) const MAX_WAIT: u64 = 60;

/// Where a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StreamStart {
    /// With the next event.
    Now,
    /// After the positions of a cursor.
    After(Cursor),
    /// After these serials, and with the next event of the channels that are not named.
    Serials(BTreeMap<String, u64>),
    /// With the next event, although the client has a position: it sent an unknown `Last-Event-ID`, which
    /// a browser would send again and again.
    Unknown,
}

/// A valid request for a stream.
#[derive(Debug)]
pub(super) struct StreamRequest {
    /// Sorted by name, without duplicates; at least one, at most [`MAX_CHANNELS`].
    pub channels: Vec<ChannelName>,
    pub format: StreamFormat,
    pub start: StreamStart,
    /// Of a poll: how many seconds it waits for an event.
    pub wait: Option<u64>,
    pub token: Option<Secret>,
}

/// The texts of a request that are parsed. Not `Debug`: they contain the token.
#[derive(Clone, Default)]
pub(super) struct StreamTexts {
    pub query: Option<String>,
    pub accept: Option<String>,
    pub last_event_id: Option<String>,
    pub authorization: Option<String>,
}

impl StreamRequest {
    /// Parses a request.
    ///
    /// # Errors
    /// The answer to a request that is not valid.
    pub(super) fn parse(texts: &StreamTexts, limits: &Limits) -> Result<Self, StreamRefusal> {
        let (mut channels, mut since, mut wait, mut token) = (Vec::new(), None, None, None);
        let query = texts.query.as_deref().unwrap_or_default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            match name.as_str() {
                "channel" => channels.push(decode(value)?),
                "since" => since = Some(decode(value)?),
                "wait" => wait = Some(decode(value)?),
                "token" => token = Some(decode(value)?),
                _ => {}
            }
        }
        let wait = wait.as_deref().map(parse_wait).transpose()?;
        let channels = parse_channels(&channels, limits)?;
        let format = StreamFormat::negotiate(texts.accept.as_deref(), wait.is_some())
            .ok_or_else(|| StreamRefusal::not_acceptable(wait.is_some()))?;
        let header = texts.last_event_id.as_deref().filter(|id| !id.is_empty());
        let start = match (header, since.as_deref()) {
            // A browser that reconnects sends the address it began with, and the newer position besides.
            (Some(id), _) => {
                Cursor::parse(id, MAX_CHANNELS).map_or(StreamStart::Unknown, StreamStart::After)
            }
            (None, None | Some("" | "now")) => StreamStart::Now,
            (None, Some(text)) => parse_since(text)?,
        };
        let bearer = texts.authorization.as_deref().and_then(bearer);
        Ok(Self {
            channels,
            format,
            start,
            wait,
            token: bearer.map(str::to_owned).or(token).map(Secret::new),
        })
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Decodes a name or value of a query.
fn decode(text: &str) -> Result<String, StreamRefusal> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(String::from)
        .map_err(|_| {
            StreamRefusal::bad_request("the query is not UTF-8: encode it with percent signs")
        })
}

fn parse_since(text: &str) -> Result<StreamStart, StreamRefusal> {
    let start = if text.starts_with('{') {
        serde_json::from_str(text).ok().map(StreamStart::Serials)
    } else {
        Cursor::parse(text, MAX_CHANNELS).map(StreamStart::After)
    };
    start.ok_or_else(|| {
        StreamRefusal::bad_request(
            "since must be the id of an event of this stream, an object of channel to serial, or \"now\"",
        )
    })
}

fn parse_wait(text: &str) -> Result<u64, StreamRefusal> {
    text.parse()
        .ok()
        .filter(|wait| *wait <= MAX_WAIT && text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| {
            StreamRefusal::bad_request(format!(
                "wait must be a number of seconds from 0 to {MAX_WAIT}"
            ))
        })
}

fn parse_channels(names: &[String], limits: &Limits) -> Result<Vec<ChannelName>, StreamRefusal> {
    let longest = usize::try_from(limits.channel_name).unwrap_or(usize::MAX);
    let mut channels = names
        .iter()
        .map(|name| ChannelName::parse(name, longest))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StreamRefusal::bad_request(error.to_string()))?;
    channels.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    channels.dedup();
    match channels.len() {
        0 => Err(StreamRefusal::bad_request(
            "no channel: send ?channel=<name>, once for each channel",
        )),
        1..=MAX_CHANNELS => Ok(channels),
        count => Err(StreamRefusal::bad_request(format!(
            "{count} channels: a stream has at most {MAX_CHANNELS}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str, last_event_id: Option<&str>) -> Result<StreamRequest, StreamRefusal> {
        let texts = StreamTexts {
            query: Some(query.to_owned()),
            last_event_id: last_event_id.map(str::to_owned),
            ..StreamTexts::default()
        };
        StreamRequest::parse(&texts, &Limits::default())
    }

    #[test]
    fn channels_are_decoded_sorted_and_single() {
        let request = parse("channel=b%20c&x=1&channel=a&channel=b+c&&", None).unwrap();
        let names: Vec<_> = request.channels.iter().map(ChannelName::as_str).collect();
        assert_eq!(names, ["a", "b c"]);
        assert_eq!((request.start, request.wait), (StreamStart::Now, None));
    }

    #[test]
    fn the_header_is_newer_than_the_query() {
        let start = |query, id| parse(query, id).unwrap().start;
        let after = |text| StreamStart::After(Cursor::parse(text, 1).unwrap());
        assert_eq!(start("channel=a&since=AAAAA1", None), after("AAAAA1"));
        assert_eq!(
            start("channel=a&since=AAAAA1", Some("AAAAA2")),
            after("AAAAA2")
        );
        assert_eq!(start("channel=a&since=AAAAA1", Some("")), after("AAAAA1"));
        assert_eq!(start("channel=a", Some("other")), StreamStart::Unknown);
        assert_eq!(start("channel=a&since=now", None), StreamStart::Now);
        let serials = BTreeMap::from([("a".to_owned(), 7)]);
        let named = "channel=a&since=%7B%22a%22%3A7%7D";
        assert_eq!(start(named, None), StreamStart::Serials(serials));
    }

    #[test]
    fn invalid_requests_are_refused_with_400() {
        let many: String = (0..=MAX_CHANNELS)
            .map(|n| format!("channel=c{n}&"))
            .collect();
        let long = format!("channel={}", "x".repeat(201));
        for query in [
            "",
            "channel=",
            "channel=%00",
            "channel=%ff",
            "channel=personal-",
            &many,
            &long,
            "channel=a&since=x",
            "channel=a&since={",
            "channel=a&since={%22a%22:-1}",
            "channel=a&wait=",
            "channel=a&wait=61",
            "channel=a&wait=-1",
            "channel=a&wait=+1",
            "channel=a&wait=1.5",
        ] {
            assert_eq!(
                parse(query, None).err().map(|refusal| refusal.status()),
                Some(400),
                "{query}"
            );
        }
    }
}
