//! The data that passes between the append algorithm and the drivers: requests for serials, and rows of events.

use super::value::Arg;
use crate::core::model::NewEvent;

/// A request for serials in one channel.
pub(super) struct SerialRequest<'a> {
    /// The app's ident.
    pub app: &'a str,
    /// The channel's name.
    pub channel: &'a str,
    /// Number of serials; 0 reads the head without changing it.
    pub count: i64,
}

/// The answer to a [`SerialRequest`]. The channel's row stays locked until the transaction ends.
#[derive(Clone, Copy)]
pub(super) struct SerialClaim {
    /// Primary key of the app.
    pub app: i64,
    /// Primary key of the channel.
    pub channel: i64,
    /// The channel's newest serial, including those claimed now.
    pub head: i64,
}

/// An event with its channel and serial, ready to be inserted; the driver assigns the id.
pub(super) struct EventRow<'a> {
    /// Primary key of the app.
    pub app: i64,
    /// Primary key of the channel.
    pub channel: i64,
    pub serial: i64,
    pub event: &'a NewEvent,
    /// The publish that is due for notifications with this event, if it is.
    pub due: Option<&'a str>,
}

impl<'a> EventRow<'a> {
    /// Whether it is due, with a publish that its other columns have: its own, or else its `mid`.
    pub(super) fn is_due_as_itself(&self) -> bool {
        let event = self.event;
        let own = event.publish.as_ref().map_or(&event.mid.0, |id| &id.0);
        self.due == Some(&**own)
    }

    /// The columns app, channel, serial, mid, time, publish, owner, name, data, extra, and `due`.
    pub(super) fn columns(&self) -> [Arg<'a>; 11] {
        let event = self.event;
        [
            Arg::Int(self.app),
            Arg::Int(self.channel),
            Arg::Int(self.serial),
            Arg::Text(&event.mid.0),
            Arg::Int(event.timestamp.micros()),
            Arg::MaybeText(event.publish.as_ref().map(|publish| &*publish.0)),
            Arg::MaybeText(event.owner_id.as_deref()),
            Arg::Text(&event.payload.event),
            Arg::Text(&event.payload.data),
            Arg::Text(event.payload.extra.as_str()),
            Arg::MaybeText(self.due),
        ]
    }
}
