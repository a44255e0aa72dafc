//! One notice on its way to many connections, encoded once per dialect.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::core::model::{
    ChannelName, Member, Mid, NewEvent, Position, PublishId, SocketId, UserId,
};
use crate::core::ports::{Dialect, DialectId, Notice};

/// The dialects that connections can speak, by [`DialectId`].
pub type Dialects = [Arc<dyn Dialect>; DialectId::COUNT];

/// What a delivery says.
#[derive(Debug)]
pub enum ServerEvent {
    /// An event was published.
    Event(Arc<NewEvent>, Option<Position>),
    /// A user came to a presence channel, leading to this version of it.
    MemberAdded(ChannelName, Member, u64),
    /// A user left a presence channel, leading to this version of it.
    MemberRemoved(ChannelName, Member, u64),
    /// How many are on a channel now.
    Count(ChannelName, u64),
    /// A user who is watched came or went, leading to this version of the app's users.
    UserStatus(UserId, bool, u64),
    /// Users came to a presence channel, or left it, in this order.
    Several(ChannelName, Vec<MemberChange>),
}

impl ServerEvent {
    /// How many frames it is.
    pub fn frames(&self) -> u64 {
        match self {
            Self::Several(_, parts) => parts.len() as u64,
            _ => 1,
        }
    }

    /// The version of a presence channel that it leads to.
    pub fn presence_version(&self) -> Option<u64> {
        match self {
            Self::MemberAdded(.., version) | Self::MemberRemoved(.., version) => Some(*version),
            _ => None,
        }
    }

    fn encode(&self, dialect: &dyn Dialect) -> Option<Encoded> {
        let notice = match self {
            Self::Event(event, position) => Notice::Event(event, *position),
            Self::MemberAdded(channel, member, _) => Notice::MemberAdded(channel, member),
            Self::MemberRemoved(channel, member, _) => Notice::MemberRemoved(channel, member),
            Self::Count(channel, count) => Notice::Count(channel, *count),
            Self::UserStatus(user, online, _) => Notice::UserStatus(user, *online),
            Self::Several(_, parts) => {
                let (mut frames, mut ends) = (Vec::new(), Vec::with_capacity(parts.len()));
                for part in parts {
                    frames.extend(
                        part.content
                            .encode(dialect)
                            .into_iter()
                            .flat_map(|encoded| encoded.frames),
                    );
                    ends.push(frames.len());
                }
                return Some(Encoded {
                    frames: frames.into(),
                    ends,
                });
            }
        };
        dialect.encode(notice).map(|frame| Encoded {
            frames: frame,
            ends: Vec::new(),
        })
    }
}

#[derive(Debug)]
struct Encoded {
    frames: Bytes,
    /// Where each of several ends.
    ends: Vec<usize>,
}

/// One of several things that are said together.
#[derive(Debug)]
pub struct MemberChange {
    /// What it says.
    pub content: ServerEvent,
    /// The connection that did it; it is not told.
    pub socket: SocketId,
}

impl MemberChange {
    /// Whether a connection is told whose client knows the channel up to this version.
    pub fn is_for(&self, socket: SocketId, known: Option<u64>) -> bool {
        self.socket != socket && self.content.presence_version() > known
    }
}

/// One notice on its way to many connections. Encoded at the first connection of each dialect, shared by all others.
#[derive(Debug)]
pub struct Broadcast {
    content: ServerEvent,
    encoded: [OnceLock<Option<Encoded>>; DialectId::COUNT],
}

impl Broadcast {
    /// Wraps what is to be said and encodes it for `dialects` that are needed.
    pub fn new(content: ServerEvent) -> Self {
        Self {
            content,
            encoded: Default::default(),
        }
    }

    /// Encodes for one dialect, unless that is done.
    pub fn encode(&self, id: DialectId, dialects: &Dialects) {
        self.encoded[id as usize].get_or_init(|| self.content.encode(&*dialects[id as usize]));
    }

    /// What is said together here, each part with its frame; nothing where it is one thing alone.
    pub fn parts(&self, id: DialectId) -> impl Iterator<Item = (&MemberChange, &[u8])> {
        let parts: &[MemberChange] = if let ServerEvent::Several(_, parts) = &self.content {
            parts
        } else {
            &[]
        };
        let encoded = self.encoded[id as usize].get().and_then(Option::as_ref);
        let mut begin = 0;
        encoded
            .into_iter()
            .flat_map(|encoded| {
                parts
                    .iter()
                    .zip(&encoded.ends)
                    .map(|(part, end)| (part, *end, &encoded.frames))
            })
            .map(move |(part, end, frames)| {
                let frame = frames.get(begin..end).unwrap_or_default();
                begin = end;
                (part, frame)
            })
    }

    /// Whether it says several things together, of which not everybody wants each.
    pub fn is_several(&self) -> bool {
        matches!(self.content, ServerEvent::Several(..))
    }

    /// The encoded frame, or the frames of several things; `None` where the dialect does not say this.
    pub fn frame(&self, id: DialectId) -> Option<&Bytes> {
        self.encoded[id as usize]
            .get()
            .and_then(Option::as_ref)
            .map(|encoded| &encoded.frames)
    }

    /// Bytes of the encoded frame.
    pub fn size(&self, id: DialectId) -> Option<usize> {
        self.frame(id).map(Bytes::len)
    }

    /// Whether everybody on its channel wants it, whatever they had before.
    pub fn is_plain(&self) -> bool {
        matches!(&self.content, ServerEvent::Event(event, _) if event.publish.is_none())
    }

    /// The channel that it is about; `None` where it is about none.
    pub fn channel(&self) -> Option<&ChannelName> {
        match &self.content {
            ServerEvent::Event(event, _) => Some(&event.channel),
            ServerEvent::MemberAdded(channel, ..)
            | ServerEvent::MemberRemoved(channel, ..)
            | ServerEvent::Count(channel, _)
            | ServerEvent::Several(channel, _) => Some(channel),
            ServerEvent::UserStatus(..) => None,
        }
    }

    /// The id, of an event.
    pub fn mid(&self) -> Option<&Mid> {
        match &self.content {
            ServerEvent::Event(event, _) => Some(&event.mid),
            _ => None,
        }
    }

    /// The serial, of a persisted event.
    pub fn serial(&self) -> Option<u64> {
        match &self.content {
            ServerEvent::Event(_, position) => position.map(|p| p.serial),
            _ => None,
        }
    }

    /// The version of a presence channel that it leads to.
    pub fn presence_version(&self) -> Option<u64> {
        self.content.presence_version()
    }

    /// The version of the app's users that it leads to.
    pub fn users_version(&self) -> Option<u64> {
        match &self.content {
            ServerEvent::UserStatus(.., version) => Some(*version),
            _ => None,
        }
    }

    /// Shared by the copies of one publish to several channels.
    pub fn publish(&self) -> Option<&PublishId> {
        match &self.content {
            ServerEvent::Event(event, _) => event.publish.as_ref(),
            _ => None,
        }
    }
}
