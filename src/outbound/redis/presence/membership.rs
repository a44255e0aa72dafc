//! Adding connections to a presence channel, and removing them.
//!
//! The scripts of an incarnation may be in flight when the next one begins, which reasserts what the
//! replica holds at that moment. Therefore both operations check at the end whether a later
//! incarnation has been registered, and repeat for it.

use std::sync::Arc;
use std::time::Duration;

use super::RedisPresence;
use super::calls::JoinReply;
use super::members::PresenceChange;
use super::replica::{ChannelReplica, LocalMember, PublishedChange};
use crate::core::model::{AppIdent, ChannelName, Member, SocketId, UserId};
use crate::outbound::redis::connection::Disconnected;
use crate::outbound::redis::node::{ChannelUse, Incarnation};

/// How long a change that Redis has published may be in flight; after that the list is read again.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// The result of adding a connection.
pub(crate) struct AddedConnection {
    pub(super) replica: Arc<ChannelReplica>,
    /// Whether it is the first connection of its user.
    pub new: bool,
}

impl RedisPresence {
    /// Adds a connection of a user, in Redis or, while that is disconnected, to the replica only.
    /// `None`: the user is new and there are `max` users (0: no limit).
    pub(crate) async fn add_connection(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        member: Member,
        max: u64,
    ) -> Option<AddedConnection> {
        let local = LocalMember {
            socket,
            member,
            stamp: None,
        };
        let user = &local.member.user_id;
        loop {
            let incarnation = self.node.incarnation();
            if let Some(incarnation) = &incarnation {
                // Before the connection is in the replica: synchronization reasserts everything in
                // it, without the limit.
                let (replica, ()) = self.replicas.with(app, channel, |_| ());
                let _ = self.synchronize(incarnation, &replica).await;
            }
            let (replica, ()) = self.replicas.with(app, channel, |replica| {
                replica.add_local(socket, &local.member);
            });
            let result = match &incarnation {
                Some(incarnation) => self.join_in_redis(incarnation, &replica, &local, max).await,
                None => Err(Disconnected),
            };
            let new = result.unwrap_or_else(|Disconnected| {
                replica.join_offline(socket, &local.member, max, &*self.node.sink())
            });
            if new.is_none() {
                replica.remove_local(socket, user);
            }
            // A later incarnation may have reasserted the replica before or after this change.
            if !self.node.has_later_incarnation(incarnation.as_deref()) {
                self.remove_unused(&replica);
                return new.map(|new| AddedConnection { replica, new });
            }
            if new.is_none() {
                self.remove_from_all(&replica, socket, user, incarnation)
                    .await;
                return None;
            }
        }
    }

    async fn join_in_redis(
        &self,
        incarnation: &Incarnation,
        replica: &Arc<ChannelReplica>,
        local: &LocalMember,
        max: u64,
    ) -> Result<Option<bool>, Disconnected> {
        incarnation
            .register(&replica.app, &replica.channel, ChannelUse::Members)
            .await?;
        match self.call_join(incarnation, replica, local, max).await? {
            JoinReply::Full => Ok(None),
            JoinReply::Present {
                version,
                stamp,
                elsewhere,
                new,
            } => {
                let user = &local.member.user_id;
                replica.set_stamp(local.socket, user, stamp, elsewhere);
                if replica.is_watched() {
                    self.synchronize(incarnation, replica).await?;
                    if new {
                        // The content of the published change is known here: if it is the next
                        // version, there is no need to wait for it.
                        let published = PublishedChange {
                            change: PresenceChange::Joined,
                            version,
                            joined: version,
                            member: local.member.clone(),
                            socket: local.socket,
                            was_empty: false,
                            evicted_self: false,
                        };
                        replica.apply_own(published, &*self.node.sink());
                    }
                    self.wait_for_version(incarnation, replica, version).await?;
                }
                Ok(Some(new))
            }
        }
    }

    /// Removes a connection of a user; returns whether it was the user's last.
    pub(crate) async fn remove_connection(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        socket: SocketId,
        user: &UserId,
    ) -> bool {
        let Some(replica) = self.replicas.find(app, channel.as_str()) else {
            return false;
        };
        match replica.remove_local(socket, user) {
            Some(()) => self.remove_from_all(&replica, socket, user, None).await,
            None => false,
        }
    }

    /// Removes a connection that the replica does not hold any more from Redis, or from the replica's
    /// members while Redis is disconnected. Repeats for every incarnation later than `handled`, which
    /// may have reasserted the connection.
    async fn remove_from_all(
        &self,
        replica: &Arc<ChannelReplica>,
        socket: SocketId,
        user: &UserId,
        mut handled: Option<Arc<Incarnation>>,
    ) -> bool {
        let mut last = false;
        loop {
            let incarnation = self
                .node
                .incarnation()
                .filter(|_| self.node.has_later_incarnation(handled.as_deref()));
            let removed = match &incarnation {
                Some(incarnation) => {
                    self.leave_in_redis(incarnation, replica, socket, user)
                        .await
                }
                None => Err(Disconnected),
            };
            last |= removed.unwrap_or_else(|Disconnected| {
                replica.leave_offline(socket, user, &*self.node.sink())
            });
            if !self
                .node
                .has_later_incarnation(incarnation.as_deref().or(handled.as_deref()))
            {
                break;
            }
            handled = incarnation.or(handled);
        }
        self.remove_unused(replica);
        last
    }

    async fn leave_in_redis(
        &self,
        incarnation: &Incarnation,
        replica: &Arc<ChannelReplica>,
        socket: SocketId,
        user: &UserId,
    ) -> Result<bool, Disconnected> {
        let (version, last) = self.call_leave(incarnation, replica, socket, user).await?;
        self.wait_for_version(incarnation, replica, version).await?;
        Ok(last)
    }

    /// Waits until a replica has reached a version that Redis has published.
    async fn wait_for_version(
        &self,
        incarnation: &Incarnation,
        replica: &Arc<ChannelReplica>,
        version: u64,
    ) -> Result<(), Disconnected> {
        loop {
            let changed = replica.version_changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !replica.is_watched() || replica.has_reached(version) {
                return Ok(());
            }
            if tokio::time::timeout(MAX_DELAY, changed).await.is_err() {
                return self.reread(incarnation, replica).await;
            }
        }
    }
}
