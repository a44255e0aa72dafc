//! The positions of one stream in its channels, and the events that follow them.

use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;

use super::cursor::{ChannelTag, cursor_text, push_cursor};
use super::format::StreamFormat;
use crate::core::hub::{Broadcast, EventRenderer};
use crate::core::model::{ChannelName, Event, SocketId};
use crate::core::ports::DialectId;
use crate::inbound::wire::event_json;

/// The positions of one stream. They are shared by its session and its mailbox, whose lock is taken
/// first; neither waits for the other, because a session reads stored events only while its mailbox is
/// not parked.
#[derive(Debug)]
pub(super) struct Positions {
    id: SocketId,
    format: StreamFormat,
    /// Bytes of events that may be held back.
    max_held: usize,
    state: Mutex<PositionsState>,
}

#[derive(Debug)]
struct PositionsState {
    /// In the order of their names.
    channels: Vec<ChannelPosition>,
    /// Not stored events of channels that are read from the store; boxed, because most streams have
    /// none.
    held: Option<Box<HeldEvents>>,
}

#[derive(Debug, Default)]
struct HeldEvents {
    events: Vec<Arc<Broadcast>>,
    bytes: usize,
}

#[derive(Debug)]
struct ChannelPosition {
    channel: ChannelName,
    tag: ChannelTag,
    /// The serial of the last stored event that the client has.
    serial: u64,
    /// The version of the members that the client knows.
    version: Option<u64>,
    /// Stored events follow: live ones are read from the store, too, and are dropped.
    is_behind: bool,
}

impl ChannelPosition {
    /// Whether the client receives a single event now; moves the position behind it.
    fn passes(&mut self, broadcast: &Broadcast) -> bool {
        if let Some(version) = broadcast.presence_version() {
            return self.version.is_none_or(|known| version > known);
        }
        match broadcast.serial() {
            Some(serial) if self.is_behind || serial <= self.serial => false,
            Some(serial) => {
                self.serial = serial;
                true
            }
            None => !self.is_behind,
        }
    }
}

impl PositionsState {
    fn find(&mut self, channel: &ChannelName) -> Option<&mut ChannelPosition> {
        self.channels
            .binary_search_by(|one| one.channel.as_str().cmp(channel.as_str()))
            .ok()
            .and_then(|index| self.channels.get_mut(index))
    }

    fn cursor(&self) -> impl Iterator<Item = (ChannelTag, u64)> {
        self.channels.iter().map(|one| (one.tag, one.serial))
    }

    fn push(&self, format: StreamFormat, frame: &[u8], out: &mut Vec<u8>) {
        format.push_event(out, |out| push_cursor(out, self.cursor()), frame);
    }
}

impl Positions {
    /// The positions of a stream in these channels, which are sorted by name: the serial, and whether
    /// stored events follow it. Holds at most `max_held` bytes of events back (0: no bound).
    pub(super) fn new(
        id: SocketId,
        format: StreamFormat,
        max_held: u64,
        channels: impl IntoIterator<Item = (ChannelName, u64, bool)>,
    ) -> Self {
        let channels = channels
            .into_iter()
            .map(|(channel, serial, is_behind)| ChannelPosition {
                tag: ChannelTag::of(&channel),
                channel,
                serial,
                version: None,
                is_behind,
            });
        let mut channels: Vec<_> = channels.collect();
        channels.shrink_to_fit();
        Self {
            id,
            format,
            max_held: match usize::try_from(max_held) {
                Ok(0) | Err(_) => usize::MAX,
                Ok(bytes) => bytes,
            },
            state: Mutex::new(PositionsState {
                channels,
                held: None,
            }),
        }
    }

    pub(super) fn format(&self) -> StreamFormat {
        self.format
    }

    /// The cursor after the last event.
    pub(super) fn cursor(&self) -> String {
        cursor_text(self.state.lock().cursor())
    }

    /// The first channel of which stored events follow, and its position.
    pub(super) fn next_behind(&self) -> Option<(ChannelName, u64)> {
        let state = self.state.lock();
        let behind = state.channels.iter().find(|one| one.is_behind)?;
        Some((behind.channel.clone(), behind.serial))
    }

