//! AppStore: deletion.

use pushi::core::error::StorageError;
use pushi::core::model::{AppIdent, Session, SubscriptionFilter, TokenHash};
use pushi::core::ports::ReadLimit;

use crate::fixture::Fixture;
use crate::samples::{NOW, app, channel, event, said, say, user};

pub(crate) async fn a_deleted_app_takes_everything_with_it(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let (gone, stays) = (app(&stores, "a").await, app(&stores, "b").await);
    let (room, ann) = (channel("room"), user("ann"));
    let hash = TokenHash([1; 32]);
    for app in [&gone, &stays] {
        stores
            .subscriptions
            .add(&app.ident, &ann, &room, NOW)
            .await
            .unwrap();
        say(&stores, app, "room", &["one"]).await;
    }
    stores
        .sessions
        .put(&Session {
            hash,
            app: gone.ident.clone(),
            credential: pushi::core::model::CredentialDigest([5; 32]),
            expires: NOW,
        })
        .await
        .unwrap();
    stores.apps.delete(&gone.ident).await.unwrap();
    let late = event(&gone, "room", "late");

    assert_eq!(other.sessions.get(&hash).await.unwrap(), None);
    assert_eq!(
        other
            .events
            .heads(&gone.ident, std::slice::from_ref(&room))
            .await
            .unwrap(),
        [0]
    );
    assert_eq!(
        other
            .events
            .history(&gone.ident, &room, None, ReadLimit::events(10))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        other
            .events
            .replay(&gone.ident, &room, 0, 9, ReadLimit::events(10))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        other
            .events
            .recent(&gone.ident, None, ReadLimit::events(10))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        other
            .events
            .inbox(&gone.ident, &ann, 0, ReadLimit::events(10))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        other
            .events
            .positions(&gone.ident, std::slice::from_ref(&late.mid))
            .await
            .unwrap(),
        [None]
    );
    assert_eq!(
        other
            .subscriptions
            .list(&gone.ident, &SubscriptionFilter::default(), 0, 10)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        other
            .subscriptions
            .channels_of(&gone.ident, &ann, 1000)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        other
            .subscriptions
            .remove(&gone.ident, &ann, &room, NOW)
            .await
            .unwrap(),
        None
    );
    assert!(matches!(
        other.events.append(&[late]).await[..],
        [Err(StorageError::NotFound)]
    ));

    assert_eq!(
        said(
            &other
                .events
                .inbox(&stays.ident, &ann, 0, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["one"]
    );
    assert_eq!(
        other
            .subscriptions
            .channels_of(&stays.ident, &ann, 1000)
            .await
            .unwrap(),
        [room]
    );
}

pub(crate) async fn an_app_created_again_starts_empty(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let first = app(&stores, "a").await;
    let (room, ann) = (channel("room"), user("ann"));
    stores
        .subscriptions
        .add(&first.ident, &ann, &room, NOW)
        .await
        .unwrap();
    say(&stores, &first, "room", &["one", "two"]).await;
    other.apps.delete(&AppIdent::trusted("a")).await.unwrap();
    let again = app(&other, "a").await;
    assert!(again.id > first.id);
    assert_eq!(
        stores
            .events
            .recent(&again.ident, None, ReadLimit::events(10))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        stores
            .events
            .inbox(&again.ident, &ann, 0, ReadLimit::events(10))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        stores
            .subscriptions
            .channels_of(&again.ident, &ann, 1000)
            .await
            .unwrap(),
        []
    );
    assert_eq!(say(&stores, &again, "room", &["new"]).await[0].serial, 1);
    assert_eq!(
        said(
            &other
                .events
                .recent(&again.ident, None, ReadLimit::events(10))
                .await
                .unwrap()
        ),
        ["new"]
    );
}
