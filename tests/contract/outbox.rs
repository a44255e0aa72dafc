use std::sync::Arc;
use std::time::Duration;

use pushi::core::model::{
    App, AppIdent, Attempt, Claim, ClientEventDetails, OutboxEvent, OutboxEventKind, QueuedEvent,
    ReportedPresence, Timestamp, UserId, WebhookEvent,
};
use pushi::core::ports::{AttemptResult, ClaimUpdate, Disposition, Stores};

use crate::fixture::Fixture;
use crate::samples::{NOW, app, app_to_create, channel, user};

pub const HOOK: &str = "https://shop.example/hook";
pub const OTHER: &str = "http://127.0.0.1:9/other?x=1";

pub fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub fn happening(app: &App, name: &str, what: OutboxEventKind, addresses: &[&str]) -> OutboxEvent {
    let addresses = addresses
        .iter()
        .map(|address| Arc::from(*address))
        .collect();
    OutboxEvent {
        app: app.ident.clone(),
        channel: channel(name),
        at: NOW,
        what,
        addresses,
    }
}

/// A cache miss: it says nothing about who is there.
pub fn miss(app: &App, name: &str) -> OutboxEvent {
    happening(app, name, OutboxEventKind::CacheMiss, &[HOOK])
}

pub async fn claim_all(stores: &Stores, holder: &str, now: Timestamp) -> Vec<Claim> {
    stores
        .outbox
        .claim(holder, now, now.plus(Duration::from_secs(10)), 100)
        .await
        .unwrap()
}

/// The one address that is due.
pub async fn claim(stores: &Stores, holder: &str, now: Timestamp) -> Claim {
    let mut claims = claim_all(stores, holder, now).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

pub fn settlement(
    disposition: Disposition,
    upto: u64,
    notices: u64,
    next: ClaimUpdate,
) -> AttemptResult {
    let attempt = match disposition {
        Disposition::Delivered => Attempt {
            status: Some(200),
            problem: None,
        },
        _ => Attempt {
            status: None,
            problem: Some("nobody \0 there".into()),
        },
    };
    AttemptResult {
        disposition,
        upto,
        notices,
        at: at(1),
        attempt,
        next,
    }
}

fn names(notices: &[QueuedEvent]) -> Vec<(&str, WebhookEvent)> {
    notices
        .iter()
        .map(|notice| (notice.channel.as_str(), notice.what.kind()))
        .collect()
}

pub async fn every_kind_of_happening_is_read_back<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let said = ClientEventDetails {
        event: "client-é".into(),
        data: "a\0b\u{1a}".into(),
        socket: "1.2".into(),
        user: Some(user("ann")),
    };
    let kinds = [
        OutboxEventKind::Occupied,
        OutboxEventKind::MemberAdded(user("ann")),
        OutboxEventKind::CacheMiss,
        OutboxEventKind::ClientEvent(said.clone()),
        OutboxEventKind::ClientEvent(ClientEventDetails { user: None, ..said }),
        OutboxEventKind::SubscriptionCount(7),
        OutboxEventKind::MemberRemoved(user("ann")),
        OutboxEventKind::Vacated,
    ];
    let put: Vec<OutboxEvent> = kinds
        .iter()
        .map(|what| happening(&app, "presence-x", what.clone(), &[HOOK]))
        .collect();
    stores.outbox.put(&put).await.unwrap();
    if F::LASTING {
        stores.database.close().await;
    }
    let stores = fixture.open().await;
    let notices = stores
        .outbox
        .oldest(&claim(&stores, "n", NOW).await, 100)
        .await
        .unwrap();
    assert_eq!(
        notices
            .iter()
            .map(|notice| notice.what.clone())
            .collect::<Vec<_>>(),
        kinds
    );
    assert!(notices.iter().all(
        |notice| (notice.channel.as_str(), notice.at, notice.since) == ("presence-x", NOW, NOW)
    ));
    assert!(notices.windows(2).all(|pair| pair[0].id < pair[1].id));
}

