//! Benchmarks of the stores as the server uses them, compared with their bare drivers: publishes through the
//! group-committing writer, replays, inboxes. `benches/stores.sh` starts the servers and prints the table of the README.
//!
//! SQLite is always measured, PostgreSQL and MongoDB where `PUSHI_TEST_POSTGRES_URL` and `PUSHI_TEST_MONGO_URL` name a
//! server. `PUSHI_BENCH_EVENTS` is the number of events that are stored before the reads. Default: a million, and 10,000 on a
//! stand-in for MongoDB.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a benchmark fails"
)]

mod bare;
mod fill;
mod pairs;
mod publish;
mod read;
mod server;
mod store;
mod table;
mod workload;

use criterion::Criterion;
use tokio::runtime::Builder;

use self::pairs::Pairs;
use self::store::Store;
use self::table::Column;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut columns = Vec::new();
    for store in [Store::Sqlite, Store::Postgres, Store::Mongo] {
        if !store.is_there() {
            continue;
        }
        let mut pairs = Pairs::default();
        publish::publish(&mut criterion, &runtime, store, &mut pairs);
        let stored = read::read(&mut criterion, &runtime, store, &mut pairs);
        columns.push(Column {
            store,
            pairs,
            stored,
        });
    }
    criterion.final_summary();
    print!("{}", table::table(&columns));
}
