//! One notice on its way to many connections, encoded once per dialect.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::core::model::{ChannelName, Member, Mid, NewEvent, Position, PublishId, UserId};
use crate::core::ports::{Dialect, DialectId, Notice};

/// The dialects that connections can speak, by [`DialectId`].
pub type Dialects = [Arc<dyn Dialect>; DialectId::COUNT];

/// What a delivery says.
#[derive(Debug)]
pub enum Content {
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
}

/// One notice on its way to many connections. Encoded at the first connection of each dialect, shared by all others.
#[derive(Debug)]
pub struct Delivery {
    content: Content,
    encoded: [OnceLock<Option<Bytes>>; DialectId::COUNT],
}

impl Delivery {
    /// Wraps what is to be said and encodes it for `dialects` that are needed.
    pub fn new(content: Content) -> Self {
        Self { content, encoded: Default::default() }
    }

    /// Encodes for one dialect, unless that is done.
    pub fn encode(&self, id: DialectId, dialects: &Dialects) {
        self.encoded[id as usize].get_or_init(|| {
            dialects[id as usize].encode(match &self.content {
                Content::Event(event, position) => Notice::Event(event, *position),
                Content::MemberAdded(channel, member, _) => Notice::MemberAdded(channel, member),
                Content::MemberRemoved(channel, member, _) => Notice::MemberRemoved(channel, member),
                Content::Count(channel, count) => Notice::Count(channel, *count),
                Content::UserStatus(user, online, _) => Notice::UserStatus(user, *online),
            })
        });
    }

    /// The encoded frame; `None` where the dialect does not say this.
    pub fn frame(&self, id: DialectId) -> Option<&Bytes> {
        self.encoded[id as usize].get().and_then(Option::as_ref)
    }

    /// Bytes of the encoded frame.
    pub fn size(&self, id: DialectId) -> Option<usize> {
        self.frame(id).map(Bytes::len)
    }

    /// Whether everybody on its channel wants it, whatever they had before.
    pub fn is_plain(&self) -> bool {
        matches!(&self.content, Content::Event(event, _) if event.publish.is_none())
    }

    /// The channel that it is about; `None` where it is about none.
    pub fn channel(&self) -> Option<&ChannelName> {
        match &self.content {
            Content::Event(event, _) => Some(&event.channel),
            Content::MemberAdded(channel, ..) | Content::MemberRemoved(channel, ..) | Content::Count(channel, _) => Some(channel),
            Content::UserStatus(..) => None,
        }
    }

    /// The id, of an event.
    pub fn mid(&self) -> Option<&Mid> {
        match &self.content {
            Content::Event(event, _) => Some(&event.mid),
            _ => None,
        }
    }

    /// The serial, of a persisted event.
    pub fn serial(&self) -> Option<u64> {
        match &self.content {
            Content::Event(_, position) => position.map(|p| p.serial),
            _ => None,
        }
    }

    /// The version of a presence channel that it leads to.
    pub fn presence_version(&self) -> Option<u64> {
        match &self.content {
            Content::MemberAdded(.., version) | Content::MemberRemoved(.., version) => Some(*version),
            _ => None,
        }
    }

    /// The version of the app's users that it leads to.
    pub fn users_version(&self) -> Option<u64> {
        match &self.content {
            Content::UserStatus(.., version) => Some(*version),
            _ => None,
        }
    }

    /// Shared by the copies of one publish to several channels.
    pub fn publish(&self) -> Option<&PublishId> {
        match &self.content {
            Content::Event(event, _) => event.publish.as_ref(),
            _ => None,
        }
    }
}
