//! A store filled with many events, and the memory usage of the server while they were appended.

use std::sync::Arc;

use mongodb::bson::doc;
use pushi::core::model::{ChannelName, UserId};

use crate::server::{BenchServer, rooms};
use crate::store::{Database, Store};
use crate::workload::{PUBLISHERS, REPLAY_CHANNEL, REPLAY_EVENTS, SUBSCRIBED_CHANNELS, USER};

/// Number of channels over which the events are spread.
const CHANNELS: usize = 2 * SUBSCRIBED_CHANNELS;

/// A filled store with its server.
pub(crate) struct Filled {
    pub server: BenchServer,
    pub stored: Stored,
}

/// Measurements of the filling.
#[derive(Clone, Default)]
pub(crate) struct Stored {
    /// Number of stored events.
    pub events: u64,
    /// Whether the server is a stand-in for MongoDB.
    pub stand_in: bool,
    /// Resident memory in KiB after each tenth of the events.
    pub memory: Vec<u64>,
}

pub(crate) async fn fill(store: Store, database: &Database) -> Filled {
    let server = BenchServer::open(database.url()).await;
    server
        .publish(
            REPLAY_EVENTS,
            PUBLISHERS[2],
            &Arc::from([ChannelName::trusted(REPLAY_CHANNEL)]),
        )
        .await;
    let rooms = rooms(CHANNELS);
    let user = UserId::parse(USER).unwrap();
    for room in &rooms[..SUBSCRIBED_CHANNELS] {
        server
            .service
            .add_subscription(&server.app.ident, &user, room)
            .await
            .unwrap();
    }
    let stand_in = match database {
        Database::Mongo(database) => !is_mongod(&database.url).await,
        _ => false,
    };
    let mut stored = Stored {
        events: events(stand_in),
        stand_in,
        memory: Vec::new(),
    };
    for _ in 0..10 {
        server
            .publish(stored.events / 10, PUBLISHERS[2], &rooms)
            .await;
        stored.memory.push(memory());
    }
    println!(
        "{}: {} events; KiB after each tenth: {:?}",
        store.name(),
        stored.events,
        stored.memory
    );
    Filled { server, stored }
}

/// Number of events to store.
fn events(stand_in: bool) -> u64 {
    match std::env::var("PUSHI_BENCH_EVENTS") {
        Ok(events) => events.parse().expect("PUSHI_BENCH_EVENTS is a number"),
        Err(_) if stand_in => 10_000,
        Err(_) => 1_000_000,
    }
}

/// Whether the server is MongoDB itself: the `buildInfo` of stand-ins has no `allocator`.
async fn is_mongod(url: &str) -> bool {
    let client = mongodb::Client::with_uri_str(url).await.unwrap();
    let built = client
        .database("admin")
        .run_command(doc! { "buildInfo": 1 })
        .await
        .unwrap();
    client.shutdown().immediate(true).await;
    built.contains_key("allocator")
}

/// Resident memory of the process in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    resident
        .and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0)
}
