use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::HEXLOWER;
use pushi::core::error::StorageError;
use pushi::core::model::{
    App, AppLimits, AppSettings, OverCapacity, PushCredentials, Secret, TokenKey, TokenKeyMaterial,
    Webhook, WebhookEvent,
};
use pushi::core::ports::CreateApp;

use crate::fixture::Fixture;
use crate::samples::{NOW, app, app_to_create};

const SECOND: Duration = Duration::from_secs(1);

fn token_keys() -> Vec<TokenKey> {
    // The base point of P-256.
    let number = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
    let x = number("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
    let y = number("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
    let materials = [
        TokenKeyMaterial::rsa(&[0xc1; 256], &[1, 0, 1]),
        TokenKeyMaterial::p256(&x, &y),
        TokenKeyMaterial::ed25519(&[7; 32]),
    ];
    let ids = [Some("a \"b\"".to_owned()), None, Some(String::new())];
    let keys = materials.into_iter().zip(ids);
    keys.map(|(material, id)| TokenKey {
        id,
        material: material.unwrap(),
    })
    .collect()
}

fn full_settings() -> AppSettings {
    AppSettings {
        enabled: false,
        client_publish: false,
        client_events: true,
        signed_presence: true,
        subscription_count: true,
        require_signin: true,
        signin_timeout: Duration::from_millis(1500),
        tls_only: true,
        allowed_origins: vec!["https://a.example".into(), "https://*.b.example".into()],
        over_capacity: OverCapacity::Retry,
        replay: BTreeMap::from([
            ("news-".into(), 5),
            ("".into(), 1),
            ("a.b$c".into(), u32::MAX),
        ]),
        webhooks: vec![
            Webhook {
                url: "https://h.example/?a=b".into(),
                events: None,
                channel_prefix: None,
            },
            Webhook {
                url: "http://h.example".into(),
                events: Some(
                    WebhookEvent::NAMES
                        .iter()
                        .map(|(event, _)| *event)
                        .collect(),
                ),
                channel_prefix: Some("presence-".into()),
            },
            Webhook {
                url: "http://none.example".into(),
                events: Some(vec![]),
                channel_prefix: None,
            },
        ],
        token_keys: token_keys(),
        limits: AppLimits {
            max_connections: Some(1),
            max_message_bytes: Some(2),
            max_data_bytes: Some(3),
            max_channels_per_connection: Some(4),
            max_members: Some(5),
            max_member_bytes: Some(0),
            max_client_events: None,
            max_publishes: Some(i64::MAX as u64),
        },
    }
}

fn full_push() -> PushCredentials {
    let pem = |what: &str| {
        Some(Secret::new(format!(
            "-----BEGIN {what}-----\nAbC=\n-----END {what}-----\n"
        )))
    };
    PushCredentials {
        apn_sandbox: true,
        apn_key: pem("KEY"),
        apn_cer: pem("CERTIFICATE"),
        apn_key_id: Some("ABC123DEFG".into()),
        apn_team_id: Some("DEF123GHIJ".into()),
        apn_topic: Some("com.example.shop".into()),
        vapid_key: pem("EC KEY"),
        vapid_email: Some("a@b.example".into()),
        smtp_url: Some(Secret::new("smtp://user:pass@mail.example")),
    }
}

fn full_app(ident: &str) -> CreateApp {
    CreateApp {
        description: Some("Für Ж & 漢".into()),
        push: full_push(),
        settings: full_settings(),
        ..app_to_create(ident)
    }
}

pub(crate) async fn a_created_app_is_read_back_by_ident_by_key_and_in_the_list(
    fixture: &impl Fixture,
) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let wanted = full_app("a");
    let created = stores.apps.create(wanted.clone()).await.unwrap();
    let expected = App {
        id: created.id,
        ident: wanted.ident,
        name: wanted.name,
        description: wanted.description,
        key: wanted.key,
        secret: wanted.secret,
        previous_secret: None,
        push: full_push(),
        settings: full_settings(),
        created: NOW,
        modified: NOW,
    };
    assert_eq!(created, expected);
    assert_eq!(
        other.apps.by_ident(&expected.ident).await.unwrap(),
        Some(expected.clone())
    );
    assert_eq!(
        other.apps.by_key(&expected.key).await.unwrap(),
        Some(expected.clone())
    );
    assert_eq!(other.apps.list(0, 10).await.unwrap(), [expected]);
    assert_eq!(other.apps.by_key("key-b").await.unwrap(), None);
}

pub(crate) async fn a_taken_ident_or_key_is_a_conflict_and_stores_nothing(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    app(&stores, "a").await;
    let same_ident = CreateApp {
        key: "other".into(),
        ..app_to_create("a")
    };
    let same_key = CreateApp {
        key: "key-a".into(),
        ..app_to_create("b")
    };
    assert!(matches!(
        stores.apps.create(same_ident).await,
        Err(StorageError::Conflict("ident"))
    ));
    assert!(matches!(
        stores.apps.create(same_key).await,
        Err(StorageError::Conflict("key"))
    ));
    assert_eq!(stores.apps.list(0, 10).await.unwrap().len(), 1);
    assert_eq!(stores.apps.by_key("other").await.unwrap(), None);
}

pub(crate) async fn one_of_twenty_concurrent_creates_succeeds(fixture: &impl Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let apps = if n % 2 == 0 { &one.apps } else { &two.apps }.clone();
            tokio::spawn(async move { apps.create(app_to_create("a")).await })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(StorageError::Conflict("ident")) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((made, one.apps.list(0, 10).await.unwrap().len()), (1, 1));
}

pub(crate) async fn one_of_twenty_concurrent_first_apps_is_created(fixture: &impl Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let first = |n: u32| CreateApp {
        first: true,
        ..app_to_create(&format!("a{n}"))
    };
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let apps = if n % 2 == 0 { &one.apps } else { &two.apps }.clone();
            let app = first(n);
            tokio::spawn(async move { apps.create(app).await })
        })
        .collect();
    let mut made = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(app) => made.push(app),
            Err(StorageError::Conflict("first")) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(one.apps.list(0, 10).await.unwrap(), made);

    // Others are not restricted, and where none is left there is a first one again.
    let other = app(&two, "b").await;
    for ident in [&made[0].ident, &other.ident] {
        assert!(matches!(
            two.apps.create(first(20)).await,
            Err(StorageError::Conflict("first"))
        ));
        one.apps.delete(ident).await.unwrap();
    }
    let again = two.apps.create(first(20)).await.unwrap();
    assert_eq!(one.apps.list(0, 10).await.unwrap(), [again]);
}

