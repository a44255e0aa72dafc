//! Rows that applications insert, to be published.

mod application;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pushi::core::error::StorageError;
use pushi::core::model::{App, NewEvent, Position, Timestamp};
use pushi::core::ports::{
    Moved, PublishRow, ReadLimit, RowContent, RowId, RowLimit, RowMove, Stores,
};

use self::application::{Application, Inserted};
use crate::samples::{NOW, app, channel, event, mid};

const LIMIT: RowLimit = RowLimit {
    rows: 100,
    bytes: 100_000,
    row_bytes: 10_000,
};

fn row<'a>(app: &'a str, channel: &'a str, data: &'a str) -> Inserted<'a> {
    Inserted {
        app,
        channel,
        event: "created",
        data: Some(data),
        ..Inserted::default()
    }
}

async fn rows(stores: &Stores, app: &str) -> Vec<PublishRow> {
    stores.rows.rows(app, LIMIT).await.unwrap()
}

fn data_of(rows: &[PublishRow]) -> Vec<&str> {
    fn data(row: &PublishRow) -> Option<&str> {
        match &row.content {
            RowContent::Event { data, .. } => data.as_deref(),
            _ => None,
        }
    }
    rows.iter().filter_map(data).collect()
}

/// What the server makes of rows.
fn moves(app: &App, rows: &[PublishRow]) -> Vec<RowMove> {
    let moved = |row: &PublishRow| {
        let RowContent::Event {
            channel: name,
            data,
            persist,
            ..
        } = &row.content
        else {
            panic!("{row:?}");
        };
        let new = NewEvent {
            mid: row.mid.clone().unwrap_or_else(mid),
            channel: channel(name),
            ..event(app, name, data.as_deref().unwrap())
        };
        RowMove {
            row: row.id.clone(),
            event: Arc::new(new),
            persist: *persist,
            due: None,
        }
    };
    rows.iter().map(moved).collect()
}

async fn history(stores: &Stores, app: &App, name: &str) -> Vec<(u64, String)> {
    let events = stores
        .events
        .history(&app.ident, &channel(name), None, ReadLimit::events(1000))
        .await
        .unwrap();
    let entry = |event: &pushi::core::model::Event| {
        (event.position.serial, event.new.payload.data.to_string())
    };
    events.iter().rev().map(entry).collect()
}