pub async fn each_address_has_a_queue_in_the_order_of_the_puts(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for name in ["1", "2"] {
        stores
            .outbox
            .put(&[
                happening(&app, name, OutboxEventKind::CacheMiss, &[HOOK, OTHER]),
                miss(&app, "3"),
            ])
            .await
            .unwrap();
    }
    let claims = claim_all(&stores, "n", NOW).await;
    assert_eq!(claims.len(), 2);
    for claim in claims {
        let own: &[&str] = if &*claim.address == HOOK {
            &["1", "3", "2", "3"]
        } else {
            &["1", "2"]
        };
        let notices = stores.outbox.oldest(&claim, 100).await.unwrap();
        assert_eq!(
            names(&notices)
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>(),
            own
        );
        assert_eq!(stores.outbox.oldest(&claim, 1).await.unwrap(), notices[..1]);
    }
    assert_eq!(stores.outbox.depth().await.unwrap(), 6);
}

pub async fn of_several_that_say_the_same_one_is_written(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    let says = |what| happening(&app, "presence-x", what, &[HOOK]);
    stores
        .outbox
        .put(&[
            says(OutboxEventKind::Vacated),
            says(OutboxEventKind::MemberRemoved(user("ann"))),
        ])
        .await
        .unwrap();
    assert_eq!(claim_all(&stores, "n", NOW).await, [], "nobody was there");
    for stores in [&stores, &other] {
        stores
            .outbox
            .put(&[
                says(OutboxEventKind::Occupied),
                says(OutboxEventKind::MemberAdded(user("ann"))),
            ])
            .await
            .unwrap();
    }
    other
        .outbox
        .put(&[says(OutboxEventKind::MemberAdded(user("bo")))])
        .await
        .unwrap();
    for stores in [&stores, &other] {
        stores
            .outbox
            .put(&[
                says(OutboxEventKind::MemberRemoved(user("ann"))),
                says(OutboxEventKind::Vacated),
            ])
            .await
            .unwrap();
    }
    stores
        .outbox
        .put(&[says(OutboxEventKind::Occupied)])
        .await
        .unwrap();
    let notices = stores
        .outbox
        .oldest(&claim(&stores, "n", NOW).await, 100)
        .await
        .unwrap();
    let told: Vec<OutboxEventKind> = notices.into_iter().map(|notice| notice.what).collect();
    let expected = [
        OutboxEventKind::Occupied,
        OutboxEventKind::MemberAdded(user("ann")),
        OutboxEventKind::MemberAdded(user("bo")),
        OutboxEventKind::MemberRemoved(user("ann")),
        OutboxEventKind::Vacated,
        OutboxEventKind::Occupied,
    ];
    assert_eq!(told, expected);
}

pub async fn of_twenty_that_say_the_same_at_once_one_is_written(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let put = |number: u64| {
        let (stores, own) = (
            stores.clone(),
            happening(
                &app,
                "x",
                OutboxEventKind::SubscriptionCount(number),
                &[HOOK],
            ),
        );
        let same = happening(&app, "x", OutboxEventKind::Occupied, &[HOOK]);
        tokio::spawn(async move { stores.outbox.put(&[same, own]).await.unwrap() })
    };
    for task in (0..20).map(put).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let notices = stores
        .outbox
        .oldest(&claim(&stores, "n", NOW).await, 100)
        .await
        .unwrap();
    assert_eq!(
        notices
            .iter()
            .filter(|notice| notice.what == OutboxEventKind::Occupied)
            .count(),
        1
    );
    assert_eq!(notices.len(), 21);
}

