//! Persisted publishes per second, compared with the rows per second that the bare driver commits in batches of the same
//! size.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use tokio::runtime::Runtime;

use crate::bare::{self, Bare};
use crate::pairs::{Pairs, is_asked_for, steady};
use crate::server::{BenchServer, rooms};
use crate::store::{Database, Store};
use crate::workload::{CHANNELS, PUBLISHERS};

/// A server, and a bare driver on another database with the same tables.
struct Both {
    server: BenchServer,
    bare: Box<dyn Bare>,
}

pub(crate) fn publish(
    criterion: &mut Criterion,
    runtime: &Runtime,
    store: Store,
    pairs: &mut Pairs,
) {
    let mut group = criterion.benchmark_group(store.name());
    steady(&mut group);
    let databases = runtime.block_on(async { [store.database().await, store.database().await] });
    // Opened only if a benchmark is selected.
    let mut opened: Option<Both> = None;
    for publishers in PUBLISHERS {
        let name = format!("publish-{publishers}");
        let mut batch = None;
        if is_asked_for(store, &name) {
            let both = opened.get_or_insert_with(|| runtime.block_on(open(&databases)));
            batch = Some(runtime.block_on(both.gathered(publishers)));
        }
        // Measured in rounds, so that even a single iteration fills commits.
        group.throughput(Throughput::Elements(publishers as u64));
        pairs.measure(&mut group, &name, |rounds| {
            let both = opened.get_or_insert_with(|| runtime.block_on(open(&databases)));
            let batch = *batch.get_or_insert_with(|| runtime.block_on(both.gathered(publishers)));
            runtime.block_on(both.publish(rounds, publishers, batch))
        });
        if let Some(batch) = batch {
            println!(
                "{}, {publishers} publishers: {batch} events in a commit",
                store.name()
            );
        }
    }
    group.finish();
    if let Some(Both { server, bare }) = opened {
        drop(bare);
        runtime.block_on(server.close());
    }
}

async fn open([own, other]: &[Database; 2]) -> Both {
    // Creates the tables and the app.
    BenchServer::open(other.url()).await.close().await;
    Both {
        server: BenchServer::open(own.url()).await,
        bare: bare::open(other.url()).await,
    }
}

impl Both {
    /// The number of events that the writer batches in one commit, which depends on the duration of a commit.
    async fn gathered(&self, publishers: usize) -> usize {
        let (before, probe) = (self.server.commits(), 20 * publishers as u64);
        self.server
            .publish(probe, publishers, &rooms(CHANNELS))
            .await;
        probe.div_ceil(self.server.commits() - before) as usize
    }

    /// Runs rounds in which every publisher publishes once; returns the durations of server and driver.
    async fn publish(&mut self, rounds: u64, publishers: usize, batch: usize) -> [Duration; 2] {
        let count = rounds * publishers as u64;
        let begun = Instant::now();
        self.server
            .publish(count, publishers, &rooms(CHANNELS))
            .await;
        let own = begun.elapsed();
        let begun = Instant::now();
        let mut rest = count as usize;
        while rest > 0 {
            self.bare.commit(rest.min(batch)).await;
            rest -= rest.min(batch);
        }
        [own, begun.elapsed()]
    }
}