pub(crate) async fn an_update_is_read_back_whole(fixture: &impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let plain = app(&stores, "a").await;
    let full = App {
        name: "Another".into(),
        description: Some("It's \"new\"".into()),
        key: "key-new".into(),
        secret: Secret::new("new"),
        previous_secret: Some(plain.secret.clone()),
        push: full_push(),
        settings: full_settings(),
        modified: NOW.plus(SECOND),
        ..plain.clone()
    };
    stores.apps.update(&full, NOW).await.unwrap();
    assert_eq!(
        other.apps.by_key("key-new").await.unwrap(),
        Some(full.clone())
    );
    assert_eq!(other.apps.by_key(&plain.key).await.unwrap(), None);
    let bare = App {
        modified: NOW.plus(2 * SECOND),
        ..plain
    };
    other.apps.update(&bare, full.modified).await.unwrap();
    assert_eq!(stores.apps.by_ident(&bare.ident).await.unwrap(), Some(bare));
}

pub(crate) async fn an_update_changes_neither_id_nor_ident_nor_creation(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let stored = app(&stores, "a").await;
    let changed = App {
        id: stored.id + 7,
        created: NOW.plus(SECOND),
        modified: NOW.plus(SECOND),
        ..stored.clone()
    };
    stores.apps.update(&changed, NOW).await.unwrap();
    let read = stores.apps.by_ident(&stored.ident).await.unwrap();
    assert_eq!(
        read,
        Some(App {
            modified: changed.modified,
            ..stored
        })
    );
}

pub(crate) async fn an_update_of_a_stale_version_is_a_conflict(fixture: &impl Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let seen = app(&one, "a").await;
    let mine = App {
        name: "mine".into(),
        modified: NOW.plus(SECOND),
        ..seen.clone()
    };
    let theirs = App {
        name: "theirs".into(),
        modified: NOW.plus(2 * SECOND),
        ..seen
    };
    one.apps.update(&mine, NOW).await.unwrap();
    assert!(matches!(
        two.apps.update(&theirs, NOW).await,
        Err(StorageError::Conflict("modified"))
    ));
    assert_eq!(two.apps.by_ident(&mine.ident).await.unwrap(), Some(mine));
}

pub(crate) async fn an_update_to_a_taken_key_is_a_conflict(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let (one, two) = (app(&stores, "a").await, app(&stores, "b").await);
    let taken = App {
        key: one.key,
        modified: NOW.plus(SECOND),
        ..two.clone()
    };
    assert!(matches!(
        stores.apps.update(&taken, NOW).await,
        Err(StorageError::Conflict("key"))
    ));
    assert_eq!(stores.apps.by_ident(&two.ident).await.unwrap(), Some(two));
}

pub(crate) async fn an_app_that_is_not_there_is_not_found(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let gone = app(&stores, "a").await;
    stores.apps.delete(&gone.ident).await.unwrap();
    assert_eq!(stores.apps.by_ident(&gone.ident).await.unwrap(), None);
    assert!(matches!(
        stores.apps.update(&gone, NOW).await,
        Err(StorageError::NotFound)
    ));
    assert!(matches!(
        stores.apps.delete(&gone.ident).await,
        Err(StorageError::NotFound)
    ));
}

pub(crate) async fn the_list_goes_on_after_an_id(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let mut made = Vec::new();
    for ident in ["c", "a", "d", "b"] {
        made.push(app(&stores, ident).await);
    }
    assert!(made.is_sorted_by(|one, next| one.id < next.id), "ids grow");
    assert_eq!(stores.apps.list(0, 3).await.unwrap(), made[..3]);
    assert_eq!(stores.apps.list(made[1].id, 10).await.unwrap(), made[2..]);
    assert_eq!(stores.apps.list(made[3].id, 10).await.unwrap(), []);
    assert_eq!(stores.apps.list(u64::MAX, usize::MAX).await.unwrap(), []);
    assert_eq!(stores.apps.list(0, 0).await.unwrap(), []);
}

pub(crate) async fn the_revision_differs_after_each_change_by_any_instance(fixture: &impl Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let mut seen = vec![two.apps.revision().await.unwrap()];
    assert_eq!(two.apps.revision().await.unwrap(), seen[0]);
    let made = app(&one, "a").await;
    seen.push(two.apps.revision().await.unwrap());
    one.apps
        .update(
            &App {
                modified: NOW.plus(SECOND),
                ..made.clone()
            },
            NOW,
        )
        .await
        .unwrap();
    seen.push(two.apps.revision().await.unwrap());
    one.apps.delete(&made.ident).await.unwrap();
    seen.push(two.apps.revision().await.unwrap());
    assert!(seen.is_sorted_by(|one, next| one != next), "{seen:?}");
}
