//! All presence channels of this node.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::replica::ChannelReplica;
use crate::core::model::{AppIdent, ChannelName, UserId};
use crate::outbound::redis::connection::Names;
use crate::outbound::redis::node::{Incarnation, Use};

/// All presence channels of this node that it watches or has connections on.
pub struct ChannelReplicas {
    pub(super) names: Names,
    boards: Mutex<HashMap<AppIdent, HashMap<ChannelName, Arc<ChannelReplica>>>>,
    life: RwLock<Option<Arc<Incarnation>>>,
    pub(super) tells: AtomicU64,
    /// Boards whose list must be read again.
    stale: Mutex<VecDeque<Arc<ChannelReplica>>>,
    pub(super) grown_stale: Notify,
    /// Boards that must be looked at again when nodes have had time to say what they have.
    doubtful: Mutex<Vec<Arc<ChannelReplica>>>,
}

impl ChannelReplicas {
    /// None yet.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            boards: Mutex::default(),
            life: RwLock::new(None),
            tells: AtomicU64::new(0),
            stale: Mutex::default(),
            grown_stale: Notify::new(),
            doubtful: Mutex::default(),
        }
    }

    /// The life in which Redis can be asked; `None`: it is away.
    pub(in crate::outbound::redis) fn life(&self) -> Option<Arc<Incarnation>> {
        self.life.read().clone()
    }

    /// Whether a life has begun after `seen`.
    pub(super) fn is_later(&self, seen: Option<&Incarnation>) -> bool {
        let seen = seen.map_or(0, |life| life.session.number);
        self.life
            .read()
            .as_ref()
            .is_some_and(|life| life.session.number > seen)
    }

    pub(super) fn set_life(&self, life: Option<Arc<Incarnation>>) {
        *self.life.write() = life;
    }

    pub(super) fn find(&self, app: &AppIdent, channel: &str) -> Option<Arc<ChannelReplica>> {
        self.boards.lock().get(app)?.get(channel).cloned()
    }

    /// Does something with a channel's board, which is there afterwards. Under the lock, so that nobody drops it between.
    pub(super) fn with<T>(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        work: impl FnOnce(&ChannelReplica) -> T,
    ) -> (Arc<ChannelReplica>, T) {
        let mut boards = self.boards.lock();
        let channels = match boards.get_mut(app) {
            Some(channels) => channels,
            None => boards.entry(app.clone()).or_default(),
        };
        let board = match channels.get(channel) {
            Some(board) => Arc::clone(board),
            None => {
                let board = Arc::new(ChannelReplica::new(app, channel));
                channels.insert(channel.clone(), Arc::clone(&board));
                board
            }
        };
        let done = work(&board);
        (board, done)
    }

    /// Drops a board that nothing needs. `true`: it is gone.
    pub(super) fn tidy(&self, board: &ChannelReplica) -> bool {
        let mut boards = self.boards.lock();
        let Some(channels) = boards.get_mut(&board.app) else {
            return false;
        };
        if !channels
            .get(&board.channel)
            .is_some_and(|known| known.is_unused())
        {
            return false;
        }
        channels.remove(&board.channel);
        if let Some(life) = self.life() {
            life.forget(&board.app, &board.channel, Use::List);
        }
        if channels.is_empty() {
            boards.remove(&board.app);
        }
        true
    }

    /// Which of the users are on a list that is watched, as far as this node has heard, and up to where its clients were told.
    pub(in crate::outbound::redis) fn has(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
        users: &[UserId],
    ) -> (Vec<bool>, u64) {
        self.find(app, channel.as_str())
            .map_or_else(|| (vec![false; users.len()], 0), |board| board.has(users))
    }

    pub(super) fn all(&self) -> Vec<Arc<ChannelReplica>> {
        self.boards
            .lock()
            .values()
            .flat_map(HashMap::values)
            .cloned()
            .collect()
    }

    pub(super) fn note_stale(&self, board: &Arc<ChannelReplica>) {
        let mut stale = self.stale.lock();
        if !stale.iter().any(|known| Arc::ptr_eq(known, board)) {
            stale.push_back(Arc::clone(board));
        }
        drop(stale);
        self.grown_stale.notify_one();
    }

    pub(super) fn take_stale(&self) -> Option<Arc<ChannelReplica>> {
        self.stale.lock().pop_front()
    }

    pub(super) fn note_doubtful(&self, board: &Arc<ChannelReplica>) {
        self.doubtful.lock().push(Arc::clone(board));
    }

    pub(super) fn take_doubtful(&self) -> Vec<Arc<ChannelReplica>> {
        std::mem::take(&mut *self.doubtful.lock())
    }
}
