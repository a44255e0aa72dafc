//! Databases of their own, for one test each, on the servers that the environment names.

mod mongo;
mod postgres;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

pub use self::mongo::MongoDatabase;
pub use self::postgres::PostgresSchema;

/// The URL of a server, from the environment. Where it is missing, a run with `CI=true` fails and any other
/// logs once that tests are skipped.
pub fn server_url(variable: &'static str) -> Option<String> {
    if let Ok(url) = std::env::var(variable) {
        return Some(url);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{variable} names no server"
    );
    static TOLD: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if TOLD.lock().unwrap().insert(variable) {
        // Past the harness, which would keep it to itself.
        std::io::stderr()
            .write_all(format!("{variable} is not set: ran without that server\n").as_bytes())
            .unwrap();
    }
    None
}

/// A name that no other test has.
fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "pushi_test_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Does something to the end, also from within a runtime's thread, which cannot be waited for from there.
fn block_on_new_thread(work: impl Future<Output = ()> + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(work)
        });
    });
}