    /// The client knows the members of a presence channel in this version.
    pub(super) fn set_version(&self, channel: &ChannelName, version: u64) {
        if let Some(position) = self.state.lock().find(channel) {
            position.version = Some(version);
        }
    }

    /// Appends a stored event that the client has missed.
    pub(super) fn push_stored(&self, event: &Event, out: &mut Vec<u8>) {
        let mut state = self.state.lock();
        let Some(position) = state.find(&event.new.channel) else {
            return;
        };
        if event.position.serial <= position.serial {
            return;
        }
        position.serial = event.position.serial;
        let frame = event_json(&event.new, Some(event.position));
        state.push(self.format, frame.as_bytes(), out);
    }

    /// The next events of a channel cannot be read: continues after `serial`, and appends the gap.
    pub(super) fn skip_to(&self, channel: &ChannelName, serial: u64, out: &mut Vec<u8>) {
        if let Some(position) = self.state.lock().find(channel) {
            position.serial = serial;
        }
        self.push_gap(std::slice::from_ref(channel), out);
    }

    /// Appends that events of these channels may be missing.
    pub(super) fn push_gap(&self, channels: &[ChannelName], out: &mut Vec<u8>) {
        let state = self.state.lock();
        let names = channels.iter().map(ChannelName::as_str);
        self.format
            .push_gap(out, |out| push_cursor(out, state.cursor()), names);
    }

    /// The client has the stored events of a channel up to `serial`: live ones follow.
    pub(super) fn end_behind(&self, channel: &ChannelName, serial: u64, out: &mut Vec<u8>) {
        let mut state = self.state.lock();
        if let Some(position) = state.find(channel) {
            position.is_behind = false;
            position.serial = position.serial.max(serial);
        }
        let Some(mut held) = state.held.take() else {
            return;
        };
        let (due, rest): (Vec<_>, Vec<_>) = mem::take(&mut held.events)
            .into_iter()
            .partition(|event| event.channel() == Some(channel));
        for event in &due {
            held.bytes -= event.size(DialectId::Stream).unwrap_or(0);
            if let Some(frame) = event.frame(DialectId::Stream) {
                state.push(self.format, frame, out);
            }
        }
        if !rest.is_empty() {
            held.events = rest;
            state.held = Some(held);
        }
    }

    /// Holds a live event back that is not stored.
    fn hold(&self, state: &mut PositionsState, broadcast: &Arc<Broadcast>) {
        let held = state.held.get_or_insert_default();
        if held.bytes <= self.max_held {
            held.bytes += broadcast.size(DialectId::Stream).unwrap_or(0);
            held.events.push(Arc::clone(broadcast));
        }
    }

    /// Whether more bytes would have to be held back than may be.
    pub(super) fn is_overfull(&self) -> bool {
        let state = self.state.lock();
        state
            .held
            .as_ref()
            .is_some_and(|held| held.bytes > self.max_held)
    }
}

impl EventRenderer for Positions {
    fn render(&self, broadcast: &Arc<Broadcast>, out: &mut Vec<u8>) -> u64 {
        let mut state = self.state.lock();
        let Some(channel) = broadcast.channel() else {
            return 0;
        };
        // A channel that the user follows since the stream began, or one too many, has no position.
        let position = state.find(channel);
        if broadcast.is_batch() {
            let known = position.and_then(|position| position.version);
            let mut events = 0;
            for (change, frame) in broadcast.changes(DialectId::Stream) {
                if change.is_for(self.id, known) {
                    state.push(self.format, frame, out);
                    events += 1;
                }
            }
            return events;
        }
        if let Some(position) = position
            && !position.passes(broadcast)
        {
            if position.is_behind && broadcast.serial().is_none() {
                self.hold(&mut state, broadcast);
            }
            return 0;
        }
        let Some(frame) = broadcast.frame(DialectId::Stream) else {
            return 0;
        };
        state.push(self.format, frame, out);
        1
    }
}
