//! How many connections are on each channel.

use std::collections::{HashMap, VecDeque};

use futures_util::future::try_join_all;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::{Notify, oneshot};

use crate::core::hub::Hub;
use crate::core::model::{AppIdent, ChannelKind, ChannelName};
use crate::core::ports::{OccupancyChange, OccupancyUpdate};
use crate::outbound::redis::connection::{Disconnected, Names, Script};
use crate::outbound::redis::node::{Incarnation, Use};

/// Counts said to Redis at once.
const BATCH: usize = 256;

/// A wish to have a channel counted anew.
pub struct Request {
    app: AppIdent,
    channel: ChannelName,
    announce: bool,
    /// `None`: nobody waits.
    counted: Option<oneshot::Sender<OccupancyUpdate>>,
}

impl Request {
    pub fn new(
        app: &AppIdent,
        channel: &ChannelName,
        announce: bool,
    ) -> (Self, oneshot::Receiver<OccupancyUpdate>) {
        let (sender, receiver) = oneshot::channel();
        (
            Self {
                app: app.clone(),
                channel: channel.clone(),
                announce,
                counted: Some(sender),
            },
            receiver,
        )
    }
}

/// What is to be counted. One task counts: so a later count never reaches Redis before an earlier one.
#[derive(Default)]
pub struct Counting {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    up: bool,
    queue: VecDeque<Request>,
}

impl Counting {
    /// Takes a wish. While Redis is away it is dropped, and who waits hears that.
    pub fn enter(&self, request: Request) {
        let mut state = self.state.lock();
        if state.up {
            state.queue.push_back(request);
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Redis is there: it must hear of every channel.
    pub fn rise(&self, hub: &Hub) {
        self.state.lock().up = true;
        for app in hub.app_idents() {
            let occupied = hub
                .app(&app)
                .map_or_else(Vec::new, |hub| hub.channels("", None, usize::MAX));
            for channel in occupied {
                self.enter(Request {
                    app: app.clone(),
                    channel: channel.channel,
                    announce: false,
                    counted: None,
                });
            }
        }
    }

    /// Redis is away: nobody waits for it.
    pub fn fall(&self) {
        let mut state = self.state.lock();
        state.up = false;
        state.queue.clear();
    }

    /// Counts what gathers, in order; ends with the session.
    pub async fn keep_counting(
        &self,
        life: &Incarnation,
        names: &Names,
        process: u64,
        hub: &Hub,
    ) -> Result<(), Disconnected> {
        loop {
            let batch: Vec<Request> = {
                let mut state = self.state.lock();
                let count = state.queue.len().min(BATCH);
                state.queue.drain(..count).collect()
            };
            if batch.is_empty() {
                self.filled.notified().await;
            } else {
                count(batch, life, names, process, hub).await?;
            }
        }
    }
}

async fn count(
    batch: Vec<Request>,
    life: &Incarnation,
    names: &Names,
    process: u64,
    hub: &Hub,
) -> Result<(), Disconnected> {
    try_join_all(
        batch
            .iter()
            .map(|request| life.note(&request.app, &request.channel, Use::Count)),
    )
    .await?;
    let session = &life.session;
    let process = process.to_string();
    let mut pipelines = vec![redis::pipe(); session.lines()];
    let mut places: Vec<Vec<(Request, u64)>> = std::iter::repeat_with(Vec::new)
        .take(session.lines())
        .collect();
    let mut seen: HashMap<(AppIdent, ChannelName), u64> = HashMap::new();
    for request in batch {
        let (app, channel) = (&request.app, &request.channel);
        let (topic, counts) = (
            names.topic(app, channel.as_str()),
            names.counts(app, channel),
        );
        let keys = [counts, names.fence(app, channel, &session.life)];
        // Read once, so that a channel is not counted as left and as entered in one batch.
        let here = *seen
            .entry((app.clone(), channel.clone()))
            .or_insert_with(|| {
                hub.app(app)
                    .map_or(0, |hub| hub.occupancy(channel).subscriptions)
            });
        let (line, count) = (session.line_of(&topic), here.to_string());
        let mut arguments = vec![
            session.publish_command(),
            topic.as_str(),
            &process,
            &session.life,
            &count,
        ];
        if request.announce {
            arguments.extend([app.as_str(), channel.as_str()]);
        }
        if let (Some(pipeline), Some(place)) = (pipelines.get_mut(line), places.get_mut(line)) {
            session.call(pipeline, Script::Count, &keys, &arguments);
            place.push((request, here));
        }
    }
    let answers = try_join_all(
        pipelines
            .iter()
            .enumerate()
            .map(|(line, pipeline)| session.send(line, pipeline)),
    )
    .await?;
    for ((request, here), answer) in places
        .into_iter()
        .flatten()
        .zip(answers.into_iter().flatten())
    {
        let Some(recount) = read(&answer) else {
            session.fail("the lease is over");
            return Err(Disconnected);
        };
        if here == 0 {
            life.forget(&request.app, &request.channel, Use::Count);
        }
        if let Some(counted) = request.counted {
            // Who does not wait any more needs no answer.
            let _ = counted.send(recount);
        }
    }
    Ok(())
}

fn read(answer: &Value) -> Option<OccupancyUpdate> {
    let Value::Array(parts) = answer else {
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

/// How many users are on presence channels, for each channel in order; 0 for other kinds.
pub async fn users(
    life: &Incarnation,
    names: &Names,
    app: &AppIdent,
    channels: impl Iterator<Item = &ChannelName>,
) -> Result<Vec<u64>, Disconnected> {
    let session = &life.session;
    let mut pipelines = vec![redis::pipe(); session.lines()];
    let mut counts = Vec::new();
    let mut places: Vec<Vec<usize>> = vec![Vec::new(); session.lines()];
    for (index, channel) in channels.enumerate() {
        counts.push(0);
        let list = names.list(app, channel);
        let line = session.line_of(&list);
        if let (ChannelKind::Presence, Some(pipeline), Some(place)) = (
            channel.kind(),
            pipelines.get_mut(line),
            places.get_mut(line),
        ) {
            pipeline.cmd("HLEN").arg(list);
            place.push(index);
        }
    }
    let answers = try_join_all(
        pipelines
            .iter()
            .enumerate()
            .map(|(line, pipeline)| session.send(line, pipeline)),
    )
    .await?;
    for (index, answer) in places
        .into_iter()
        .flatten()
        .zip(answers.into_iter().flatten())
    {
        if let (Some(count), Value::Int(length)) = (counts.get_mut(index), answer) {
            // One of a list's fields is its version.
            *count = u64::try_from(length - 1).unwrap_or(0);
        }
    }
    Ok(counts)
}
