//! The topics to which this node subscribes.

use std::collections::{HashMap, HashSet, VecDeque};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::redis::connection::topic_channel;

/// Maximum number of changes per round trip.
const BATCH: usize = 500;

/// A topic to subscribe to, or to unsubscribe from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicChange {
    pub app: AppIdent,
    /// The channel of the topic.
    pub channel: ChannelName,
    /// `true`: subscribe, `false`: unsubscribe.
    pub subscribe: bool,
    /// The generation of the subscription that it belongs to.
    generation: u64,
}

/// The topics to which this node subscribes: one for each watched channel that is no peer channel,
/// and for each presence channel with watched peer channels.
#[derive(Default)]
pub(crate) struct TopicSubscriptions {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    apps: HashMap<AppIdent, HashMap<ChannelName, Topic>>,
    pending: VecDeque<TopicChange>,
    connected: bool,
    /// The generation of the newest subscription request.
    generation: u64,
}

#[derive(Default)]
struct Topic {
    /// Whether the channel of the topic itself is watched.
    watched: bool,
    /// The watched peer channels.
    peers: HashSet<ChannelName>,
    /// Whether Redis has confirmed the subscription.
    confirmed: bool,
    generation: u64,
    waiting: Vec<oneshot::Sender<()>>,
}

impl TopicSubscriptions {
    /// Subscribes to the topic of a channel. The receiver resolves when Redis has confirmed it, or
    /// with an error when Redis is disconnected; `None`: there is nothing to wait for.
    pub(crate) fn watch(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Option<oneshot::Receiver<()>> {
        let name = topic_channel(channel);
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let topics = match state.apps.get_mut(app) {
            Some(topics) => topics,
            None => state.apps.entry(app.clone()).or_default(),
        };
        let subscribed = topics.contains_key(&name);
        let topic = topics.entry(name.clone()).or_default();
        if name == *channel {
            topic.watched = true;
        } else {
            topic.peers.insert(channel.clone());
        }
        if topic.confirmed || !state.connected {
            return None;
        }
        let (confirm, confirmed) = oneshot::channel();
        topic.waiting.push(confirm);
        if !subscribed {
            state.generation += 1;
            topic.generation = state.generation;
            state.pending.push_back(TopicChange {
                app: app.clone(),
                channel: name,
                subscribe: true,
                generation: state.generation,
            });
            drop(guard);
            self.filled.notify_one();
        }
        Some(confirmed)
    }

    /// Ends the watch of a channel, and unsubscribes when no other channel uses the topic.
    pub(crate) fn unwatch(&self, app: &AppIdent, channel: &ChannelName) {
        let name = topic_channel(channel);
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(topics) = state.apps.get_mut(app) else {
            return;
        };
        let Some(topic) = topics.get_mut(&name) else {
            return;
        };
        if name == *channel {
            topic.watched = false;
        } else {
            topic.peers.remove(channel);
        }
        if topic.watched || !topic.peers.is_empty() {
            return;
        }
        topics.remove(&name);
        if topics.is_empty() {
            state.apps.remove(app);
        }
        if state.connected {
            state.pending.push_back(TopicChange {
                app: app.clone(),
                channel: name,
                subscribe: false,
                generation: 0,
            });
            drop(guard);
            self.filled.notify_one();
        }
    }

    /// Whether the messages of a channel are received, or a subscription is pending.
    pub(crate) fn is_subscribed(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        let name = topic_channel(channel);
        self.state
            .lock()
            .apps
            .get(app)
            .is_some_and(|topics| topics.contains_key(&name))
    }

    /// Waits for pending changes and takes them, in order.
    pub(crate) async fn next(&self) -> Vec<TopicChange> {
        loop {
            match self.try_next() {
                Some(changes) => return changes,
                None => self.filled.notified().await,
            }
        }
    }

    /// Takes pending changes, in order; `None`: there are none.
    pub(crate) fn try_next(&self) -> Option<Vec<TopicChange>> {
        let mut state = self.state.lock();
        let count = state.pending.len().min(BATCH);
        (count > 0).then(|| state.pending.drain(..count).collect())
    }

    /// Whether the topic of this channel is confirmed, and no unsubscribe is pending.
    pub(crate) fn is_confirmed(&self, app: &AppIdent, channel: &ChannelName) -> bool {
        self.state
            .lock()
            .apps
            .get(app)
            .and_then(|topics| topics.get(channel))
            .is_some_and(|topic| topic.confirmed)
    }

    /// Records that Redis has confirmed a change.
    pub(crate) fn confirm(&self, change: &TopicChange) {
        let mut state = self.state.lock();
        let topic = state
            .apps
            .get_mut(&change.app)
            .and_then(|topics| topics.get_mut(&change.channel));
        if let Some(topic) =
            topic.filter(|topic| change.subscribe && topic.generation == change.generation)
        {
            topic.confirmed = true;
            for waiting in topic.waiting.drain(..) {
                // An error: the receiver was dropped.
                let _ = waiting.send(());
            }
        }
    }

    /// Queues a subscription for every topic; [`TopicSubscriptions::next`] returns them.
    pub(crate) fn connected(&self) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.connected = true;
        for (app, topics) in &mut state.apps {
            for (channel, topic) in topics {
                state.generation += 1;
                topic.generation = state.generation;
                state.pending.push_back(TopicChange {
                    app: app.clone(),
                    channel: channel.clone(),
                    subscribe: true,
                    generation: state.generation,
                });
            }
        }
    }

