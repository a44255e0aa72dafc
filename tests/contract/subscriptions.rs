use std::time::Duration;

use pushi::core::error::StorageError;
use pushi::core::model::{AppIdent, SubscriptionFilter, Timestamp, UserSubscription};

use crate::fixture::Fixture;
use crate::samples::{NOW, app, channel, say, user};

fn later() -> Timestamp {
    NOW.plus(Duration::from_secs(60))
}

pub(crate) async fn a_subscription_begins_at_the_head(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["1", "2"]).await;
    let (subscription, new) = stores
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("room"), NOW)
        .await
        .unwrap();
    let expected = UserSubscription {
        id: subscription.id,
        app: app.ident.clone(),
        user_id: user("ann"),
        channel: channel("room"),
        start: 2,
        end: None,
        created: NOW,
        modified: NOW,
    };
    assert_eq!((&subscription, new), (&expected, true));
    let (quiet, _) = stores
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("quiet"), NOW)
        .await
        .unwrap();
    assert_eq!(quiet.start, 0);
    assert!(quiet.id > subscription.id);
    let listed = fixture
        .open()
        .await
        .subscriptions
        .list(&app.ident, &SubscriptionFilter::default(), 0, 10)
        .await
        .unwrap();
    assert_eq!(listed, [expected, quiet]);
}

pub(crate) async fn the_same_again_answers_the_one_that_is_there(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    let (first, _) = stores
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("room"), NOW)
        .await
        .unwrap();
    say(&stores, &app, "room", &["1"]).await;
    let again = other
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("room"), later())
        .await
        .unwrap();
    assert_eq!(again, (first, false));
}

pub(crate) async fn twenty_callers_adding_the_same_make_one(fixture: &impl Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let app = app(&one, "a").await;
    say(&one, &app, "room", &["1"]).await;
    let add = |n: usize| {
        let subscriptions = if n.is_multiple_of(2) { &one } else { &two }
            .subscriptions
            .clone();
        let ident = app.ident.clone();
        tokio::spawn(async move {
            subscriptions
                .add(&ident, &user("ann"), &channel("room"), NOW)
                .await
                .unwrap()
        })
    };
    let (mut made, mut answers) = (0, Vec::new());
    for task in (0..20).map(add).collect::<Vec<_>>() {
        let (subscription, new) = task.await.unwrap();
        made += u32::from(new);
        answers.push(subscription);
    }
    assert_eq!(made, 1);
    let listed = one
        .subscriptions
        .list(&app.ident, &SubscriptionFilter::default(), 0, 10)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert!(answers.iter().all(|answer| *answer == listed[0]));
}

pub(crate) async fn an_end_is_answered_once(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    let (open, _) = stores
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("room"), NOW)
        .await
        .unwrap();
    say(&stores, &app, "room", &["1", "2", "3"]).await;
    let ended = other
        .subscriptions
        .remove(&app.ident, &user("ann"), &channel("room"), later())
        .await
        .unwrap();
    assert_eq!(
        ended,
        Some(UserSubscription {
            end: Some(3),
            modified: later(),
            ..open
        })
    );
    for room in ["room", "never"] {
        assert_eq!(
            stores
                .subscriptions
                .remove(&app.ident, &user("ann"), &channel(room), later())
                .await
                .unwrap(),
            None
        );
    }
    assert_eq!(
        stores
            .subscriptions
            .list(&app.ident, &SubscriptionFilter::default(), 0, 10)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        stores
            .subscriptions
            .channels_of(&app.ident, &user("ann"), 1000)
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn a_subscription_begins_anew_after_its_end(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let (first, _) = stores
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("room"), NOW)
        .await
        .unwrap();
    say(&stores, &app, "room", &["1"]).await;
    stores
        .subscriptions
        .remove(&app.ident, &user("ann"), &channel("room"), later())
        .await
        .unwrap()
        .unwrap();
    say(&stores, &app, "room", &["2"]).await;
    let (second, new) = stores
        .subscriptions
        .add(&app.ident, &user("ann"), &channel("room"), later())
        .await
        .unwrap();
    assert!(new && second.id != first.id);
    assert_eq!(
        (second.start, second.end, second.created),
        (2, None, later())
    );
}

pub(crate) async fn subscribing_to_an_app_that_is_not_there_is_not_found(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let nobody = AppIdent::trusted("nobody");
    assert!(matches!(
        stores
            .subscriptions
            .add(&nobody, &user("ann"), &channel("room"), NOW)
            .await,
        Err(StorageError::NotFound)
    ));
    assert_eq!(
        stores
            .subscriptions
            .remove(&nobody, &user("ann"), &channel("room"), NOW)
            .await
            .unwrap(),
        None
    );
}

