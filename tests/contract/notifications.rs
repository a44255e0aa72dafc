//! Due events, and the log of notifications.

use std::sync::Arc;
use std::time::Duration;

use pushi::core::model::{
    AppIdent, Attempt, ChannelName, Claim, DuePublish, Mid, Notification, NotificationFilter,
    NotificationState, OutboxEvent, OutboxEventKind, TargetKind, Timestamp,
};
use pushi::core::ports::{AttemptResult, ClaimUpdate, Disposition, Pruning, Stores};

use crate::fixture::Fixture;
use crate::samples::{app, channel, event};
use crate::targets::at;

const MINUTE: Duration = Duration::from_secs(60);

async fn claim(
    stores: &Stores,
    holder: &str,
    now: Timestamp,
    busy: &[AppIdent],
) -> Vec<DuePublish> {
    let until = now.plus(MINUTE);
    let claimed = stores
        .due
        .claim_due(holder, now, until, (busy, None), 10, 2)
        .await;
    claimed.unwrap()
}

pub(crate) async fn due_events_are_claimed_by_one_and_resumed<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let (first, second) = (app(&stores, "a").await, app(&stores, "b").await);
    let batch = [
        event(&first, "news", "1"),
        event(&first, "news", "2"),
        event(&first, "news", "3"),
        event(&first, "news", "4"),
        event(&second, "news", "5"),
    ];
    let key = |key: &str| Some(Arc::<str>::from(key));
    let due = [key("k1"), None, key("k3"), key("k4"), key("k5")];
    for stored in stores.events.append_due(&batch, &due).await {
        stored.unwrap();
    }
    let stores = fixture.open().await;
    let read = |claimed: &[DuePublish]| {
        let mut read: Vec<(String, String)> = claimed
            .iter()
            .map(|due| {
                (
                    due.publish.to_string(),
                    due.event.new.payload.data.to_string(),
                )
            })
            .collect();
        read.sort_unstable();
        read
    };
    let pairs = |pairs: &[(&str, &str)]| {
        let owned = pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        owned.collect::<Vec<_>>()
    };
    let mine = claim(&stores, "one", at(100), &[]).await;
    assert_eq!(read(&mine), pairs(&[("k1", "1"), ("k3", "3"), ("k5", "5")]));
    assert_eq!(mine[0].event.new.channel, channel("news"));
    let busy = [first.ident.clone()];
    assert!(claim(&stores, "two", at(100), &busy).await.is_empty());
    assert_eq!(
        read(&claim(&stores, "two", at(100), &[]).await),
        pairs(&[("k4", "4")])
    );
    // The work is resumed where it stopped, after the claim has ended.
    let one = mine.iter().find(|due| &*due.publish == "k1").unwrap();
    stores
        .due
        .advance_due(one, Some("web/7"), at(100))
        .await
        .unwrap();
    let again = claim(&stores, "two", at(101), &[]).await;
    assert_eq!(read(&again), pairs(&[("k1", "1")]));
    assert_eq!(again[0].cursor.as_deref(), Some("web/7"));
    stores.due.finish_due(&again).await.unwrap();
    stores.due.release_due("one").await.unwrap();
    let rest = claim(&stores, "three", at(102), &[]).await;
    assert_eq!(read(&rest), pairs(&[("k3", "3"), ("k5", "5")]));
    // An event that is not stored any more is not due.
    let pruning = Pruning {
        before: None,
        keep: Some(0),
    };
    stores.events.prune(pruning, 100).await.unwrap();
    assert!(claim(&stores, "four", at(100_000), &[]).await.is_empty());
}

pub(crate) async fn apps_take_turns_with_due_events<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let mut idents = Vec::new();
    for name in ["a", "b", "c"] {
        let app = app(&stores, name).await;
        for text in ["1", "2", "3"] {
            let due = [Some(Arc::<str>::from(format!("{name}{text}")))];
            let event = [event(&app, "news", text)];
            let stored = stores.events.append_due(&event, &due);
            stored.await.remove(0).unwrap();
        }
        idents.push(app.ident);
    }
    let mut last: Option<AppIdent> = None;
    let mut turns = Vec::new();
    for _ in 0..7 {
        let turn = (&[][..], last.as_ref());
        let claimed = stores
            .due
            .claim_due("n", at(100), at(200), turn, 1, 1)
            .await
            .unwrap();
        turns.push(claimed[0].app.clone());
        last = Some(claimed[0].app.clone());
    }
    // Each app once before any of them again, in an order of the store.
    for round in turns.windows(3) {
        assert!(
            idents.iter().all(|ident| round.contains(ident)),
            "{turns:?}"
        );
    }
    let turn = (&idents[..2], Some(&idents[2]));
    let claimed = stores.due.claim_due("n", at(100), at(200), turn, 5, 5);
    let claimed = claimed.await.unwrap();
    assert!(claimed.iter().all(|due| due.app == idents[2]));
}

