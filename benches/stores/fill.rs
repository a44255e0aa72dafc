//! A store with very many events in it, and how much memory the server had while they were appended.

use std::sync::Arc;

use mongodb::bson::doc;
use pushi::core::model::{ChannelName, UserId};

use crate::house::{House, rooms};
use crate::publish::PUBLISHERS;
use crate::store::{Database, Store};

/// The channel with exactly [`REPLAYED`] events.
pub const ROOM: &str = "replayed";

/// How many events a replay answers.
pub const REPLAYED: u64 = 1000;

/// How many channels the user of the inbox subscribes to.
pub const SUBSCRIBED: usize = 1000;

/// Over so many channels the events are spread.
const ROOMS: usize = 2 * SUBSCRIBED;

/// Who has the inbox.
pub const USER: &str = "ann";

/// A store that was filled.
pub struct Filled {
    pub house: House,
    pub stored: Stored,
}

/// What happened meanwhile.
#[derive(Clone, Default)]
pub struct Stored {
    /// How many events there are.
    pub events: u64,
    /// Whether it was no MongoDB, but what stands in for one.
    pub stand_in: bool,
    /// KiB of the process after each tenth of them.
    pub memory: Vec<u64>,
}

pub async fn fill(store: Store, database: &Database) -> Filled {
    let house = House::open(database.url()).await;
    house
        .publish(
            REPLAYED,
            PUBLISHERS[2],
            &Arc::from([ChannelName::trusted(ROOM)]),
        )
        .await;
    let rooms = rooms(ROOMS);
    let user = UserId::parse(USER).unwrap();
    for room in &rooms[..SUBSCRIBED] {
        house
            .service
            .add_subscription(&house.app.ident, &user, room)
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
        house
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
    Filled { house, stored }
}

/// How many are to be stored.
fn events(stand_in: bool) -> u64 {
    match std::env::var("PUSHI_BENCH_EVENTS") {
        Ok(events) => events.parse().expect("PUSHI_BENCH_EVENTS is a number"),
        Err(_) if stand_in => 10_000,
        Err(_) => 1_000_000,
    }
}

/// Whether it is MongoDB itself; others do not say with which allocator they were built.
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

/// KiB of memory that the process has.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    resident
        .and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0)
}
