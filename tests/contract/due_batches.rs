//! Due events that are marked with what they have themselves: their publish, or their `mid`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use pushi::core::model::{
    App, AppIdent, DueMark, DuePublish, Event, NewEvent, Position, PublishId,
};
use pushi::core::ports::{Pruning, Stores};

use crate::fixture::Fixture;
use crate::samples::{app, event};
use crate::targets::at;

/// The mark that the server gives an event.
fn own(event: &NewEvent) -> Option<Arc<str>> {
    let publish = event.publish.as_ref().map(|publish| &publish.0);
    Some(Arc::clone(publish.unwrap_or(&event.mid.0)))
}

async fn append(stores: &Stores, events: &[NewEvent], due: &[Option<Arc<str>>]) -> Vec<Position> {
    let stored = stores.events.append_due(events, due).await;
    stored.into_iter().map(Result::unwrap).collect()
}

async fn append_own(stores: &Stores, events: &[NewEvent]) -> Vec<Position> {
    append(stores, events, &events.iter().map(own).collect::<Vec<_>>()).await
}

/// Claims until there is nothing, at most `count` events of an app at once.
async fn claim_all(stores: &Stores, holder: &str, count: usize) -> Vec<DuePublish> {
    let mut claimed = Vec::new();
    loop {
        let claim = stores
            .due
            .claim_due(holder, at(100), at(200), (&[], None), 10, count);
        let some = claim.await.unwrap();
        if some.is_empty() {
            return claimed;
        }
        for app in some.iter().map(|due| &due.app) {
            assert!(some.iter().filter(|due| due.app == *app).count() <= count);
        }
        claimed.extend(some);
    }
}

/// The publishes by the events' data.
fn read(claimed: &[DuePublish], app: &App) -> BTreeMap<String, String> {
    let of_app = claimed.iter().filter(|due| due.app == app.ident);
    let pair = |due: &DuePublish| {
        (
            due.event.new.payload.data.to_string(),
            due.publish.to_string(),
        )
    };
    let read: BTreeMap<_, _> = of_app.clone().map(pair).collect();
    assert_eq!(read.len(), of_app.count(), "an event was claimed twice");
    read
}

async fn list(stores: &Stores, app: &AppIdent, limit: usize) -> Vec<DueMark> {
    let mut listed: Vec<DueMark> = Vec::new();
    loop {
        let after = listed.last().map_or(0, |mark| mark.event);
        let page = stores.due.list_due(app, after, limit).await.unwrap();
        assert!(page.len() <= limit);
        if page.is_empty() {
            return listed;
        }
        listed.extend(page);
    }
}

pub(crate) async fn events_due_as_themselves_are_claimed_once<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let (a, b) = (app(&stores, "a").await, app(&stores, "b").await);
    let of = |app: &App, data: &str| event(app, "news", data);
    let copy = |data: &str| NewEvent {
        publish: Some(PublishId("copies".into())),
        ..of(&a, data)
    };
    let mut expected: Vec<(u64, NewEvent, Arc<str>)> = Vec::new();
    let mixed = [
        of(&a, "05"),
        of(&b, "b2"),
        of(&a, "06"),
        of(&b, "b3"),
        of(&a, "07"),
    ];
    let commits: [Vec<(NewEvent, bool)>; 7] = [
        vec![
            (of(&a, "01"), true),
            (of(&b, "b1"), true),
            (of(&a, "02"), true),
        ],
        vec![(of(&a, "03"), true)],
        vec![(of(&a, "not due"), false)],
        vec![(of(&a, "04"), true)],
        mixed.into_iter().map(|event| (event, true)).collect(),
        vec![(copy("08"), true), (copy("09"), true)],
        vec![(of(&a, "10"), true), (of(&a, "not due"), false)],
    ];
    for (commit, events) in commits.into_iter().enumerate() {
        let mut due: Vec<_> = events
            .iter()
            .map(|(event, is_due)| own(event).filter(|_| *is_due))
            .collect();
        if commit == 4 {
            // The second copy of a publish that is repeated.
            due[2] = Some("another".into());
        }
        let events: Vec<NewEvent> = events.into_iter().map(|(event, _)| event).collect();
        let positions = append(&stores, &events, &due).await;
        for ((event, due), position) in events.into_iter().zip(due).zip(positions) {
            expected.extend(due.map(|due| (position.id, event, due)));
        }
    }
    let stores = fixture.open().await;
    let of_app = |app: &App| {
        let of_app = expected
            .iter()
            .filter(|(_, event, _)| event.app == app.ident);
        let pair = |(_, event, due): &(u64, NewEvent, Arc<str>)| {
            (event.payload.data.to_string(), due.to_string())
        };
        of_app.map(pair).collect::<BTreeMap<_, _>>()
    };
    let marks: Vec<DueMark> = expected
        .iter()
        .filter(|(_, event, _)| event.app == a.ident)
        .map(|(id, _, due)| DueMark {
            event: *id,
            publish: Arc::clone(due),
            cursor: None,
        })
        .collect();
    assert_eq!((of_app(&a).len(), of_app(&b).len()), (10, 3));
    for limit in [3, 100] {
        assert_eq!(list(&stores, &a.ident, limit).await, marks);
    }
    stores.due.put_due(&a.ident, &marks[..5]).await.unwrap();
    let claim = stores
        .due
        .claim_due("one", at(100), at(200), (&[], None), 10, 3);
    let mut first = claim.await.unwrap();
    let other = fixture.open().await;
    let rest = claim_all(&other, "two", 2).await;
    assert_eq!(list(&stores, &a.ident, 4).await, marks);
    let both = [first.clone(), rest.clone()].concat();
    assert_eq!([read(&both, &a), read(&both, &b)], [of_app(&a), of_app(&b)]);
    // What a node releases is claimed by another one.
    stores.due.finish_due(&rest).await.unwrap();
    stores.due.finish_due(&[first.remove(0)]).await.unwrap();
    stores.due.release_due("one").await.unwrap();
    let again = claim_all(&other, "three", 100).await;
    assert_eq!(
        [read(&again, &a), read(&again, &b)],
        [read(&first, &a), read(&first, &b)]
    );
    other.due.finish_due(&again).await.unwrap();
    assert_eq!(list(&stores, &a.ident, 100).await, []);
    // And later events are due as those were.
    append_own(&stores, &[of(&a, "11")]).await;
    assert_eq!(claim_all(&stores, "four", 9).await.len(), 1);
}