pub(crate) fn notification(app: &AppIdent, publish: &str, addresses: &[&str]) -> OutboxEvent {
    OutboxEvent {
        app: app.clone(),
        channel: channel("news"),
        at: at(1),
        kind: OutboxEventKind::Notification(Notification {
            event: "message".into(),
            frame: "{\"data\":\"é\"}".into(),
            mid: format!("mid-{publish}").into(),
            publish: publish.into(),
        }),
        addresses: addresses.iter().map(|address| (*address).into()).collect(),
    }
}

async fn claim_web(stores: &Stores, busy: &[AppIdent]) -> Vec<Claim> {
    let (kind, until) = (TargetKind::Web, at(500));
    let outbox = &stores.outbox;
    let claimed = outbox
        .claim_targets(kind, "n", at(100), until, busy, 10)
        .await;
    claimed.unwrap()
}

pub(crate) fn settled(disposition: Disposition, upto: u64, problem: Option<&str>) -> AttemptResult {
    AttemptResult {
        disposition,
        upto,
        events: u64::from(upto != 0),
        at: at(200),
        attempt: Attempt {
            status: None,
            problem: problem.map(Into::into),
        },
        next: ClaimUpdate::Free(at(300)),
    }
}

pub(crate) async fn a_publish_is_queued_once_for_each_target<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let one = notification(&ident, "p1", &["web:http://a/", "web:http://b/"]);
    stores
        .outbox
        .put(&[one.clone(), one.clone()])
        .await
        .unwrap();
    stores.outbox.put(std::slice::from_ref(&one)).await.unwrap();
    assert_eq!(stores.outbox.depth().await.unwrap(), 2);
    // Web hooks of the app have queues of their own.
    let webhooks = stores
        .outbox
        .claim("n", at(100), at(500), 10)
        .await
        .unwrap();
    assert!(webhooks.is_empty());
    assert!(
        claim_web(&stores, std::slice::from_ref(&ident))
            .await
            .is_empty()
    );
    let claims = claim_web(&stores, &[]).await;
    assert_eq!(claims.len(), 2);
    let mut both = Vec::new();
    for claim in claims {
        let waiting = stores.outbox.oldest(&claim, 10).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].kind, one.kind);
        let done = settled(Disposition::Delivered, waiting[0].id, None);
        both.push((claim, done));
    }
    both.reverse();
    let (lost, done) = both[0].clone();
    let holder = "another".into();
    both.insert(1, (Claim { holder, ..lost }, done));
    let held = stores.outbox.settle_all(&both).await.unwrap();
    assert_eq!(held, [true, false, true]);
    let log = &stores.notifications;
    for (address, publish, is_known) in [
        ("web:http://a/", "p1", true),
        ("web:http://a/", "p2", false),
        ("web:http://c/", "p1", false),
    ] {
        let known = log.is_known(&ident, address, publish).await.unwrap();
        assert_eq!(known, is_known, "{address} {publish}");
    }
    // Also not where it was sent.
    stores.outbox.put(&[one]).await.unwrap();
    assert_eq!(stores.outbox.depth().await.unwrap(), 0);
    let next = notification(&ident, "p2", &["web:http://a/"]);
    stores.outbox.put(&[next]).await.unwrap();
    assert_eq!(stores.outbox.depth().await.unwrap(), 1);
    assert!(log.is_known(&ident, "web:http://a/", "p2").await.unwrap());
}

pub(crate) async fn a_direct_message_is_queued_without_a_channel<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let message = |id: &str| {
        let direct = Notification::direct(&Mid(id.into()), "{\"body\":\"é\"}");
        OutboxEvent {
            channel: ChannelName::trusted(""),
            kind: OutboxEventKind::Notification(direct),
            ..notification(&ident, "", &["web:http://a/"])
        }
    };
    let both = [message("1"), message("2")];
    stores.outbox.put(&both).await.unwrap();
    let claims = claim_web(&stores, &[]).await;
    let waiting = stores.outbox.oldest(&claims[0], 10).await.unwrap();
    let kinds = waiting.iter().map(|event| &event.kind);
    assert!(kinds.eq(both.iter().map(|event| &event.kind)));
    let is_direct = |kind: &OutboxEventKind| match kind {
        OutboxEventKind::Notification(one) => one.is_direct(),
        _ => false,
    };
    assert!(waiting.iter().all(|event| is_direct(&event.kind)));
    assert!(!is_direct(&notification(&ident, "p1", &[]).kind));
    let done = settled(Disposition::Delivered, waiting[1].id, None);
    assert!(stores.outbox.settle(&claims[0], &done).await.unwrap());
    let filter = NotificationFilter::default();
    let log = &stores.notifications;
    let listed = log.notifications(&ident, filter, 10).await.unwrap();
    assert_eq!(listed[0].channel, "");
    assert_eq!(listed[0].event, "direct message");
}

