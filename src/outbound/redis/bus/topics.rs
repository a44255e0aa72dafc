//! The topics that this node listens on.

use std::collections::{HashMap, HashSet, VecDeque};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::redis::connection::carrier;

/// Subscriptions that are changed at once.
const BATCH: usize = 500;

/// A subscription that is to be made or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub app: AppIdent,
    /// The channel whose name the topic has.
    pub channel: ChannelName,
    /// Listens from now on; else no more.
    pub listen: bool,
    turn: u64,
}

/// The topics that this node listens on, one for each watched channel that is no peer channel, and for each presence
/// channel with watched peer channels.
#[derive(Default)]
pub struct Topics {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    apps: HashMap<AppIdent, HashMap<ChannelName, Topic>>,
    todo: VecDeque<Change>,
    /// Redis is there.
    up: bool,
    /// Counts the subscriptions that were asked for.
    turn: u64,
}

#[derive(Default)]
struct Topic {
    /// The channel of the same name is watched.
    own: bool,
    /// Watched peer channels.
    peers: HashSet<ChannelName>,
    confirmed: bool,
    turn: u64,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Topics {
    /// Listens for a channel's messages; a receiver answers when Redis has confirmed it, or is away.
    pub fn watch(&self, app: &AppIdent, channel: &ChannelName) -> Option<oneshot::Receiver<()>> {
        let name = carrier(channel);
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let topics = match state.apps.get_mut(app) {
            Some(topics) => topics,
            None => state.apps.entry(app.clone()).or_default(),
        };
        let known = topics.contains_key(&name);
        let topic = topics.entry(name.clone()).or_default();
        if name == *channel {
            topic.own = true;
        } else {
            topic.peers.insert(channel.clone());
        }
        if topic.confirmed || !state.up {
            return None;
        }
        let (confirm, confirmed) = oneshot::channel();
        topic.waiting.push(confirm);
        if !known {
            state.turn += 1;
            topic.turn = state.turn;
            state.todo.push_back(Change {
                app: app.clone(),
                channel: name,
                listen: true,
                turn: state.turn,
            });
            drop(guard);
            self.filled.notify_one();
        }
        Some(confirmed)
    }

    /// Needs a channel's messages no more.
    pub fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        let name = carrier(channel);
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(topics) = state.apps.get_mut(app) else {
            return;
        };
        let Some(topic) = topics.get_mut(&name) else {
            return;
        };
        if name == *channel {
            topic.own = false;
        } else {
            topic.peers.remove(channel);
        }
        if topic.own || !topic.peers.is_empty() {
            return;
        }
        topics.remove(&name);
        if topics.is_empty() {
            state.apps.remove(app);
        }
        if state.up {
            state.todo.push_back(Change {
                app: app.clone(),
                channel: name,
                listen: false,
                turn: 0,
            });
            drop(guard);
            self.filled.notify_one();
        }
    }

    /// Whether messages of a channel are heard, or about to be.
    pub fn hears(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        let name = carrier(channel);
        self.state
            .lock()
            .apps
            .get(app)
            .is_some_and(|topics| topics.contains_key(&name))
    }

    /// Waits until subscriptions are to be changed, and answers which, in order.
    pub async fn next(&self) -> Vec<Change> {
        loop {
            match self.try_next() {
                Some(changes) => return changes,
                None => self.filled.notified().await,
            }
        }
    }

    /// Subscriptions that are to be changed; `None`: none is.
    pub fn try_next(&self) -> Option<Vec<Change>> {
        let mut state = self.state.lock();
        let count = state.todo.len().min(BATCH);
        (count > 0).then(|| state.todo.drain(..count).collect())
    }

    /// Whether Redis has confirmed the topic of this name, and it is not to be let go.
    pub fn is_confirmed(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        self.state
            .lock()
            .apps
            .get(app)
            .and_then(|topics| topics.get(channel))
            .is_some_and(|topic| topic.confirmed)
    }