pub(crate) async fn rows_become_events_in_order_and_once<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    let shop = app(&stores, "shop").await;
    assert_eq!(stores.rows.oldest().await.unwrap(), None);
    let transient = Inserted {
        is_transient: true,
        ..row("shop", "news", "2")
    };
    let inserted = [
        row("shop", "news", "1"),
        transient,
        row("shop", "news", "3"),
        row("shop", "other", "4"),
    ];
    fixture.insert(&inserted).await;
    assert!(stores.rows.oldest().await.unwrap().is_some());
    assert_eq!(stores.rows.apps("", 10).await.unwrap(), ["shop"]);
    let found = rows(&stores, "shop").await;
    assert_eq!(data_of(&found), ["1", "2", "3", "4"]);
    let moves = moves(&shop, &found);
    let moved: Vec<Moved> = stores
        .rows
        .move_rows(&moves)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let serial = |moved: &Moved| match moved {
        Moved::Stored(Position { serial, .. }) => Some(*serial),
        Moved::Removed => None,
    };
    let serials: Vec<Option<u64>> = moved.iter().map(serial).collect();
    assert_eq!(serials, [Some(1), None, Some(2), Some(1)]);
    let expected = [(1, "1".to_owned()), (2, "3".to_owned())];
    assert_eq!(history(&stores, &shop, "news").await, expected);
    assert_eq!(rows(&stores, "shop").await, []);
    assert_eq!(stores.rows.oldest().await.unwrap(), None);
    // Again, as a node that was slower.
    for again in stores.rows.move_rows(&moves).await {
        match again {
            Err(StorageError::Conflict(_)) => assert!(F::ATOMIC),
            Ok(Moved::Removed) => assert!(!F::ATOMIC),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(history(&stores, &shop, "news").await, expected);
}

pub(crate) async fn a_row_that_several_nodes_move_is_stored_once<F: Application>(fixture: &F) {
    let stores = [
        fixture.open().await,
        fixture.open().await,
        fixture.open().await,
    ];
    let shop = app(&stores[0], "shop").await;
    let data: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    let inserted: Vec<_> = data.iter().map(|data| row("shop", "news", data)).collect();
    fixture.insert(&inserted).await;
    let is_stored = |moved: &&Result<Moved, StorageError>| matches!(moved, Ok(Moved::Stored(_)));
    // All read the same rows before one moves them.
    let read = join_all(stores.iter().map(|stores| rows(stores, "shop"))).await;
    let moved = stores.iter().zip(&read).map(|(stores, read)| {
        let moves = moves(&shop, read);
        async move {
            let mut stored = 0;
            // In parts, as by commits.
            for part in moves.chunks(7) {
                let moved = stores.rows.move_rows(part).await;
                stored += moved.iter().filter(is_stored).count();
            }
            stored
        }
    });
    let stored: usize = if F::ATOMIC {
        join_all(moved).await.into_iter().sum()
    } else {
        // One after the other, as the lease arranges it.
        let mut stored = 0;
        for moved in moved {
            stored += moved.await;
        }
        stored
    };
    // What a failed part left, the next round takes.
    let left = rows(&stores[0], "shop").await;
    let rest = stores[0].rows.move_rows(&moves(&shop, &left)).await;
    let rest = rest.iter().filter(is_stored).count();
    assert_eq!(stored + rest, data.len());
    let history = history(&stores[0], &shop, "news").await;
    let found: Vec<String> = history.iter().map(|(_, data)| data.clone()).collect();
    assert_eq!(found, data, "each once, in order");
    let serials: Vec<u64> = history.iter().map(|(serial, _)| *serial).collect();
    assert_eq!(serials, (1..=30).collect::<Vec<u64>>());
}

pub(crate) async fn rows_of_an_app_that_is_not_there_stay<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    let shop = app(&stores, "shop").await;
    fixture.insert(&[row("shop", "news", "1")]).await;
    let found = rows(&stores, "shop").await;
    stores.apps.delete(&shop.ident).await.unwrap();
    let moved = stores.rows.move_rows(&moves(&shop, &found)).await;
    assert!(
        matches!(moved[..], [Err(StorageError::NotFound)]),
        "{moved:?}"
    );
    assert_eq!(rows(&stores, "shop").await.len(), 1);
}

pub(crate) async fn a_read_of_rows_is_bounded<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    app(&stores, "shop").await;
    let (large, small) = ("x".repeat(12_000), "y".repeat(4000));
    let inserted = [
        row("shop", "news", &large),
        row("shop", "news", &small),
        row("shop", "news", &small),
        row("shop", "news", &small),
        row("shop", "news", "last"),
    ];
    fixture.insert(&inserted).await;
    let read = |rows, bytes| {
        let limit = RowLimit {
            rows,
            bytes,
            row_bytes: 10_000,
        };
        let stores = &stores;
        async move { stores.rows.rows("shop", limit).await.unwrap() }
    };
    assert_eq!(read(3, 100_000).await.len(), 3);
    let found = read(100, 6000).await;
    assert!(
        matches!(found[0].content, RowContent::TooLarge(bytes) if bytes >= 12_000),
        "{:?}",
        found[0]
    );
    // Large rows are not read, so they do not count; the row that reaches the bound is the last one.
    assert_eq!(found.len(), 3);
    assert_eq!(read(100, 100_000).await.len(), 5);
}

pub(crate) async fn apps_take_turns_with_their_rows<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    let inserted: Vec<_> = ["b", "a", "c", "b", "d", "B"]
        .iter()
        .map(|app| row(app, "news", app))
        .collect();
    fixture.insert(&inserted).await;
    let apps = |after: &'static str, limit| {
        let stores = &stores;
        async move { stores.rows.apps(after, limit).await.unwrap() }
    };
    assert_eq!(apps("", 10).await, ["B", "a", "b", "c", "d"]);
    assert_eq!(apps("", 2).await, ["B", "a"]);
    assert_eq!(apps("b", 10).await, ["c", "d", "B", "a", "b"]);
    assert_eq!(apps("d", 2).await, ["B", "a"]);
    assert_eq!(data_of(&rows(&stores, "b").await), ["b", "b"]);
    assert_eq!(data_of(&rows(&stores, "B").await), ["B"]);
    assert_eq!(rows(&stores, "x").await, []);
}

