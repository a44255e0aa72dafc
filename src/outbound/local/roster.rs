//! The connections of a single node, as its hub holds them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::core::error::BusError;
use crate::core::hub::Hub;
use crate::core::model::{
    AppIdent, ChannelName, Occupancy, OccupiedChannel, ServerEvent, SocketId, SocketInfo, UserId,
};
use crate::core::ports::{
    BusMessage, NodeQuery, NodeReports, OccupancyChange, OccupancyUpdate, Online, Roster,
};
use crate::outbound::local::LocalBus;

/// The roster of a single node. A change is queued on the bus under the same lock, so that both have
/// the same order.
pub struct LocalRoster {
    hub: Arc<Hub>,
    bus: Arc<LocalBus>,
    state: Mutex<RosterState>,
}

#[derive(Default)]
struct RosterState {
    /// Increases with every user that signs in or out.
    version: u64,
    /// The channels that were occupied at their last recount.
    occupied: HashMap<AppIdent, HashSet<ChannelName>>,
    /// The signed-in users and their connections.
    users: HashMap<AppIdent, HashMap<UserId, Vec<SocketId>>>,
}

impl LocalRoster {
    /// Over the connections of `hub`; publishes changes on `bus`.
    pub fn new(hub: Arc<Hub>, bus: Arc<LocalBus>) -> Self {
        Self {
            hub,
            bus,
            state: Mutex::default(),
        }
    }
}

impl RosterState {
    fn set_occupied(
        &mut self,
        app: &AppIdent,
        channel: &ChannelName,
        is_occupied: bool,
    ) -> Option<OccupancyChange> {
        if is_occupied {
            let occupied = match self.occupied.get_mut(app) {
                Some(occupied) => occupied,
                None => self.occupied.entry(app.clone()).or_default(),
            };
            return occupied
                .insert(channel.clone())
                .then_some(OccupancyChange::Occupied);
        }
        let occupied = self.occupied.get_mut(app)?;
        let vacated = occupied.remove(channel).then_some(OccupancyChange::Vacated);
        if occupied.is_empty() {
            self.occupied.remove(app);
        }
        vacated
    }
}

#[async_trait]
impl Roster for LocalRoster {
    async fn ask_nodes(
        &self,
        _query: &NodeQuery,
        _within: Duration,
    ) -> Result<NodeReports, BusError> {
        Ok(NodeReports::default())
    }

    async fn sockets(
        &self,
        app: &AppIdent,
        after: Option<SocketId>,
        limit: usize,
    ) -> Result<Vec<SocketInfo>, BusError> {
        Ok(self
            .hub
            .app(app)
            .map_or_else(Vec::new, |hub| hub.sockets(after, limit)))
    }

    async fn socket(&self, app: &AppIdent, id: SocketId) -> Result<Option<SocketInfo>, BusError> {
        Ok(self.hub.app(app).and_then(|hub| hub.socket(id)))
    }

    async fn channels(
        &self,
        app: &AppIdent,
        prefix: &str,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<OccupiedChannel>, BusError> {
        Ok(self
            .hub
            .app(app)
            .map_or_else(Vec::new, |hub| hub.channels(prefix, after, limit)))
    }

    async fn occupancy(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Occupancy, BusError> {
        Ok(self
            .hub
            .app(app)
            .map_or(Occupancy::default(), |hub| hub.occupancy(channel)))
    }

    async fn recount(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        announce: bool,
    ) -> Result<OccupancyUpdate, BusError> {
        let (update, lane) = {
            let mut state = self.state.lock();
            // Read under the lock, so that a later recount never uses an older number.
            let subscriptions = self
                .hub
                .app(app)
                .map_or(0, |hub| hub.occupancy(channel).subscriptions);
            let change = state.set_occupied(app, channel, subscriptions > 0);
            let message = || BusMessage::Broadcast {
                app: app.clone(),
                event: ServerEvent::SubscriptionCount {
                    channel: channel.clone(),
                    count: subscriptions,
                },
                exclude: None,
                version: None,
            };
            let lane = (announce && subscriptions > 0).then(|| self.bus.enqueue(message()));
            (
                OccupancyUpdate {
                    subscriptions,
                    change,
                },
                lane,
            )
        };
        if let Some(lane) = lane {
            self.bus.drain(lane);
        }
        Ok(update)
    }

    async fn sign_in(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError> {
        let lane = {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            let sockets = state
                .users
                .entry(app.clone())
                .or_default()
                .entry(user.clone())
                .or_insert_with(|| Vec::with_capacity(1));
            if sockets.contains(&socket) {
                return Ok(());
            }
            sockets.push(socket);
            if sockets.len() > 1 {
                return Ok(());
            }
            state.version += 1;
            let (app, user, version) = (app.clone(), user.clone(), state.version);
            self.bus.enqueue(BusMessage::Broadcast {
                app,
                event: ServerEvent::UserStatus { user, online: true },
                exclude: None,
                version: Some(version),
            })
        };
        self.bus.drain(lane);
        Ok(())
    }

    async fn sign_out(
        &self,
        app: &AppIdent,
        user: &UserId,
        socket: SocketId,
    ) -> Result<(), BusError> {
        let lane = {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            let Some(users) = state.users.get_mut(app) else {
                return Ok(());
            };
            let Some(sockets) = users.get_mut(user) else {
                return Ok(());
            };
            sockets.retain(|known| *known != socket);
            if !sockets.is_empty() {
                return Ok(());
            }
            users.remove(user);
            if users.is_empty() {
                state.users.remove(app);
            }
            state.version += 1;
            let (app, user, version) = (app.clone(), user.clone(), state.version);
            self.bus.enqueue(BusMessage::Broadcast {
                app,
                event: ServerEvent::UserStatus {
                    user,
                    online: false,
                },
                exclude: None,
                version: Some(version),
            })
        };
        self.bus.drain(lane);
        Ok(())
    }

    async fn is_on(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
    ) -> Result<bool, BusError> {
        let hub = self.hub.app(app);
        Ok(hub.is_some_and(|hub| hub.has_user_on(user, channel)))
    }

    async fn online(&self, app: &AppIdent, users: &[UserId]) -> Result<Online, BusError> {
        let state = self.state.lock();
        let known = state.users.get(app);
        let online = users
            .iter()
            .map(|user| known.is_some_and(|known| known.contains_key(user)))
            .collect();
        Ok(Online {
            online,
            version: state.version,
        })
    }
}
