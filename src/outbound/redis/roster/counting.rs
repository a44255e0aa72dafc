//! The number of connections on each channel, over all nodes.

use std::collections::{HashMap, VecDeque};

use futures_util::future::try_join_all;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::{Notify, oneshot};

use crate::core::hub::Hub;
use crate::core::model::{AppIdent, ChannelKind, ChannelName};
use crate::core::ports::{OccupancyChange, OccupancyUpdate};
use crate::outbound::redis::connection::{Disconnected, KeyNames, Script};
use crate::outbound::redis::node::{ChannelUse, Incarnation};

/// Maximum number of counts per round trip.
const BATCH: usize = 256;

/// A request to write the count of a channel.
pub(super) struct CountRequest {
    app: AppIdent,
    channel: ChannelName,
    /// Whether the total is published to the subscribers.
    announce: bool,
    /// Receives the result; `None`: nothing waits for it.
    reply: Option<oneshot::Sender<OccupancyUpdate>>,
}

impl CountRequest {
    /// A request, and the receiver of its result; it fails when Redis is disconnected.
    pub(super) fn new(
        app: &AppIdent,
        channel: &ChannelName,
        announce: bool,
    ) -> (Self, oneshot::Receiver<OccupancyUpdate>) {
        let (reply, receiver) = oneshot::channel();
        (
            Self {
                app: app.clone(),
                channel: channel.clone(),
                announce,
                reply: Some(reply),
            },
            receiver,
        )
    }
}

/// The queue of count requests. One task processes it, so that a later count never reaches Redis
/// before an earlier one.
#[derive(Default)]
pub(super) struct CountQueue {
    state: Mutex<CountQueueState>,
    filled: Notify,
}

#[derive(Default)]
struct CountQueueState {
    connected: bool,
    queue: VecDeque<CountRequest>,
}

