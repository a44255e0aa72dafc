use std::time::Duration;

use pushi::core::error::StorageError;
use pushi::core::model::{AppIdent, CredentialDigest, Session, TokenHash};

use crate::fixture::Fixture;
use crate::samples::{NOW, app};

fn session(app: &pushi::core::model::App, byte: u8) -> Session {
    Session {
        hash: TokenHash([byte; 32]),
        app: app.ident.clone(),
        credential: CredentialDigest([byte.wrapping_add(100); 32]),
        expires: NOW,
    }
}

pub(crate) async fn a_session_is_there_after_reopening<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let session = session(&app(&stores, "a").await, 1);
    stores.sessions.put(&session).await.unwrap();
    if F::LASTING {
        stores.database.close().await;
    }
    assert_eq!(
        fixture
            .open()
            .await
            .sessions
            .get(&session.hash)
            .await
            .unwrap(),
        Some(session)
    );
}

pub(crate) async fn a_session_is_got_also_where_it_has_expired(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let old = Session {
        expires: pushi::core::model::Timestamp::from_micros(1),
        ..session(&app(&stores, "a").await, 1)
    };
    stores.sessions.put(&old).await.unwrap();
    assert_eq!(stores.sessions.get(&old.hash).await.unwrap(), Some(old));
    assert_eq!(
        stores.sessions.get(&TokenHash([2; 32])).await.unwrap(),
        None
    );
}

pub(crate) async fn the_same_hash_replaces_the_session(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let first = session(&app(&stores, "a").await, 1);
    let second = Session {
        app: app(&stores, "b").await.ident,
        credential: CredentialDigest([9; 32]),
        expires: NOW.plus(Duration::from_secs(1)),
        ..first.clone()
    };
    stores.sessions.put(&first).await.unwrap();
    stores.sessions.put(&second).await.unwrap();
    assert_eq!(
        stores.sessions.get(&first.hash).await.unwrap(),
        Some(second)
    );
}

pub(crate) async fn an_ended_session_is_gone_everywhere(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    for byte in [1, 2] {
        stores.sessions.put(&session(&app, byte)).await.unwrap();
    }
    stores.sessions.end(&TokenHash([1; 32])).await.unwrap();
    stores.sessions.end(&TokenHash([1; 32])).await.unwrap();
    assert_eq!(other.sessions.get(&TokenHash([1; 32])).await.unwrap(), None);
    assert!(
        other
            .sessions
            .get(&TokenHash([2; 32]))
            .await
            .unwrap()
            .is_some()
    );
}

pub(crate) async fn all_sessions_of_an_app_end_everywhere(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let (a, b) = (app(&stores, "a").await, app(&stores, "b").await);
    for byte in [1, 2] {
        stores.sessions.put(&session(&a, byte)).await.unwrap();
    }
    stores.sessions.put(&session(&b, 3)).await.unwrap();
    stores.sessions.end_all(&a.ident).await.unwrap();
    stores.sessions.end_all(&a.ident).await.unwrap();
    let nobody = AppIdent::trusted("nobody");
    stores.sessions.end_all(&nobody).await.unwrap();
    for byte in [1, 2] {
        let hash = TokenHash([byte; 32]);
        assert_eq!(other.sessions.get(&hash).await.unwrap(), None);
    }
    let kept = other.sessions.get(&TokenHash([3; 32])).await.unwrap();
    assert_eq!(kept, Some(session(&b, 3)));
}

pub(crate) async fn expired_sessions_are_pruned(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    for byte in 0..4 {
        let expires = NOW.plus(Duration::from_secs(byte.into()));
        stores
            .sessions
            .put(&Session {
                expires,
                ..session(&app, byte)
            })
            .await
            .unwrap();
    }
    assert_eq!(
        stores
            .sessions
            .prune(NOW.plus(Duration::from_secs(2)))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        stores.sessions.get(&TokenHash([1; 32])).await.unwrap(),
        None
    );
    assert!(
        stores
            .sessions
            .get(&TokenHash([2; 32]))
            .await
            .unwrap()
            .is_some(),
        "expires now, not before"
    );
    assert_eq!(stores.sessions.prune(NOW).await.unwrap(), 0);
}

pub(crate) async fn a_session_of_an_app_that_is_not_there_is_not_found(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let stray = Session {
        app: AppIdent::trusted("nobody"),
        ..session(&app(&stores, "a").await, 1)
    };
    assert!(matches!(
        stores.sessions.put(&stray).await,
        Err(StorageError::NotFound)
    ));
    assert_eq!(stores.sessions.get(&stray.hash).await.unwrap(), None);
}
