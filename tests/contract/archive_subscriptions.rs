//! Archive: subscriptions and their intervals.

use pushi::core::model::{SubscriptionFilter, SubscriptionInterval, UserSubscription};
use pushi::core::ports::ReadLimit;

use crate::fixture::Fixture;
use crate::samples::{NOW, app, channel, said, say, serials, user};

pub(crate) async fn subscriptions_are_put_with_their_intervals(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "x", &["1", "2", "3", "4"]).await;
    let (u, x) = (user("u"), channel("x"));
    let open = UserSubscription {
        id: 77,
        app: app.ident.clone(),
        user_id: u.clone(),
        channel: x.clone(),
        start: 3,
        end: None,
        created: NOW,
        modified: NOW,
    };
    let ended = SubscriptionInterval {
        user_id: u.clone(),
        channel: x.clone(),
        start: 0,
        end: 2,
    };
    for _ in 0..2 {
        stores
            .archive
            .put_subscriptions(
                &app.ident,
                std::slice::from_ref(&open),
                std::slice::from_ref(&ended),
            )
            .await
            .unwrap();
    }
    let again = fixture.open().await;
    assert_eq!(
        again
            .subscriptions
            .list(&app.ident, &SubscriptionFilter::default(), 0, 9)
            .await
            .unwrap(),
        [open]
    );
    assert_eq!(
        again.archive.intervals(&app.ident, None, 9).await.unwrap(),
        [ended]
    );
    assert_eq!(
        again
            .archive
            .intervals(&app.ident, Some(&u), 9)
            .await
            .unwrap(),
        []
    );
    let inbox = again
        .events
        .inbox(&app.ident, &u, 0, ReadLimit::events(9))
        .await
        .unwrap();
    assert_eq!(
        (serials(&inbox), said(&inbox)),
        (vec![4, 2, 1], vec!["4", "2", "1"])
    );
    let (next, new) = again
        .subscriptions
        .add(&app.ident, &u, &channel("y"), NOW)
        .await
        .unwrap();
    assert!(new && next.id > 77, "{next:?}");
}

pub(crate) async fn intervals_come_by_user_and_are_paged_by_users(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "x", &["1"]).await;
    for name in ["b", "é", "a", "c"] {
        for round in ["2", "3"] {
            stores
                .subscriptions
                .add(&app.ident, &user(name), &channel("x"), NOW)
                .await
                .unwrap();
            say(&stores, &app, "x", &[round]).await;
            stores
                .subscriptions
                .remove(&app.ident, &user(name), &channel("x"), NOW)
                .await
                .unwrap();
            say(&stores, &app, "x", &["between"]).await;
        }
    }
    // One who gets nothing out of it.
    stores
        .subscriptions
        .add(&app.ident, &user("b1"), &channel("x"), NOW)
        .await
        .unwrap();
    stores
        .subscriptions
        .remove(&app.ident, &user("b1"), &channel("x"), NOW)
        .await
        .unwrap();
    let page = async |after: Option<&str>, limit| {
        let mut page = stores
            .archive
            .intervals(&app.ident, after.map(user).as_ref(), limit)
            .await
            .unwrap();
        assert!(
            page.is_sorted_by(|one, next| one.user_id <= next.user_id),
            "{page:?}"
        );
        page.sort_by_key(|one| (one.user_id.clone(), one.start));
        page.into_iter()
            .map(|one| (one.user_id.to_string(), one.start, one.end))
            .collect::<Vec<_>>()
    };
    let of = |name: &str, start| {
        [
            (name.to_owned(), start, start + 1),
            (name.to_owned(), start + 2, start + 3),
        ]
    };
    assert_eq!(
        page(None, 3).await,
        [of("a", 9), of("b", 1), of("c", 13)].concat()
    );
    assert_eq!(page(Some("a"), 1).await, of("b", 1));
    assert_eq!(page(Some("c"), 3).await, of("é", 5));
    assert_eq!(page(Some("é"), 3).await, []);
    let many = |n: u64| SubscriptionInterval {
        user_id: user("b"),
        channel: channel("y"),
        start: 2 * n,
        end: 2 * n + 1,
    };
    stores
        .archive
        .put_subscriptions(&app.ident, &[], &(0..250).map(many).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(page(Some("a"), 2).await.len(), 254);
    assert_eq!(page(Some("b"), 1).await, of("c", 13));
}

/// More than go into one statement.
pub(crate) async fn many_subscriptions_are_put(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let name = |n: u64| {
        (
            user(&format!("u{:02}", n / 3)),
            channel(&format!("c{}", n % 3)),
        )
    };
    let open = |n: u64| {
        let (user_id, channel) = name(n);
        UserSubscription {
            id: n + 1,
            app: app.ident.clone(),
            user_id,
            channel,
            start: n,
            end: None,
            created: NOW,
            modified: NOW,
        }
    };
    let ended = |n: u64| {
        let (user_id, channel) = name(n);
        SubscriptionInterval {
            user_id,
            channel,
            start: 0,
            end: n + 1,
        }
    };
    let (open, ended): (Vec<_>, Vec<_>) = (0..43).map(|n| (open(n), ended(n))).unzip();
    stores
        .archive
        .put_subscriptions(&app.ident, &open[..5], &ended[..5])
        .await
        .unwrap();
    stores
        .archive
        .put_subscriptions(&app.ident, &open, &ended)
        .await
        .unwrap();
    assert_eq!(
        stores
            .subscriptions
            .list(&app.ident, &SubscriptionFilter::default(), 0, 99)
            .await
            .unwrap(),
        open
    );
    let mut there = stores
        .archive
        .intervals(&app.ident, None, 99)
        .await
        .unwrap();
    there.sort_by_key(|one| one.end);
    assert_eq!(there, ended);
    assert_eq!(
        stores.archive.channels(&app.ident, None, 9).await.unwrap(),
        [],
        "none of them held an event"
    );
}
