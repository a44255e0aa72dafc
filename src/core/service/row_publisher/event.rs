//! The event of a row, checked by the rules of a publish over REST.

use crate::core::model::{ChannelName, FurtherMembers, Limits, Payload, check_event_name};
use crate::core::ports::RowContent;

/// Reads the JSON object of further members; the error continues a sentence about it.
pub type ReadExtra = fn(&str) -> Result<FurtherMembers, String>;

pub(super) struct RowEvent {
    pub channel: ChannelName,
    pub payload: Payload,
    pub persist: bool,
}

impl RowEvent {
    /// Checks a row; the error is the reason for which it cannot be published.
    pub(super) fn read(
        content: RowContent,
        limits: &Limits,
        row_bytes: usize,
        read_extra: ReadExtra,
    ) -> Result<Self, String> {
        let (channel, event, data, extra, persist) = match content {
            RowContent::Event {
                channel,
                event,
                data,
                extra,
                persist,
            } => (channel, event, data, extra, persist),
            RowContent::TooLarge(bytes) => {
                return Err(format!(
                    "the row has {bytes} bytes, and at most {row_bytes} are allowed: make it smaller, or raise PUSHI_MAX_BODY_BYTES"
                ));
            }
            RowContent::Invalid(reason) => return Err(reason.to_owned()),
        };
        let length = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let channel = ChannelName::parse(&channel, length(limits.channel_name))
            .map_err(|error| error.to_string())?;
        check_event_name(&event, length(limits.event_name)).map_err(|error| error.to_string())?;
        let data = data.ok_or("data is NULL: use a text or JSON")?;
        let extra = match extra {
            Some(extra) => read_extra(&extra).map_err(|error| format!("extra: {error}"))?,
            None => FurtherMembers::default(),
        };
        Ok(Self {
            channel,
            payload: Payload {
                event: event.into(),
                data: data.into(),
                extra,
            },
            persist,
        })
    }
}