    /// Drops pending changes and fails all waiters.
    pub(crate) fn disconnected(&self) {
        let mut state = self.state.lock();
        state.connected = false;
        state.pending.clear();
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

    fn pending(topics: &TopicSubscriptions) -> Vec<(String, bool)> {
        topics
            .state
            .lock()
            .pending
            .iter()
            .map(|change| (change.channel.to_string(), change.subscribe))
            .collect()
    }

    #[tokio::test]
    async fn one_subscription_is_confirmed_to_all_waiters() {
        let topics = TopicSubscriptions::default();
        topics.connected();
        let (one, two) = (
            topics.watch(&app(), &name("c")).unwrap(),
            topics.watch(&app(), &name("c")).unwrap(),
        );
        let changes = topics.next().await;
        assert_eq!(changes.len(), 1);
        topics.confirm(&changes[0]);
        assert!(one.await.is_ok() && two.await.is_ok());
        assert!(topics.watch(&app(), &name("c")).is_none());
    }

    #[tokio::test]
    async fn a_subscription_older_than_the_last_unsubscribe_confirms_nothing() {
        let topics = TopicSubscriptions::default();
        topics.connected();
        let _ = topics.watch(&app(), &name("c"));
        let first = topics.next().await;
        topics.unwatch(&app(), &name("c"));
        let waiting = topics.watch(&app(), &name("c")).unwrap();
        assert_eq!(
            pending(&topics),
            [("c".to_owned(), false), ("c".to_owned(), true)]
        );
        topics.confirm(&first[0]);
        let then = topics.next().await;
        for change in &then {
            topics.confirm(change);
        }
        assert!(waiting.await.is_ok());
        assert!(
            then.iter()
                .all(|change| change.generation != first[0].generation)
        );
    }

    #[tokio::test]
    async fn a_presence_topic_stays_subscribed_for_its_peer_channels() {
        let topics = TopicSubscriptions::default();
        topics.connected();
        let _ = topics.watch(&app(), &name("peer-r:a&b"));
        let _ = topics.watch(&app(), &name("presence-r"));
        assert_eq!(pending(&topics), [("presence-r".to_owned(), true)]);
        topics.unwatch(&app(), &name("presence-r"));
        assert!(topics.is_subscribed(&app(), &name("peer-r:c&d")));
        topics.unwatch(&app(), &name("peer-r:a&b"));
        assert!(!topics.is_subscribed(&app(), &name("presence-r")));
        assert_eq!(
            pending(&topics).last(),
            Some(&("presence-r".to_owned(), false))
        );
    }

    #[tokio::test]
    async fn waiters_fail_on_disconnect_and_topics_are_subscribed_on_connect() {
        let topics = TopicSubscriptions::default();
        assert!(topics.watch(&app(), &name("c")).is_none());
        topics.connected();
        assert_eq!(pending(&topics).len(), 1);
        let waiting = topics.watch(&app(), &name("c")).unwrap();
        topics.disconnected();
        assert!(waiting.await.is_err(), "failed, not confirmed");
        assert_eq!(pending(&topics), []);
    }
}