    /// Redis has confirmed a change.
    pub fn confirmed(&self, change: &Change) {
        let mut state = self.state.lock();
        let topic = state
            .apps
            .get_mut(&change.app)
            .and_then(|topics| topics.get_mut(&change.channel));
        if let Some(topic) = topic.filter(|topic| change.listen && topic.turn == change.turn) {
            topic.confirmed = true;
            for waiting in topic.waiting.drain(..) {
                // Who does not wait any more needs no answer.
                let _ = waiting.send(());
            }
        }
    }

    /// Redis is there: every topic is to be listened on anew; [`Topics::next`] answers them.
    pub fn rise(&self) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.up = true;
        for (app, topics) in &mut state.apps {
            for (channel, topic) in topics {
                state.turn += 1;
                topic.turn = state.turn;
                state.todo.push_back(Change {
                    app: app.clone(),
                    channel: channel.clone(),
                    listen: true,
                    turn: state.turn,
                });
            }
        }
    }

    /// Redis is away: nobody waits for it.
    pub fn fall(&self) {
        let mut state = self.state.lock();
        state.up = false;
        state.todo.clear();
        for topic in state.apps.values_mut().flat_map(HashMap::values_mut) {
            topic.confirmed = false;
            topic.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> AppIdent {
        AppIdent::trusted("a")
    }

    fn name(text: &str) -> ChannelName {
        ChannelName::trusted(text)
    }

    fn todo(topics: &Topics) -> Vec<(String, bool)> {
        topics
            .state
            .lock()
            .todo
            .iter()
            .map(|change| (change.channel.to_string(), change.listen))
            .collect()
    }

    #[tokio::test]
    async fn a_topic_is_asked_for_once_and_confirmed_to_all_who_wait() {
        let topics = Topics::default();
        topics.rise();
        let (one, two) = (
            topics.watch(&app(), &name("c")).unwrap(),
            topics.watch(&app(), &name("c")).unwrap(),
        );
        let changes = topics.next().await;
        assert_eq!(changes.len(), 1);
        topics.confirmed(&changes[0]);
        assert!(one.await.is_ok() && two.await.is_ok());
        assert!(topics.watch(&app(), &name("c")).is_none());
    }

    #[tokio::test]
    async fn what_was_asked_for_before_it_was_let_go_confirms_nothing() {
        let topics = Topics::default();
        topics.rise();
        let _ = topics.watch(&app(), &name("c"));
        let first = topics.next().await;
        topics.unwatch(&app(), &name("c"));
        let waiting = topics.watch(&app(), &name("c")).unwrap();
        assert_eq!(
            todo(&topics),
            [("c".to_owned(), false), ("c".to_owned(), true)]
        );
        topics.confirmed(&first[0]);
        let then = topics.next().await;
        for change in &then {
            topics.confirmed(change);
        }
        assert!(waiting.await.is_ok());
        assert!(then.iter().all(|change| change.turn != first[0].turn));
    }

    #[tokio::test]
    async fn a_presence_topic_is_kept_for_its_peer_channels() {
        let topics = Topics::default();
        topics.rise();
        let _ = topics.watch(&app(), &name("peer-r:a&b"));
        let _ = topics.watch(&app(), &name("presence-r"));
        assert_eq!(todo(&topics), [("presence-r".to_owned(), true)]);
        topics.unwatch(&app(), &name("presence-r"));
        assert!(topics.hears(&app(), &name("peer-r:c&d")));
        topics.unwatch(&app(), &name("peer-r:a&b"));
        assert!(!topics.hears(&app(), &name("presence-r")));
        assert_eq!(
            todo(&topics).last(),
            Some(&("presence-r".to_owned(), false))
        );
    }

    #[tokio::test]
    async fn nobody_waits_while_redis_is_away_and_all_is_asked_for_when_it_is_back() {
        let topics = Topics::default();
        assert!(topics.watch(&app(), &name("c")).is_none());
        topics.rise();
        assert_eq!(todo(&topics).len(), 1);
        let waiting = topics.watch(&app(), &name("c")).unwrap();
        topics.fall();
        assert!(waiting.await.is_err(), "let go, not confirmed");
        assert_eq!(todo(&topics), []);
    }
}