pub async fn who_is_there_is_remembered_also_where_nobody_is_told(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    let silent = |name: &str, what| happening(&one, name, what, &[]);
    let ann = || OutboxEventKind::MemberAdded(user("ann"));
    let put = [
        silent("b", OutboxEventKind::Occupied),
        silent("a", ann()),
        silent("a", OutboxEventKind::MemberAdded(user("Ann"))),
        silent("c", ann()),
    ];
    stores.outbox.put(&put).await.unwrap();
    stores
        .outbox
        .put(&[
            silent("a", OutboxEventKind::Occupied),
            silent("c", OutboxEventKind::MemberRemoved(user("ann"))),
        ])
        .await
        .unwrap();
    stores
        .outbox
        .put(&[happening(&two, "z", OutboxEventKind::Occupied, &[])])
        .await
        .unwrap();
    assert_eq!(
        (
            claim_all(&stores, "n", NOW).await,
            stores.outbox.depth().await.unwrap()
        ),
        (Vec::new(), 0)
    );
    let mark = |name: &str, of: Option<&str>| ReportedPresence {
        channel: channel(name),
        user: of.map(user),
    };
    let all = [
        mark("a", None),
        mark("a", Some("Ann")),
        mark("a", Some("ann")),
        mark("b", None),
    ];
    let again = fixture.open().await;
    assert_eq!(
        again
            .outbox
            .reported_presence(&one.ident, None, 100)
            .await
            .unwrap(),
        all
    );
    assert_eq!(
        again
            .outbox
            .reported_presence(&one.ident, None, 1)
            .await
            .unwrap(),
        all[..1]
    );
    assert_eq!(
        again
            .outbox
            .reported_presence(&one.ident, Some(&all[0]), 2)
            .await
            .unwrap(),
        all[1..3]
    );
    assert_eq!(
        again
            .outbox
            .reported_presence(&one.ident, Some(&all[2]), 100)
            .await
            .unwrap(),
        all[3..]
    );
}

pub async fn a_claim_is_one_holders_until_its_time_is_over(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    stores
        .outbox
        .put(&[OutboxEvent {
            at: at(5),
            ..miss(&app, "x")
        }])
        .await
        .unwrap();
    assert_eq!(claim_all(&stores, "one", at(4)).await, [], "not due yet");
    let first = claim(&stores, "one", at(5)).await;
    assert_eq!(
        (&*first.holder, &first.app, &*first.address, first.attempts),
        ("one", &app.ident, HOOK, 0)
    );
    assert_eq!(claim_all(&other, "two", at(14)).await, []);
    assert_eq!(
        claim_all(&stores, "one", at(14)).await,
        [],
        "not even by the same"
    );
    let second = claim(&other, "two", at(15)).await;
    let notices = other.outbox.oldest(&second, 10).await.unwrap();
    let delivered = settlement(
        Disposition::Delivered,
        notices[0].id,
        1,
        ClaimUpdate::Free(at(15)),
    );
    assert!(
        !stores.outbox.settle(&first, &delivered).await.unwrap(),
        "it is another's by now"
    );
    assert_eq!(other.outbox.oldest(&second, 10).await.unwrap(), notices);
    assert!(other.outbox.settle(&second, &delivered).await.unwrap());
    assert!(
        !other.outbox.settle(&second, &delivered).await.unwrap(),
        "it was given back"
    );
}

