//! The presence channels of several nodes.
//!
//! The members of a channel are a replicated set with leases and anti-entropy. Redis holds the
//! primary copy: scripts change it and publish the change in one step, with a version that increases
//! by one. Each node that watches a channel holds a replica ([`ChannelReplica`]), the list of which
//! its clients have been notified, and applies the published changes in the order of their versions.
//! Where a version is missing, anti-entropy (`sync.rs`) reads the list again and notifies clients of
//! the differences, so clients receive every real change exactly once. A member lives as long as the
//! lease of the node that holds its connection; while Redis is unavailable a node continues on its
//! replica, and afterwards reasserts its own members.

mod calls;
mod members;
mod membership;
mod replica;
mod replicas;
mod snapshot;
mod sync;

use std::sync::Arc;

use async_trait::async_trait;

use self::members::PresenceChange;
use self::membership::AddedConnection;
use self::replica::{ChannelReplica, NO_SOCKET, PublishedChange};
use self::replicas::ChannelReplicas;
use crate::core::error::BusError;
use crate::core::member_list::MemberList;
use crate::core::model::{AppIdent, ChannelName, Member, SocketId, UserId};
use crate::core::ports::{Joined, PresenceStore};
use crate::outbound::redis::connection::{Disconnected, MemberChangeBody, MessageBody};
use crate::outbound::redis::node::{Incarnation, NodeTasks, ReceivedMessage, Receiver, RedisNode};

pub(super) use self::replica::SIGNED_IN_USERS;

/// The presence channels of several nodes.
pub(super) struct RedisPresence {
    node: Arc<RedisNode>,
    replicas: ChannelReplicas,
}

impl RedisPresence {
    /// Over the connections of a node.
    pub(super) fn new(node: Arc<RedisNode>) -> Self {
        Self {
            node,
            replicas: ChannelReplicas::default(),
        }
    }

    /// Subscribes to the changes of a channel, and starts its replica.
    pub(super) async fn watch(&self, app: &AppIdent, channel: &ChannelName) {
        self.node.watch(app, channel).await;
        let (replica, ()) = self
            .replicas
            .with(app, channel, |replica| replica.set_watched(true));
        if let Some(incarnation) = self.node.incarnation() {
            // An error: Redis was disconnected. The next incarnation synchronizes the replica.
            let _ = self.synchronize(&incarnation, &replica).await;
        }
    }

    /// Ends [`RedisPresence::watch`].
    pub(super) fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        self.node.unwatch(app, channel);
        if let Some(replica) = self.replicas.find(app, channel.as_str()) {
            replica.set_watched(false);
            self.remove_unused(&replica);
        }
    }

    /// Whether each of the users is on a watched channel, and the version up to which local clients
    /// have been notified.
    pub(super) fn contains(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        users: &[UserId],
    ) -> (Vec<bool>, u64) {
        self.replicas.find(app, channel.as_str()).map_or_else(
            || (vec![false; users.len()], 0),
            |replica| replica.contains(users),
        )
    }

    /// Drops a replica that is not needed, and the channel from the incarnation's index.
    fn remove_unused(&self, replica: &ChannelReplica) {
        self.replicas
            .remove_unused(replica, || self.node.incarnation());
    }

    fn apply_published(&self, app: &AppIdent, channel: &ChannelName, body: &MemberChangeBody<'_>) {
        let Some(replica) = self.replicas.find(app, channel.as_str()) else {
            return;
        };
        let change = match &*body.kind {
            "+" => PresenceChange::Joined,
            "-" => PresenceChange::Left,
            "=" => PresenceChange::Replaced,
            _ => PresenceChange::Updated,
        };
        let (Some(member), Ok(version), Ok(joined)) =
            (body.member(), body.version.parse(), body.joined.parse())
        else {
            return;
        };
        let is_own = |incarnation: &str| {
            incarnation
                .split('.')
                .next()
                .is_some_and(|process| process.parse() == Ok(self.node.process()))
        };
        let published = PublishedChange {
            change,
            version,
            joined,
            member,
            socket: body.socket().unwrap_or(NO_SOCKET),
            was_empty: body.was_empty,
            evicted_self: body.evicted.as_deref().is_some_and(is_own),
        };
        if replica.apply_published(published, &*self.node.sink()) {
            self.replicas.add_stale(&replica);
        }
    }
}

#[async_trait]
impl Receiver for RedisPresence {
    async fn on_connected(
        self: Arc<Self>,
        incarnation: &Arc<Incarnation>,
        tasks: &mut NodeTasks,
    ) -> Result<(), Disconnected> {
        let (presence, refreshed) = (Arc::clone(&self), Arc::clone(incarnation));
        tasks.spawn(async move { presence.refresh_replicas(&refreshed).await });
        self.synchronize_all(incarnation).await
    }

    fn on_disconnected(&self) {
        for replica in self.replicas.all() {
            replica.disconnected();
        }
    }

    fn on_message(&self, received: &ReceivedMessage<'_>) {
        if let MessageBody::MemberChange(body) = &received.message.body
            && let Some((app, channel)) = self.node.names().parse_topic(received.topic)
        {
            self.apply_published(&app, &channel, body);
        }
    }
}

#[async_trait]
impl PresenceStore for RedisPresence {
    async fn join(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        member: Member,
        max: u64,
    ) -> Result<Option<Joined>, BusError> {
        let added = self.add_connection(app, channel, socket, member, max).await;
        let Some(AddedConnection { replica, new }) = added else {
            return Ok(None);
        };
        if let (Some(incarnation), false) = (self.node.incarnation(), replica.is_watched()) {
            // No changes are received for a channel that is not watched: version 0.
            if let Ok(snapshot) = self.read_snapshot(&incarnation, app, channel).await {
                return Ok(Some(Joined {
                    members: snapshot.into_members(),
                    version: 0,
                    new,
                }));
            }
        }
        let (members, version) = replica.members();
        Ok(Some(Joined {
            members,
            version,
            new,
        }))
    }

    async fn leave(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) -> Result<bool, BusError> {
        Ok(self.remove_connection(app, channel, socket, user).await)
    }

    async fn members(&self, app: &AppIdent, channel: &ChannelName) -> Result<MemberList, BusError> {
        let replica = self.replicas.find(app, channel.as_str());
        match (self.node.incarnation(), replica) {
            (Some(incarnation), Some(replica)) if replica.is_watched() => {
                let _ = self.synchronize(&incarnation, &replica).await;
                Ok(replica.members().0)
            }
            (Some(incarnation), _) => {
                let snapshot = self
                    .read_snapshot(&incarnation, app, channel)
                    .await
                    .map_err(|disconnected| BusError(disconnected.into()))?;
                Ok(snapshot.into_members())
            }
            (None, Some(replica)) => Ok(replica.members().0),
            (None, None) => Err(BusError(Disconnected.into())),
        }
    }

    fn is_peer(&self, app: &AppIdent, channel: &str, user: &str) -> bool {
        self.replicas
            .find(app, channel)
            .is_some_and(|replica| replica.is_peer(user))
    }
}