pub(crate) async fn the_list_holds_open_ones_by_id_and_is_paged(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let mut open = Vec::new();
    for n in 0..10 {
        let (room, user) = (
            channel(&format!("room-{n}")),
            user(&format!("user-{}", 9 - n)),
        );
        open.push(
            stores
                .subscriptions
                .add(&app.ident, &user, &room, NOW)
                .await
                .unwrap()
                .0,
        );
    }
    let ended = open.remove(4);
    stores
        .subscriptions
        .remove(&app.ident, &ended.user_id, &ended.channel, later())
        .await
        .unwrap()
        .unwrap();
    let list = async |after, limit| {
        stores
            .subscriptions
            .list(&app.ident, &SubscriptionFilter::default(), after, limit)
            .await
            .unwrap()
    };
    assert_eq!(list(0, 100).await, open);
    assert_eq!(list(0, 3).await, open[..3]);
    assert_eq!(list(open[2].id, 3).await, open[3..6]);
    assert_eq!(list(open[8].id, 3).await, []);
    assert_eq!(list(u64::MAX, usize::MAX).await, []);
    assert_eq!(list(0, 0).await, []);
}

pub(crate) async fn the_list_is_filtered_by_user_and_channel(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let mut open = Vec::new();
    for (name, room) in [
        ("ann", "x"),
        ("bo", "x"),
        ("ann", "y"),
        ("bo", "z"),
        ("ann", "z"),
    ] {
        open.push(
            stores
                .subscriptions
                .add(&app.ident, &user(name), &channel(room), NOW)
                .await
                .unwrap()
                .0,
        );
    }
    let list = async |name: Option<&str>, room: Option<&str>, after: u64| {
        let filter = SubscriptionFilter {
            user_id: name.map(user),
            channel: room.map(channel),
        };
        let listed = stores
            .subscriptions
            .list(&app.ident, &filter, after, 10)
            .await
            .unwrap();
        listed
            .iter()
            .map(|found| open.iter().position(|one| one == found).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(Some("ann"), None, 0).await, [0, 2, 4]);
    assert_eq!(list(Some("ann"), None, open[0].id).await, [2, 4]);
    assert_eq!(list(None, Some("x"), 0).await, [0, 1]);
    assert_eq!(list(None, Some("x"), open[0].id).await, [1]);
    assert_eq!(list(Some("bo"), Some("z"), 0).await, [3]);
    assert_eq!(list(Some("bo"), Some("z"), open[3].id).await, [0; 0]);
    assert_eq!(list(Some("bo"), Some("y"), 0).await, [0; 0]);
    assert_eq!(list(Some("cy"), None, 0).await, [0; 0]);
    assert_eq!(list(None, Some("w"), 0).await, [0; 0]);
}

pub(crate) async fn channels_come_in_the_order_in_which_they_began(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let ann = user("ann");
    for room in ["z", "a", "m", "b"] {
        stores
            .subscriptions
            .add(&app.ident, &ann, &channel(room), NOW)
            .await
            .unwrap();
    }
    stores
        .subscriptions
        .add(&app.ident, &user("bo"), &channel("other"), NOW)
        .await
        .unwrap();
    stores
        .subscriptions
        .remove(&app.ident, &ann, &channel("a"), NOW)
        .await
        .unwrap()
        .unwrap();
    stores
        .subscriptions
        .remove(&app.ident, &ann, &channel("z"), NOW)
        .await
        .unwrap()
        .unwrap();
    stores
        .subscriptions
        .add(&app.ident, &ann, &channel("z"), NOW)
        .await
        .unwrap();
    let channels = fixture
        .open()
        .await
        .subscriptions
        .channels_of(&app.ident, &ann, 1000)
        .await
        .unwrap();
    assert_eq!(channels, ["m", "b", "z"].map(channel));
}

pub(crate) async fn subscribing_and_ending_at_once_leaves_one_or_none(fixture: &impl Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let app = app(&one, "a").await;
    let change = |n: usize| {
        let subscriptions = if n.is_multiple_of(2) { &one } else { &two }
            .subscriptions
            .clone();
        let ident = app.ident.clone();
        tokio::spawn(async move {
            if n.is_multiple_of(3) {
                subscriptions
                    .remove(&ident, &user("ann"), &channel("room"), NOW)
                    .await
                    .map(|ended| (0, i32::from(ended.is_some())))
            } else {
                subscriptions
                    .add(&ident, &user("ann"), &channel("room"), NOW)
                    .await
                    .map(|(_, new)| (i32::from(new), 0))
            }
        })
    };
    let (mut begun, mut ended) = (0, 0);
    for task in (0..30).map(change).collect::<Vec<_>>() {
        let (new, end) = task.await.unwrap().unwrap();
        begun += new;
        ended += end;
    }
    let open = one
        .subscriptions
        .channels_of(&app.ident, &user("ann"), 1000)
        .await
        .unwrap()
        .len();
    assert_eq!(begun - ended, i32::try_from(open).unwrap());
    assert!(open <= 1);
}
