//! Anti-entropy between the replicas and Redis.
//!
//! The members of a channel are a replicated set with leases. A new incarnation synchronizes every
//! replica once: it reasserts the node's own members, evicts those of its former incarnations, and
//! reads the list. After that a replica is read again only when a published change is missing, or
//! when it holds unconfirmed members. Unconfirmed is a member that Redis does not have while the
//! cluster is not stable: after Redis has lost its data, another node may be about to reassert it.
//! Once every node has had the time of a lease, a member that is still missing has left.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::RedisPresence;
use super::calls::JoinReply;
use super::replica::{ChannelReplica, LocalMember, ReconcileOutcome};
use super::snapshot::MemberSnapshot;
use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::redis::connection::Disconnected;
use crate::outbound::redis::node::{ChannelUse, Incarnation};

/// Connections reasserted per round trip.
const PAGE: usize = 200;

/// Replicas synchronized concurrently.
const CONCURRENCY: usize = 8;

/// Interval at which replicas with unconfirmed members are read again.
const RECHECK_INTERVAL: Duration = Duration::from_millis(500);

impl RedisPresence {
    /// Synchronizes a replica with Redis, unless that has been done in this incarnation.
    pub(super) async fn synchronize(
        &self,
        incarnation: &Incarnation,
        replica: &Arc<ChannelReplica>,
    ) -> Result<(), Disconnected> {
        let number = incarnation.connections.number;
        if replica.synchronized_in() == number {
            return Ok(());
        }
        let _guard = replica.sync_lock.lock().await;
        if replica.synchronized_in() == number {
            return Ok(());
        }
        let local = replica.local_members();
        if !local.is_empty() {
            incarnation
                .register(&replica.app, &replica.channel, ChannelUse::Members)
                .await?;
            self.reassert(incarnation, replica, local).await?;
        }
        for former in &incarnation.former {
            incarnation
                .evict(self.node.names(), &replica.app, &replica.channel, former)
                .await?;
        }
        if replica.is_watched() {
            self.read_into(incarnation, replica).await
        } else {
            replica.set_synchronized(number);
            Ok(())
        }
    }

    /// Synchronizes every replica, after Redis was unavailable.
    pub(super) async fn synchronize_all(
        &self,
        incarnation: &Incarnation,
    ) -> Result<(), Disconnected> {
        let mut synchronizing = stream::iter(self.replicas.all())
            .map(|replica| async move { self.synchronize(incarnation, &replica).await })
            .buffer_unordered(CONCURRENCY);
        while let Some(synchronized) = synchronizing.next().await {
            synchronized?;
        }
        Ok(())
    }

    /// Reads the list of a replica again, after a published change was missed.
    pub(super) async fn reread(
        &self,
        incarnation: &Incarnation,
        replica: &Arc<ChannelReplica>,
    ) -> Result<(), Disconnected> {
        let _guard = replica.sync_lock.lock().await;
        if replica.is_watched() {
            self.read_into(incarnation, replica).await
        } else {
            Ok(())
        }
    }

    async fn read_into(
        &self,
        incarnation: &Incarnation,
        replica: &Arc<ChannelReplica>,
    ) -> Result<(), Disconnected> {
        let snapshot = self
            .read_snapshot(incarnation, &replica.app, &replica.channel)
            .await?;
        let outcome = replica.reconcile(
            incarnation.connections.number,
            snapshot,
            incarnation.is_stable(),
            &*self.node.sink(),
        );
        match outcome {
            ReconcileOutcome::InSync => {}
            ReconcileOutcome::ReadAgain => self.replicas.add_stale(replica),
            ReconcileOutcome::Unconfirmed => self.replicas.add_unconfirmed(replica),
        }
        Ok(())
    }

    /// Adds this node's connections to the list in Redis again.
    async fn reassert(
        &self,
        incarnation: &Incarnation,
        replica: &ChannelReplica,
        mut local: Vec<LocalMember>,
    ) -> Result<(), Disconnected> {
        local.sort_by_key(|local| local.stamp.unwrap_or(u64::MAX));
        let server = self.server_of(replica, incarnation);
        for page in local.chunks(PAGE) {
            let mut pipeline = redis::pipe();
            for local in page {
                let joined = replica
                    .joined(&local.member.user_id)
                    .map(|joined| joined.to_string())
                    .unwrap_or_default();
                self.add_join(&mut pipeline, incarnation, replica, local, 0, &joined);
            }
            let replies = incarnation.connections.send(server, &pipeline).await?;
            for (local, reply) in page.iter().zip(&replies) {
                let (socket, user) = (local.socket, &local.member.user_id);
                match JoinReply::parse(reply) {
                    Some(JoinReply::Present {
                        stamp, elsewhere, ..
                    }) => replica.set_stamp(socket, user, stamp, elsewhere),
                    _ => return Err(incarnation.fail_expired()),
                }
                // The connection left while the call was in flight.
                if !replica.has_local(socket, user) {
                    self.call_leave(incarnation, replica, socket, user).await?;
                }
            }
        }
        Ok(())
    }

    /// Reads the members of a channel from Redis.
    pub(super) async fn read_snapshot(
        &self,
        incarnation: &Incarnation,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<MemberSnapshot, Disconnected> {
        let list = self.node.names().list_key(app, channel);
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME").cmd("HGETALL").arg(&list);
        let connections = &incarnation.connections;
        let replies = connections
            .send(connections.server_of(&list), &pipeline)
            .await?;
        MemberSnapshot::parse(&replies).ok_or_else(|| incarnation.fail_expired())
    }

    /// Reads stale replicas again, and unconfirmed ones once the cluster is stable, until the
    /// connections are lost.
    pub(super) async fn refresh_replicas(
        &self,
        incarnation: &Incarnation,
    ) -> Result<(), Disconnected> {
        loop {
            while let Some(replica) = self.replicas.take_stale() {
                self.reread(incarnation, &replica).await?;
            }
            let added = self.replicas.stale_added.notified();
            if tokio::time::timeout(RECHECK_INTERVAL, added).await.is_err()
                && incarnation.is_stable()
            {
                for replica in self.replicas.take_unconfirmed() {
                    self.reread(incarnation, &replica).await?;
                }
            }
        }
    }
}