impl CountQueue {
    /// Queues a request. While Redis is disconnected it is dropped, which fails its receiver.
    pub(super) fn push(&self, request: CountRequest) {
        let mut state = self.state.lock();
        if state.connected {
            state.queue.push_back(request);
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Queues a request for every occupied channel of this node.
    pub(super) fn connected(&self, hub: &Hub) {
        self.state.lock().connected = true;
        for app in hub.app_idents() {
            let occupied = hub
                .app(&app)
                .map_or_else(Vec::new, |hub| hub.channels("", None, usize::MAX));
            for channel in occupied {
                self.push(CountRequest {
                    app: app.clone(),
                    channel: channel.channel,
                    announce: false,
                    reply: None,
                });
            }
        }
    }

    /// Drops all requests, which fails their receivers.
    pub(super) fn disconnected(&self) {
        let mut state = self.state.lock();
        state.connected = false;
        state.queue.clear();
    }

    /// Processes requests in order, until the connections are lost.
    ///
    /// # Errors
    /// When the connections are lost.
    pub(super) async fn run(
        &self,
        incarnation: &Incarnation,
        names: &KeyNames,
        process: u64,
        hub: &Hub,
    ) -> Result<(), Disconnected> {
        loop {
            let batch: Vec<CountRequest> = {
                let mut state = self.state.lock();
                let count = state.queue.len().min(BATCH);
                state.queue.drain(..count).collect()
            };
            if batch.is_empty() {
                self.filled.notified().await;
            } else {
                write_counts(batch, incarnation, names, process, hub).await?;
            }
        }
    }
}

async fn write_counts(
    batch: Vec<CountRequest>,
    incarnation: &Incarnation,
    names: &KeyNames,
    process: u64,
    hub: &Hub,
) -> Result<(), Disconnected> {
    try_join_all(
        batch
            .iter()
            .map(|request| incarnation.register(&request.app, &request.channel, ChannelUse::Count)),
    )
    .await?;
    let connections = &incarnation.connections;
    let process = process.to_string();
    let mut pipelines = vec![redis::pipe(); connections.server_count()];
    // The requests of each pipeline with the count that was sent.
    let mut sent: Vec<Vec<(CountRequest, u64)>> = std::iter::repeat_with(Vec::new)
        .take(connections.server_count())
        .collect();
    let mut local_counts: HashMap<(AppIdent, ChannelName), u64> = HashMap::new();
    for request in batch {
        let (app, channel) = (&request.app, &request.channel);
        let topic = names.topic(app, channel.as_str());
        let keys = [
            names.counts_key(app, channel),
            names.fence_key(app, channel, &connections.id),
        ];
        // Read once per batch: two requests for a channel must not send a zero and a later count,
        // because the zero below removes the channel from the index.
        let local_count = *local_counts
            .entry((app.clone(), channel.clone()))
            .or_insert_with(|| {
                hub.app(app)
                    .map_or(0, |hub| hub.occupancy(channel).subscriptions)
            });
        let (server, count) = (connections.server_of(&topic), local_count.to_string());
        let mut arguments = vec![
            connections.publish_command(),
            topic.as_str(),
            &process,
            &connections.id,
            &count,
        ];
        if request.announce {
            arguments.extend([app.as_str(), channel.as_str()]);
        }
        if let (Some(pipeline), Some(sent)) = (pipelines.get_mut(server), sent.get_mut(server)) {
            connections.add_script(pipeline, Script::Count, &keys, &arguments);
            sent.push((request, local_count));
        }
    }
    let replies = try_join_all(
        pipelines
            .iter()
            .enumerate()
            .map(|(server, pipeline)| connections.send(server, pipeline)),
    )
    .await?;
    for ((request, local_count), reply) in sent
        .into_iter()
        .flatten()
        .zip(replies.into_iter().flatten())
    {
        let Some(update) = parse_update(&reply) else {
            return Err(incarnation.fail_expired());
        };
        if local_count == 0 {
            incarnation.unregister(&request.app, &request.channel, ChannelUse::Count);
        }
        if let Some(reply) = request.reply {
            // An error: the receiver was dropped.
            let _ = reply.send(update);
        }
    }
    Ok(())
}

/// Parses the reply of the count script; `None`: the incarnation has been evicted.
fn parse_update(reply: &Value) -> Option<OccupancyUpdate> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let [Value::Int(total), Value::Int(change)] = parts.as_slice() else {
        return None;
    };
    let change = match change {
        1 => Some(OccupancyChange::Occupied),
        -1 => Some(OccupancyChange::Vacated),
        _ => None,
    };
    Some(OccupancyUpdate {
        subscriptions: u64::try_from(*total).ok()?,
        change,
    })
}

/// The numbers of users of channels, in their order; 0 where a channel is no presence channel.
///
/// # Errors
/// When the connections are lost.
pub(super) async fn user_counts(
    incarnation: &Incarnation,
    names: &KeyNames,
    app: &AppIdent,
    channels: impl Iterator<Item = &ChannelName>,
) -> Result<Vec<u64>, Disconnected> {
    let connections = &incarnation.connections;
    let mut pipelines = vec![redis::pipe(); connections.server_count()];
    let mut counts = Vec::new();
    // The index in `counts` of each command of each pipeline.
    let mut indexes: Vec<Vec<usize>> = vec![Vec::new(); connections.server_count()];
    for (index, channel) in channels.enumerate() {
        counts.push(0);
        let list = names.list_key(app, channel);
        let server = connections.server_of(&list);
        if let (ChannelKind::Presence, Some(pipeline), Some(indexes)) = (
            channel.kind(),
            pipelines.get_mut(server),
            indexes.get_mut(server),
        ) {
            pipeline.cmd("HLEN").arg(list);
            indexes.push(index);
        }
    }
    let replies = try_join_all(
        pipelines
            .iter()
            .enumerate()
            .map(|(server, pipeline)| connections.send(server, pipeline)),
    )
    .await?;
    for (index, reply) in indexes
        .into_iter()
        .flatten()
        .zip(replies.into_iter().flatten())
    {
        if let (Some(count), Value::Int(fields)) = (counts.get_mut(index), reply) {
            // One of the fields is the version.
            *count = u64::try_from(fields - 1).unwrap_or(0);
        }
    }
    Ok(counts)
}