pub(crate) async fn texts_of_rows_are_read_as_they_are<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    let data = "\u{1a}0 \u{1a} é 😀 \" \\ \n {\"a\": 1.50}";
    let inserted = Inserted {
        app: "shöp's \"app\" \u{1a}0",
        channel: "a/b \u{1a}1",
        event: "évent",
        data: Some(data),
        is_transient: false,
        extra: Some("{\"a\": [1, 2]}"),
    };
    let nothing = Inserted {
        data: None,
        ..row(inserted.app, "news", "")
    };
    fixture.insert(&[inserted.clone(), nothing]).await;
    assert_eq!(stores.rows.apps("", 10).await.unwrap(), [inserted.app]);
    let found = rows(&stores, inserted.app).await;
    let expected = RowContent::Event {
        channel: inserted.channel.into(),
        event: inserted.event.into(),
        data: Some(data.into()),
        extra: Some("{\"a\": [1, 2]}".into()),
        persist: true,
    };
    assert_eq!(found[0].content, expected);
    assert!(matches!(
        found[1].content,
        RowContent::Event { data: None, .. }
    ));
}

pub(crate) async fn rejected_rows_are_moved_aside_and_pruned<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    let inserted = [
        row("shop", "", "1"),
        row("shop", "news", "2"),
        row("shop", "", "3"),
    ];
    fixture.insert(&inserted).await;
    let found = rows(&stores, "shop").await;
    let rejected: Vec<(RowId, String)> = [0, 2]
        .map(|at| (found[at].id.clone(), format!("reason '{at}'")))
        .into();
    stores.rows.reject(&rejected, NOW).await.unwrap();
    // Again, as after an answer that was lost.
    stores.rows.reject(&rejected, NOW).await.unwrap();
    assert_eq!(data_of(&rows(&stores, "shop").await), ["2"]);
    assert_eq!(fixture.rejected().await, ["reason '0'", "reason '2'"]);
    let prune = |before: Timestamp, limit| stores.rows.prune_rejected(before, limit);
    assert_eq!(prune(NOW, 10).await.unwrap(), 0);
    let later = NOW.plus(Duration::from_secs(1));
    assert_eq!(prune(later, 1).await.unwrap(), 1);
    assert_eq!(prune(later, 10).await.unwrap(), 1);
    assert!(fixture.rejected().await.is_empty());
}

pub(crate) async fn one_holder_has_the_lease<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    let others = fixture.open().await;
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    assert!(stores.rows.hold("a", at(0), at(10)).await.unwrap());
    assert!(!others.rows.hold("b", at(9), at(19)).await.unwrap());
    assert!(stores.rows.hold("a", at(9), at(19)).await.unwrap());
    assert!(!others.rows.hold("b", at(18), at(28)).await.unwrap());
    assert!(others.rows.hold("b", at(19), at(29)).await.unwrap());
    stores.rows.release("a").await.unwrap();
    assert!(!stores.rows.hold("a", at(20), at(30)).await.unwrap());
    others.rows.release("b").await.unwrap();
    assert!(stores.rows.hold("a", at(20), at(30)).await.unwrap());
}

pub(crate) async fn an_insert_ends_the_wait<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    // Connects.
    stores.rows.inserted().await;
    let wait = async {
        while stores.rows.oldest().await.unwrap().is_none() {
            stores.rows.inserted().await;
        }
    };
    let inserted = [row("shop", "news", "1")];
    tokio::join!(wait, fixture.insert(&inserted));
}

pub(crate) async fn events_of_rows_are_marked_as_due<F: Application>(fixture: &F) {
    let stores = fixture.open().await;
    let shop = app(&stores, "shop").await;
    let inserted = [row("shop", "news", "1"), row("shop", "news", "2")];
    fixture.insert(&inserted).await;
    let mut moves = moves(&shop, &rows(&stores, "shop").await);
    moves[1].due = Some("key".into());
    for moved in stores.rows.move_rows(&moves).await {
        moved.unwrap();
    }
    let until = NOW.plus(Duration::from_secs(60));
    let due = stores
        .due
        .claim_due("a", NOW, until, (&[], None), 10, 10)
        .await
        .unwrap();
    let due: HashSet<(String, String)> = due
        .iter()
        .map(|due| {
            (
                due.publish.to_string(),
                due.event.new.payload.data.to_string(),
            )
        })
        .collect();
    assert_eq!(due, [("key".to_owned(), "2".to_owned())].into());
}
