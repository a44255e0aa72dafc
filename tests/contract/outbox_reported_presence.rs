//! Reported presence: an event that repeats the last report is not put into the outbox again.

use pushi::core::model::{OutboxEventKind, ReportedPresence};

use crate::fixture::Fixture;
use crate::outbox::{HOOK, claim, claim_all, happening};
use crate::samples::{NOW, app, channel, user};

pub(crate) async fn duplicate_reports_are_written_once(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    let says = |kind| happening(&app, "presence-x", kind, &[HOOK]);
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
    let events = stores
        .outbox
        .oldest(&claim(&stores, "n", NOW).await, 100)
        .await
        .unwrap();
    let told: Vec<OutboxEventKind> = events.into_iter().map(|notice| notice.kind).collect();
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

pub(crate) async fn concurrent_duplicate_reports_are_written_once(fixture: &impl Fixture) {
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
    let events = stores
        .outbox
        .oldest(&claim(&stores, "n", NOW).await, 100)
        .await
        .unwrap();
    assert_eq!(
        events
            .iter()
            .filter(|notice| notice.kind == OutboxEventKind::Occupied)
            .count(),
        1
    );
    assert_eq!(events.len(), 21);
}

pub(crate) async fn presence_is_recorded_without_webhooks(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    let silent = |name: &str, kind| happening(&one, name, kind, &[]);
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