pub(crate) async fn events_that_are_not_stored_any_more_are_not_due<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let pruning = Pruning {
        before: None,
        keep: Some(2),
    };
    for _ in 0..3 {
        let events = ["1", "2", "3"].map(|data| event(&app, "news", data));
        append_own(&stores, &events).await;
    }
    stores.events.prune(pruning, 100).await.unwrap();
    let marks = list(&stores, &app.ident, 100).await;
    let claimed = claim_all(&stores, "n", 1).await;
    let data = claimed.iter().map(|due| &*due.event.new.payload.data);
    assert_eq!(data.collect::<Vec<_>>(), ["2", "3"]);
    assert!(marks.len() >= 2, "{marks:?}");
    stores.due.finish_due(&claimed).await.unwrap();
    append_own(&stores, &[event(&app, "news", "4")]).await;
    let none = Pruning {
        keep: Some(0),
        ..pruning
    };
    stores.events.prune(none, 100).await.unwrap();
    assert!(claim_all(&stores, "n", 9).await.is_empty());
}

pub(crate) async fn imported_events_are_not_due<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let stored = append_own(&stores, &[event(&app, "news", "1")]).await;
    let imported = |data: &str, id: u64| Event {
        new: event(&app, "other", data),
        position: Position { id, serial: id },
    };
    let id = stored[0].id;
    let events = [imported("2", id + 10), imported("3", id + 11)];
    let archive = &stores.archive;
    archive.put_events(&app.ident, &[], &events).await.unwrap();
    append_own(&stores, &[event(&app, "news", "4")]).await;
    assert_eq!(list(&stores, &app.ident, 9).await.len(), 2);
    let claimed = claim_all(&stores, "n", 9).await;
    assert_eq!(
        read(&claimed, &app).into_keys().collect::<Vec<_>>(),
        ["1", "4"]
    );
}

/// Nodes that claim while others append.
pub(crate) async fn due_events_are_claimed_once_while_others_are_stored<F: Fixture>(fixture: &F) {
    const COMMITS: usize = 20;
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let (appended, claimed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let append = async {
        for commit in 0..COMMITS {
            let data = |at: usize| format!("{commit}/{at}");
            let events = [0, 1, 2].map(|at| event(&app, "news", &data(at)));
            append_own(&stores, &events).await;
        }
        appended.store(true, Ordering::SeqCst);
    };
    let claim = async |stores: Stores, node: usize| {
        let mut mine = Vec::new();
        while !(appended.load(Ordering::SeqCst) && claimed.load(Ordering::SeqCst) >= 3 * COMMITS) {
            let some = claim_all(&stores, &format!("n{node}"), 1 + node).await;
            claimed.fetch_add(some.len(), Ordering::SeqCst);
            mine.extend(some);
            tokio::task::yield_now().await;
        }
        mine
    };
    let nodes = [fixture.open().await, fixture.open().await, stores.clone()];
    let nodes = nodes.into_iter().enumerate();
    let claims = join_all(nodes.map(|(node, stores)| claim(stores, node)));
    let all = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(append, claims).1
    });
    let all = all.await.unwrap().concat();
    assert_eq!(read(&all, &app).len(), 3 * COMMITS);
}
