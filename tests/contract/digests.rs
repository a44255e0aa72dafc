//! Notifications that are sent together.

use pushi::core::model::{
    AppIdent, Claim, DigestWindow, LoggedNotification, NotificationFilter, NotificationState,
    TargetKind,
};
use pushi::core::ports::{ClaimUpdate, Disposition, Stores};

use crate::fixture::Fixture;
use crate::notifications::{notification, settled};
use crate::samples::app;
use crate::targets::at;

fn address() -> String {
    let window = DigestWindow::parse("15m").unwrap();
    TargetKind::Smtp.digest_address("ann@shop.example", window)
}

/// Claims the only queue, which has notifications of these publishes.
async fn claim_with(stores: &Stores, ident: &AppIdent, publishes: &[&str]) -> (Claim, Vec<u64>) {
    for publish in publishes {
        let one = notification(ident, publish, &[&address()]);
        stores.outbox.put(&[one]).await.unwrap();
    }
    let claims = stores
        .outbox
        .claim_targets(TargetKind::Smtp, "n", at(100), at(500), &[], 10)
        .await
        .unwrap();
    assert_eq!(claims.len(), 1);
    assert_eq!(*claims[0].address, *address());
    let waiting = stores.outbox.oldest(&claims[0], 10).await.unwrap();
    let ids = waiting.iter().map(|event| event.id).collect();
    (claims.into_iter().next().unwrap(), ids)
}

async fn listed(stores: &Stores, ident: &AppIdent) -> Vec<LoggedNotification> {
    let filter = NotificationFilter {
        kind: Some(TargetKind::Smtp),
        state: None,
    };
    let log = &stores.notifications;
    log.notifications(ident, filter, 10).await.unwrap()
}

pub(crate) async fn notifications_sent_together_are_logged_one_by_one<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let (claim, ids) = claim_with(&stores, &ident, &["p1", "p2", "p3", "p4"]).await;
    let mut result = settled(Disposition::Delivered, ids[2], None);
    result.events = 3;
    result.next = ClaimUpdate::Hold(at(500));
    assert!(stores.outbox.settle(&claim, &result).await.unwrap());
    let left = stores.outbox.oldest(&claim, 10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, ids[3]);
    let listed = listed(&stores, &ident).await;
    let states: Vec<NotificationState> = listed.iter().map(|one| one.state).collect();
    let done = NotificationState::Done;
    assert_eq!(states, [NotificationState::Waiting, done, done, done]);
    assert!(listed[1].id > listed[2].id && listed[2].id > listed[3].id);
    for one in &listed {
        assert_eq!((&*one.channel, &*one.event), ("news", "message"));
        assert_eq!((one.created, &*one.address), (at(1), &*address()));
    }
    // None of them is queued again.
    for publish in ["p1", "p2", "p3", "p4"] {
        let log = &stores.notifications;
        assert!(log.is_known(&ident, &address(), publish).await.unwrap());
        let again = notification(&ident, publish, &[&address()]);
        stores.outbox.put(&[again]).await.unwrap();
    }
    assert_eq!(stores.outbox.depth().await.unwrap(), 1);
}

pub(crate) async fn notifications_given_up_together_are_replayed_together<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let (claim, ids) = claim_with(&stores, &ident, &["p1", "p2", "p3"]).await;
    let mut result = settled(Disposition::GivenUp, ids[2], Some("refused"));
    result.events = 3;
    assert!(stores.outbox.settle(&claim, &result).await.unwrap());
    let failed = listed(&stores, &ident).await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].state, NotificationState::Failed);
    let replayed = stores.deliveries.replay(&ident, failed[0].id, at(50));
    assert_eq!(replayed.await.unwrap(), 3);
    let (_, ids) = claim_with(&stores, &ident, &[]).await;
    assert_eq!(ids.len(), 3);
}