pub(crate) async fn a_publish_that_is_queued_again_while_it_is_sent_is_sent_once<F: Fixture>(
    fixture: &F,
) {
    const PUBLISHES: usize = 40;
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let put = async |stores: Stores| {
        for number in 0..PUBLISHES {
            let one = notification(&ident, &format!("p{number}"), &["web:http://a/"]);
            stores.outbox.put(&[one]).await.unwrap();
        }
    };
    // A delivery may end between any two steps of a call that queues the same.
    let send = async || {
        let mut sent = 0;
        while sent < PUBLISHES || stores.outbox.depth().await.unwrap() > 0 {
            for claim in claim_web(&stores, &[]).await {
                for waiting in stores.outbox.oldest(&claim, 10).await.unwrap() {
                    let mut done = settled(Disposition::Delivered, waiting.id, None);
                    done.next = ClaimUpdate::Hold(at(500));
                    assert!(stores.outbox.settle(&claim, &done).await.unwrap());
                    sent += 1;
                }
                let done = AttemptResult {
                    next: ClaimUpdate::Free(at(1)),
                    ..settled(Disposition::Delivered, 0, None)
                };
                stores.outbox.settle(&claim, &done).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
        sent
    };
    let puts = async {
        let each = [fixture.open().await, fixture.open().await, stores.clone()];
        futures_util::future::join_all(each.map(put)).await;
    };
    let (sent, ()) = tokio::join!(send(), puts);
    assert_eq!(sent, PUBLISHES);
    let further = claim_web(&stores, &[]).await;
    assert!(further.is_empty());
    assert_eq!(stores.outbox.depth().await.unwrap(), 0);
}

pub(crate) async fn notifications_are_listed_and_replayed<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let addresses = ["web:http://a/", "web:http://b/", "web:http://c/"];
    let one = notification(&ident, "p1", &addresses);
    stores.outbox.put(&[one]).await.unwrap();
    let results = [
        (Disposition::Delivered, None),
        (Disposition::GivenUp, Some("answered 500")),
        (Disposition::Failed, Some("no answer")),
    ];
    for claim in claim_web(&stores, &[]).await {
        let at = addresses.iter().position(|known| **known == *claim.address);
        let (disposition, problem) = results[at.unwrap()];
        let id = stores.outbox.oldest(&claim, 1).await.unwrap()[0].id;
        let upto = if disposition == Disposition::Failed {
            0
        } else {
            id
        };
        let result = settled(disposition, upto, problem);
        assert!(stores.outbox.settle(&claim, &result).await.unwrap());
    }
    let list = async |state: Option<NotificationState>, kind: Option<TargetKind>| {
        let filter = NotificationFilter { kind, state };
        let log = &stores.notifications;
        log.notifications(&ident, filter, 10).await.unwrap()
    };
    let waiting = list(Some(NotificationState::Waiting), Some(TargetKind::Web)).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(&*waiting[0].address, "web:http://c/");
    assert_eq!(
        (waiting[0].attempts, waiting[0].next_attempt),
        (1, Some(at(300)))
    );
    assert_eq!(waiting[0].last.problem.as_deref(), Some("no answer"));
    assert_eq!(
        (&*waiting[0].channel, &*waiting[0].event),
        ("news", "message")
    );
    assert_eq!(waiting[0].created, at(1));
    let failed = list(Some(NotificationState::Failed), None).await;
    assert_eq!((failed.len(), &*failed[0].address), (1, "web:http://b/"));
    assert_eq!((&*failed[0].channel, failed[0].created), ("news", at(1)));
    let done = list(Some(NotificationState::Done), Some(TargetKind::Web)).await;
    assert_eq!((done.len(), &*done[0].address), (1, "web:http://a/"));
    assert_eq!(list(None, None).await.len(), 3);
    assert!(list(None, Some(TargetKind::Smtp)).await.is_empty());
    // Not among those of web hooks.
    assert!(stores.deliveries.waiting(&ident).await.unwrap().is_empty());
    assert!(
        stores
            .deliveries
            .deliveries(&ident, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        stores
            .deliveries
            .replay(&ident, failed[0].id, at(210))
            .await
            .unwrap(),
        1
    );
    let log = &stores.notifications;
    assert!(log.hasten(&ident, "web:http://c/", at(90)).await.unwrap());
    assert!(
        !log.hasten(&ident, "web:http://none/", at(90))
            .await
            .unwrap()
    );
    let filter = NotificationFilter {
        state: Some(NotificationState::Waiting),
        kind: None,
    };
    let waiting = log.notifications(&ident, filter, 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    assert_eq!(claim_web(&stores, &[]).await.len(), 1);
}
