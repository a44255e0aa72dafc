//! Replays and inboxes of a store with many events, compared with the bare driver reading the same rows.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use pushi::core::model::{ChannelName, UserId};
use pushi::core::ports::DialectId;
use pushi::core::service::{AnswerReader, EventQuery};
use tokio::runtime::Runtime;

use crate::bare::{self, Bare};
use crate::fill::{Filled, Stored, fill};
use crate::pairs::{Pairs, is_asked_for, steady};
use crate::store::Store;
use crate::workload::{PAGE, REPLAY_CHANNEL, REPLAY_EVENTS, USER};

/// A client of the Pushi protocol.
const READER: AnswerReader = AnswerReader {
    address: None,
    dialect: Some(DialectId::Pushi),
    bytes: 1024 * 1024,
    acquired: false,
};

/// A filled store, and a bare driver on the same database.
struct Both {
    filled: Filled,
    bare: Box<dyn Bare>,
}

pub(crate) fn read(
    criterion: &mut Criterion,
    runtime: &Runtime,
    store: Store,
    pairs: &mut Pairs,
) -> Stored {
    let database = runtime.block_on(store.database());
    let mut opened: Option<Both> = None;
    let open = || {
        runtime.block_on(async {
            Both {
                filled: fill(store, &database).await,
                bare: bare::open(database.url()).await,
            }
        })
    };
    // Filled before the measurement, since it takes minutes.
    if ["inbox", "replay"]
        .iter()
        .any(|name| is_asked_for(store, name))
    {
        opened.get_or_insert_with(open);
    }
    let mut group = criterion.benchmark_group(store.name());
    steady(&mut group);
    pairs.measure(&mut group, "inbox", |count| {
        runtime.block_on(opened.get_or_insert_with(open).inbox(count))
    });
    group.throughput(Throughput::Elements(REPLAY_EVENTS));
    pairs.measure(&mut group, "replay", |count| {
        runtime.block_on(opened.get_or_insert_with(open).replay(count))
    });
    group.finish();
    let Some(Both {
        filled: Filled { server, stored },
        bare,
    }) = opened
    else {
        return Stored::default();
    };
    drop(bare);
    runtime.block_on(server.close());
    stored
}

impl Both {
    async fn inbox(&mut self, count: u64) -> [Duration; 2] {
        let server = &self.filled.server;
        let personal = ChannelName::personal_of(&UserId::parse(USER).unwrap());
        let own = timed(count, PAGE, async || {
            server
                .service
                .latest(&server.app.ident, &personal, 0, PAGE, READER)
                .await
                .unwrap()
                .events
                .len()
        });
        [
            own.await,
            timed(count, PAGE, async || self.bare.inbox().await).await,
        ]
    }

    async fn replay(&mut self, count: u64) -> [Duration; 2] {
        let server = &self.filled.server;
        let missed = EventQuery::After {
            channel: ChannelName::trusted(REPLAY_CHANNEL),
            after: 0,
            upto: i64::MAX as u64,
        };
        let own = timed(count, REPLAY_EVENTS, async || {
            server
                .service
                .events(&server.app.ident, &missed, REPLAY_EVENTS, READER)
                .await
                .unwrap()
                .events
                .len()
        });
        [
            own.await,
            timed(count, REPLAY_EVENTS, async || self.bare.replay().await).await,
        ]
    }
}

/// Returns the duration of `count` reads, each of which must return the expected number of events.
async fn timed(count: u64, events: u64, mut read: impl AsyncFnMut() -> usize) -> Duration {
    let begun = Instant::now();
    for _ in 0..count {
        assert_eq!(read().await as u64, events);
    }
    begun.elapsed()
}
