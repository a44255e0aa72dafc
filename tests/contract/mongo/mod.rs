//! MongoDB only: opening, and taking over the database of the original server.

mod copying;
mod members;
mod original;
mod takeover;

use std::sync::Arc;
use std::time::Duration;

use pushi::core::ports::ReadLimit;

use self::copying::*;
use self::members::*;
use self::takeover::*;
use crate::fixture::{Fixture, Mongo, Proxy, Remote, TIMEOUT};
use crate::samples::{app, append, channel, event, serials};

/// Each on both servers.
macro_rules! on_each {
    ($($case:ident,)+) => {
        mod on_mongodb {
            $(on_each!(@ $case, false);)+
        }
        mod on_other_mongodb {
            $(on_each!(@ $case, true);)+
        }
    };
    (@ $case:ident, $other:literal) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            if let Some(database) = <crate::fixture::Mongo<$other> as crate::fixture::Fixture>::start().await {
                super::$case(database).await;
            }
        }
    };
}

on_each! {
    concurrent_starts_do_not_collide,
    a_batch_is_stored_by_three_commands,
    original_data_is_read,
    members_of_the_original_keep_their_types,
    any_members_of_the_original_are_given_back,
    events_stored_later_by_the_original_are_read,
    several_nodes_give_the_same_serials,
    a_numbering_that_was_not_finished_goes_on,
    a_subscription_of_the_original_begins_now_and_counts_once,
    an_inbox_holds_what_the_original_sent_to_the_user,
    original_events_are_pruned,
    original_data_can_be_copied,
    an_end_that_was_not_finished_is_moved_as_one,
    stored_events_can_be_read_by_the_original,
}

/// The one-line error for a `url` that cannot be opened.
async fn refusal(url: &str, timeout: Duration) -> String {
    use pushi::core::model::Secret;
    use pushi::outbound::storage::mongodb::{MongoOptions, open};
    let options = MongoOptions {
        url: Secret::new(url),
        database: "pushi".into(),
        timeout,
        pool: 1,
    };
    let Err(error) = open(options).await else {
        panic!("it was opened")
    };
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    line
}

#[tokio::test]
async fn a_url_that_leads_nowhere_is_refused() {
    let line = refusal("mongodb://ann:hunter2@127.0.0.1:notaport/", TIMEOUT).await;
    assert!(
        line.starts_with("the MongoDB URL cannot be read: "),
        "{line}"
    );
    let line = refusal("mongodb://127.0.0.1/?w=0", TIMEOUT).await;
    assert!(
        line.starts_with("the MongoDB URL cannot be read: "),
        "{line}"
    );
    // A port that was just free.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let line = refusal(
        &format!("mongodb://ann:hunter2@127.0.0.1:{port}"),
        Duration::from_millis(200),
    )
    .await;
    assert!(
        line.starts_with(&format!("the MongoDB database pushi on 127.0.0.1:{port} ")),
        "{line}"
    );
    // A listener that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let line = refusal(
        &format!("mongodb://ann:hunter2@{address}"),
        Duration::from_millis(200),
    )
    .await;
    assert!(
        line.ends_with("is it the right address, and does the server run?")
            || line.contains("cannot be reached"),
        "{line}"
    );
}

async fn concurrent_starts_do_not_collide<const OTHER: bool>(database: Mongo<OTHER>) {
    let database = Arc::new(database);
    let open = || {
        let database = database.clone();
        tokio::spawn(async move { database.open().await })
    };
    for task in (0..8).map(|_| open()).collect::<Vec<_>>() {
        task.await.unwrap().database.ping().await.unwrap();
    }
}

async fn a_batch_is_stored_by_three_commands<const OTHER: bool>(database: Mongo<OTHER>) {
    let proxy = Proxy::to(database.server().await).await;
    let timeout = if OTHER { 5 * TIMEOUT } else { TIMEOUT };
    let stores = database.open_through(proxy.port(), timeout).await;
    let app = app(&stores, "a").await;
    let batch =
        || ["one", "two"].map(|channel| [event(&app, channel, "x"), event(&app, channel, "y")]);
    append(&stores, &batch().concat()).await;
    let mut fewest = u32::MAX;
    // Each second, a batch looks for events of the original first; a cleanup may run at the start.
    for _ in 0..10 {
        let before = proxy.commands();
        append(&stores, &batch().concat()).await;
        fewest = fewest.min(proxy.commands() - before);
    }
    assert_eq!(fewest, 3);
    let (one, limit) = (channel("one"), ReadLimit::events(100));
    let stored = stores.events.replay(&app.ident, &one, 0, 100, limit).await;
    assert_eq!(serials(&stored.unwrap()), (1..=22).collect::<Vec<u64>>());
}