pub async fn of_twenty_that_claim_at_once_each_address_has_one(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let addresses: Vec<String> = (0..10).map(|n| format!("http://host-{n}/")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    stores
        .outbox
        .put(&[happening(&app, "x", OutboxEventKind::CacheMiss, &addresses)])
        .await
        .unwrap();
    let claim = |n: u32| {
        let stores = stores.clone();
        tokio::spawn(async move {
            stores
                .outbox
                .claim(&format!("node-{n}"), NOW, at(10), 3)
                .await
                .unwrap()
        })
    };
    let mut claimed = Vec::new();
    for task in (0..20).map(claim).collect::<Vec<_>>() {
        let claims = task.await.unwrap();
        assert!(claims.len() <= 3);
        claimed.extend(claims.into_iter().map(|claim| claim.address));
    }
    // Somebody who lost all its three to others may have left some for later.
    claimed.extend(
        claim_all(&stores, "last", NOW)
            .await
            .into_iter()
            .map(|claim| claim.address),
    );
    claimed.sort_unstable();
    assert_eq!(
        claimed.iter().map(|address| &**address).collect::<Vec<_>>(),
        addresses
    );
}

pub async fn what_was_delivered_is_gone_and_the_rest_stays(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    stores
        .outbox
        .put(&["1", "2", "3"].map(|name| miss(&app, name)))
        .await
        .unwrap();
    let held = claim(&stores, "n", NOW).await;
    let notices = stores.outbox.oldest(&held, 2).await.unwrap();
    stores.outbox.put(&[miss(&app, "4")]).await.unwrap();
    let hold = settlement(
        Disposition::Delivered,
        notices[1].id,
        2,
        ClaimUpdate::Hold(at(60)),
    );
    assert!(stores.outbox.settle(&held, &hold).await.unwrap());
    assert_eq!(
        claim_all(&stores, "other", at(59)).await,
        [],
        "it is still held"
    );
    let rest = stores.outbox.oldest(&held, 10).await.unwrap();
    assert_eq!(
        names(&rest)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>(),
        ["3", "4"]
    );
    // With something left the address is due at its time, without it is forgotten.
    assert!(
        stores
            .outbox
            .settle(
                &held,
                &settlement(
                    Disposition::Delivered,
                    rest[0].id,
                    1,
                    ClaimUpdate::Free(at(20))
                )
            )
            .await
            .unwrap()
    );
    assert_eq!(claim_all(&stores, "n", at(19)).await, []);
    let held = claim(&stores, "n", at(20)).await;
    assert!(
        stores
            .outbox
            .settle(
                &held,
                &settlement(
                    Disposition::Delivered,
                    rest[1].id,
                    1,
                    ClaimUpdate::Free(at(20))
                )
            )
            .await
            .unwrap()
    );
    assert_eq!(claim_all(&stores, "n", at(99)).await, []);
    assert_eq!(stores.outbox.depth().await.unwrap(), 0);
    stores.outbox.put(&[miss(&app, "5")]).await.unwrap();
    let again = stores
        .outbox
        .oldest(&claim(&stores, "n", NOW).await, 10)
        .await
        .unwrap();
    assert_eq!(names(&again)[0].0, "5");
}

pub async fn what_failed_stays_and_is_counted(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    stores.outbox.put(&[miss(&app, "1")]).await.unwrap();
    for attempts in 0..3 {
        let held = claim(&stores, "n", at(attempts * 10)).await;
        assert_eq!(held.attempts, attempts);
        let failed = settlement(
            Disposition::Failed,
            0,
            0,
            ClaimUpdate::Free(at((attempts + 1) * 10)),
        );
        assert!(stores.outbox.settle(&held, &failed).await.unwrap());
        // What is put meanwhile does not make it due.
        stores.outbox.put(&[miss(&app, "x")]).await.unwrap();
        assert_eq!(
            claim_all(&stores, "n", at((attempts + 1) * 10 - 1)).await,
            []
        );
    }
    let held = claim(&stores, "n", at(30)).await;
    let notices = stores.outbox.oldest(&held, 10).await.unwrap();
    assert_eq!(notices.len(), 4);
    let given_up = settlement(
        Disposition::GivenUp,
        notices[0].id,
        1,
        ClaimUpdate::Free(at(30)),
    );
    assert!(stores.outbox.settle(&held, &given_up).await.unwrap());
    let held = claim(&stores, "n", at(30)).await;
    assert_eq!(
        (
            held.attempts,
            stores.outbox.oldest(&held, 10).await.unwrap()
        ),
        (4, notices[1..].to_vec())
    );
    let delivered = settlement(
        Disposition::Delivered,
        notices[1].id,
        1,
        ClaimUpdate::Free(at(30)),
    );
    assert!(stores.outbox.settle(&held, &delivered).await.unwrap());
    assert_eq!(
        claim(&stores, "n", at(30)).await.attempts,
        0,
        "counted anew"
    );
    let log = stores
        .deliveries
        .deliveries(&app.ident, None, 9)
        .await
        .unwrap();
    assert_eq!(
        log.iter().map(|entry| entry.attempts).collect::<Vec<_>>(),
        [5, 4]
    );
}

pub async fn claims_are_given_back_together(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let addresses = ["http://a/", "http://b/", "http://c/"];
    stores
        .outbox
        .put(&[happening(&app, "x", OutboxEventKind::CacheMiss, &addresses)])
        .await
        .unwrap();
    let stays = stores.outbox.claim("other", NOW, at(10), 1).await.unwrap();
    assert_eq!(claim_all(&stores, "gone", NOW).await.len(), 2);
    stores.outbox.release("gone").await.unwrap();
    let again = claim_all(&stores, "next", NOW).await;
    assert_eq!((again.len(), again.contains(&stays[0])), (2, false));
}

pub async fn those_that_are_due_longest_come_first(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for (address, second) in [("http://b/", 2), ("http://c/", 1), ("http://a/", 3)] {
        stores
            .outbox
            .put(&[OutboxEvent {
                at: at(second),
                ..happening(&app, "x", OutboxEventKind::CacheMiss, &[address])
            }])
            .await
            .unwrap();
    }
    let claims = stores.outbox.claim("n", at(3), at(9), 2).await.unwrap();
    let mut first: Vec<&str> = claims.iter().map(|claim| &*claim.address).collect();
    first.sort_unstable();
    assert_eq!(first, ["http://b/", "http://c/"]);
}

pub async fn happenings_of_an_app_that_is_not_there_are_passed_over(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let stray = OutboxEvent {
        app: AppIdent::trusted("nobody"),
        ..happening(&app, "x", OutboxEventKind::Occupied, &[HOOK])
    };
    stores
        .outbox
        .put(&[stray.clone(), miss(&app, "own")])
        .await
        .unwrap();
    assert_eq!(stores.outbox.depth().await.unwrap(), 1);
    stores.apps.create(app_to_create("nobody")).await.unwrap();
    assert_eq!(
        stores
            .outbox
            .reported_presence(&stray.app, None, 10)
            .await
            .unwrap(),
        []
    );
    stores.outbox.put(&[]).await.unwrap();
}

pub async fn a_deleted_app_takes_its_outbox_with_it(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (gone, stays) = (app(&stores, "a").await, app(&stores, "b").await);
    for app in [&gone, &stays] {
        stores
            .outbox
            .put(&[happening(app, "x", OutboxEventKind::Occupied, &[HOOK])])
            .await
            .unwrap();
    }
    let held: Vec<Claim> = claim_all(&stores, "n", NOW)
        .await
        .into_iter()
        .filter(|claim| claim.app == gone.ident)
        .collect();
    stores.apps.delete(&gone.ident).await.unwrap();
    assert!(
        !stores
            .outbox
            .settle(
                &held[0],
                &settlement(Disposition::Failed, 0, 0, ClaimUpdate::Free(NOW))
            )
            .await
            .unwrap()
    );
    stores.apps.create(app_to_create("a")).await.unwrap();
    assert_eq!(
        stores
            .outbox
            .reported_presence(&gone.ident, None, 10)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        claim_all(&stores, "m", at(99))
            .await
            .into_iter()
            .map(|claim| claim.app)
            .collect::<Vec<_>>(),
        [stays.ident]
    );
}

pub async fn odd_users_and_addresses_are_told_apart(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let users: Vec<UserId> = ["a", "A", "á", "a ", "'", "%", "漢"]
        .iter()
        .map(|id| user(id))
        .collect();
    let joins = users.iter().map(|user| {
        happening(
            &app,
            "presence-x",
            OutboxEventKind::MemberAdded(user.clone()),
            &[HOOK],
        )
    });
    stores.outbox.put(&joins.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(stores.outbox.depth().await.unwrap(), users.len() as u64);
    let twins = ["http://h/%41", "http://h/A", "http://h/a"];
    stores
        .outbox
        .put(&[happening(&app, "x", OutboxEventKind::CacheMiss, &twins)])
        .await
        .unwrap();
    assert_eq!(claim_all(&stores, "n", NOW).await.len(), 4);
}
