//! A server event for many connections, encoded once per dialect.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::core::model::{ChannelName, Mid, PublishId, ServerEvent, SocketId};
use crate::core::ports::{Dialect, DialectId};

/// The dialects that connections can use, by [`DialectId`].
pub type Dialects = [Arc<dyn Dialect>; DialectId::COUNT];

/// One of several member changes that go out in one broadcast.
#[derive(Debug)]
pub struct MemberChange {
    /// A [`ServerEvent::MemberAdded`] or [`ServerEvent::MemberRemoved`].
    pub event: ServerEvent,
    /// The connection that joined or left; it does not receive the change.
    pub exclude: Option<SocketId>,
    /// The version of the presence channel that the change leads to.
    pub version: Option<u64>,
}

impl MemberChange {
    /// Whether a connection receives the change: it is not excluded, and the change is newer than
    /// `known`, the version of the members that its client has received.
    pub fn is_for(&self, socket: SocketId, known: Option<u64>) -> bool {
        self.exclude != Some(socket) && self.version > known
    }
}

#[derive(Debug)]
enum Content {
    Single {
        event: ServerEvent,
        /// Of the presence channel or of the app's users.
        version: Option<u64>,
    },
    MemberChanges {
        channel: ChannelName,
        changes: Vec<MemberChange>,
    },
}

impl Content {
    fn encode(&self, dialect: &dyn Dialect) -> Option<Encoded> {
        match self {
            Self::Single { event, .. } => dialect.encode(event).map(|frames| Encoded {
                frames,
                ends: Vec::new(),
            }),
            Self::MemberChanges { changes, .. } => {
                let (mut frames, mut ends) = (Vec::new(), Vec::with_capacity(changes.len()));
                for change in changes {
                    frames.extend(dialect.encode(&change.event).into_iter().flatten());
                    ends.push(frames.len());
                }
                Some(Encoded {
                    frames: frames.into(),
                    ends,
                })
            }
        }
    }
}

#[derive(Debug)]
struct Encoded {
    frames: Bytes,
    /// The end of each member change's frame; empty for a single event.
    ends: Vec<usize>,
}

/// A server event, or several member changes of one channel, for many connections. Encoded for the first connection of each
/// dialect, shared by all others.
#[derive(Debug)]
pub struct Broadcast {
    content: Content,
    encoded: [OnceLock<Option<Encoded>>; DialectId::COUNT],
}

impl Broadcast {
    /// A single event. `version` is the one that a member change or a user's status leads to.
    pub fn new(event: ServerEvent, version: Option<u64>) -> Self {
        Self::of(Content::Single { event, version })
    }

    /// Several member changes of one presence channel, in their order.
    pub fn member_changes(channel: ChannelName, changes: Vec<MemberChange>) -> Self {
        Self::of(Content::MemberChanges { channel, changes })
    }

    fn of(content: Content) -> Self {
        Self {
            content,
            encoded: Default::default(),
        }
    }

    fn event(&self) -> Option<&ServerEvent> {
        match &self.content {
            Content::Single { event, .. } => Some(event),
            Content::MemberChanges { .. } => None,
        }
    }

    /// The number of frames that it is encoded as.
    pub fn frame_count(&self) -> u64 {
        match &self.content {
            Content::Single { .. } => 1,
            Content::MemberChanges { changes, .. } => changes.len() as u64,
        }
    }

    /// Encodes it for one dialect, unless that is done.
    pub fn encode(&self, id: DialectId, dialects: &Dialects) {
        self.encoded[id as usize].get_or_init(|| self.content.encode(&*dialects[id as usize]));
    }

    /// The member changes, each with its frame; empty for a single event.
    pub fn changes(&self, id: DialectId) -> impl Iterator<Item = (&MemberChange, &[u8])> {
        let changes: &[MemberChange] = match &self.content {
            Content::MemberChanges { changes, .. } => changes,
            Content::Single { .. } => &[],
        };
        let encoded = self.encoded[id as usize].get().and_then(Option::as_ref);
        let mut begin = 0;
        encoded
            .into_iter()
            .flat_map(|encoded| {
                changes
                    .iter()
                    .zip(&encoded.ends)
                    .map(|(change, end)| (change, *end, &encoded.frames))
            })
            .map(move |(change, end, frames)| {
                let frame = frames.get(begin..end).unwrap_or_default();
                begin = end;
                (change, frame)
            })
    }

    /// Whether it carries several member changes, from which each connection receives those that are new to it.
    pub fn is_batch(&self) -> bool {
        matches!(self.content, Content::MemberChanges { .. })
    }

    /// The encoded frame, or all frames of a batch; `None` where the dialect has no frame for it.
    pub fn frame(&self, id: DialectId) -> Option<&Bytes> {
        self.encoded[id as usize]
            .get()
            .and_then(Option::as_ref)
            .map(|encoded| &encoded.frames)
    }

    /// Bytes of [`Broadcast::frame`].
    pub fn size(&self, id: DialectId) -> Option<usize> {
        self.frame(id).map(Bytes::len)
    }

    /// Whether every subscriber of its channel receives it, whatever it has received before.
    pub fn is_unfiltered(&self) -> bool {
        matches!(self.event(), Some(ServerEvent::Published { event, .. }) if event.publish.is_none())
    }

    /// The channel that it belongs to; `None` for a user's status.
    pub fn channel(&self) -> Option<&ChannelName> {
        match &self.content {
            Content::Single { event, .. } => event.channel(),
            Content::MemberChanges { channel, .. } => Some(channel),
        }
    }

    /// The id of a published event.
    pub fn mid(&self) -> Option<&Mid> {
        match self.event()? {
            ServerEvent::Published { event, .. } => Some(&event.mid),
            _ => None,
        }
    }

    /// The serial of a persisted event.
    pub fn serial(&self) -> Option<u64> {
        match self.event()? {
            ServerEvent::Published { position, .. } => position.map(|position| position.serial),
            _ => None,
        }
    }

    /// The version of the presence channel that a single member change leads to.
    pub fn presence_version(&self) -> Option<u64> {
        match &self.content {
            Content::Single { event, version } if event.is_member_change() => *version,
            _ => None,
        }
    }

    /// The version of the app's signed-in users that a user's status leads to.
    pub fn users_version(&self) -> Option<u64> {
        match &self.content {
            Content::Single {
                event: ServerEvent::UserStatus { .. },
                version,
            } => *version,
            _ => None,
        }
    }

    /// The id that the copies of one publish to several channels share.
    pub fn publish(&self) -> Option<&PublishId> {
        match self.event()? {
            ServerEvent::Published { event, .. } => event.publish.as_ref(),
            _ => None,
        }
    }
}
