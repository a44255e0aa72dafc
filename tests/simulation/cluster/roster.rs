//! The counts of channels over all nodes.

use std::time::Duration;

use async_trait::async_trait;
use pushi::core::error::BusError;
use pushi::core::model::{
    AppIdent, ChannelName, Occupancy, OccupiedChannel, SocketId, SocketInfo, UserId,
};
use pushi::core::ports::{
    NodeQuery, NodeReports, OccupancyChange, OccupancyUpdate, Online, Roster,
};

use super::link::unavailable;
use super::shared::Key;
use super::{Link, State};

impl Link {
    fn subscriptions(&self, key: &Key) -> u64 {
        let hub = self.hub.get().and_then(std::sync::Weak::upgrade);
        hub.and_then(|hub| hub.app(&key.0))
            .map_or(0, |app| app.occupancy(&key.1).subscriptions)
    }

    /// After a reconnect: counts all channels of this node again.
    pub(super) fn recount_all(&self, cluster: &mut State) {
        for key in cluster.shared.counted(self.node) {
            cluster.shared.count(self.node, &key, 0);
        }
        let Some(hub) = self.hub.get().and_then(std::sync::Weak::upgrade) else {
            return;
        };
        for app in hub.app_idents() {
            let channels = hub
                .app(&app)
                .map_or_else(Vec::new, |of| of.channels("", None, usize::MAX));
            for OccupiedChannel { channel, occupancy } in channels {
                let key = (app.clone(), channel);
                cluster
                    .shared
                    .count(self.node, &key, occupancy.subscriptions);
            }
        }
    }
}

#[async_trait]
impl Roster for Link {
    async fn sockets(
        &self,
        _app: &AppIdent,
        _after: Option<SocketId>,
        _limit: usize,
    ) -> Result<Vec<SocketInfo>, BusError> {
        Ok(Vec::new())
    }

    async fn socket(&self, _app: &AppIdent, _id: SocketId) -> Result<Option<SocketInfo>, BusError> {
        Ok(None)
    }

    async fn channels(
        &self,
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<OccupiedChannel>, BusError> {
        self.delay().await;
        self.cluster
            .command(self.node, |cluster, _| {
                let found = cluster.shared.occupied(app).filter(|channel| {
                    channel.as_str().starts_with(prefix)
                        && after.is_none_or(|after| channel.as_str() > after.as_str())
                });
                let occupied = |channel: &ChannelName| OccupiedChannel {
                    channel: channel.clone(),
                    occupancy: occupancy(cluster, &(app.clone(), channel.clone())),
                };
                found.take(limit).map(occupied).collect()
            })
            .ok_or_else(unavailable)
    }

    async fn occupancy(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Occupancy, BusError> {
        self.delay().await;
        let key = (app.clone(), channel.clone());
        self.cluster
            .command(self.node, |cluster, _| occupancy(cluster, &key))
            .ok_or_else(unavailable)
    }

    async fn recount(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        _announce: bool,
    ) -> Result<OccupancyUpdate, BusError> {
        self.delay().await;
        let key = (app.clone(), channel.clone());
        let counted = self.cluster.command(self.node, |cluster, _| {
            let subscriptions = self.subscriptions(&key);
            cluster.shared.count(self.node, &key, subscriptions)
        });
        let (subscriptions, change) = counted.ok_or_else(unavailable)?;
        self.delay().await;
        Ok(OccupancyUpdate {
            subscriptions,
            change: change.map(|is_occupied| match is_occupied {
                true => OccupancyChange::Occupied,
                false => OccupancyChange::Vacated,
            }),
        })
    }

    async fn sign_in(
        &self,
        _app: &AppIdent,
        _user: &UserId,
        _socket: SocketId,
    ) -> Result<(), BusError> {
        Ok(())
    }

    async fn sign_out(
        &self,
        _app: &AppIdent,
        _user: &UserId,
        _socket: SocketId,
    ) -> Result<(), BusError> {
        Ok(())
    }

    async fn is_on(
        &self,
        _app: &AppIdent,
        _user: &UserId,
        _channel: &ChannelName,
    ) -> Result<bool, BusError> {
        Ok(false)
    }

    async fn online(&self, _app: &AppIdent, users: &[UserId]) -> Result<Online, BusError> {
        Ok(Online {
            online: vec![false; users.len()],
            version: 0,
        })
    }

    async fn ask_nodes(
        &self,
        _query: &NodeQuery,
        _within: Duration,
    ) -> Result<NodeReports, BusError> {
        Ok(NodeReports::default())
    }
}

fn occupancy(cluster: &State, key: &Key) -> Occupancy {
    Occupancy {
        subscriptions: cluster.shared.total(key),
        users: cluster.shared.users(key),
    }
}
