//! Notification targets.

use std::time::Duration;

use futures_util::future::join_all;
use pushi::core::error::StorageError;
use pushi::core::model::{
    AppIdent, Away, DigestWindow, NewTarget, NotificationTarget, Secret, TargetFilter, TargetKind,
    Timestamp, UserId,
};

use crate::fixture::Fixture;
use crate::samples::{app, channel};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn hook(address: &str, name: &str) -> NewTarget {
    NewTarget {
        kind: TargetKind::Web,
        channel: channel(name),
        address: Secret::new(address),
        p256dh: None,
        auth: None,
        away: None,
        digest: None,
    }
}

fn only(address: Option<&str>, name: Option<&str>) -> TargetFilter {
    TargetFilter {
        address: address.map(Secret::new),
        channel: name.map(channel),
    }
}

fn named(targets: &[NotificationTarget]) -> Vec<(&str, &str)> {
    let name = |target: &NotificationTarget| target.channel.as_str().len();
    assert!(targets.iter().all(|target| name(target) > 0));
    targets
        .iter()
        .map(|target| (target.address.expose(), target.channel.as_str()))
        .collect()
}

pub(crate) async fn a_target_is_registered_once_and_read_back<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let other = app(&stores, "b").await.ident;
    let targets = &stores.targets;
    assert!(!targets.has_targets(&ident).await.unwrap());
    let push = NewTarget {
        kind: TargetKind::WebPush,
        p256dh: Some(Secret::new("key")),
        auth: Some(Secret::new("secret")),
        ..hook("https://push/1", "news")
    };
    let (stored, is_new) = targets.register(&ident, &push, false, at(1)).await.unwrap();
    assert!(is_new);
    let again = targets.register(&ident, &push, false, at(2)).await.unwrap();
    assert_eq!(again, (stored.clone(), false));
    let reopened = fixture.open().await;
    let any = TargetFilter::default();
    let read = reopened
        .targets
        .list_targets(&ident, TargetKind::WebPush, &any, 0, 10)
        .await
        .unwrap();
    assert_eq!(read, [stored]);
    assert!(reopened.targets.has_targets(&ident).await.unwrap());
    assert!(!targets.has_targets(&other).await.unwrap());
    let missing = AppIdent::trusted("missing");
    let error = targets.register(&missing, &push, false, at(1)).await;
    assert!(matches!(error, Err(StorageError::NotFound)), "{error:?}");
    assert_eq!(targets.count_targets(TargetKind::WebPush).await.unwrap(), 1);
}

pub(crate) async fn the_condition_of_a_target_is_read_back_and_changed<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let hook = hook("http://a/", "news");
    let away = |user| NewTarget {
        away: Some(Away {
            delay: Duration::from_secs(30),
            user: UserId::parse(user),
        }),
        ..hook.clone()
    };
    let (targets, new) = (&stores.targets, away("ann"));
    let registered = targets.register(&ident, &new, false, at(1));
    let (first, is_new) = registered.await.unwrap();
    assert!(is_new);
    assert_eq!(first.away, away("ann").away);
    let any = TargetFilter::default();
    let digest = |text| NewTarget {
        digest: DigestWindow::parse(text),
        ..away("ann")
    };
    for changed in [
        away("bob"),
        hook.clone(),
        away("é"),
        digest("15m"),
        digest("1d"),
        hook.clone(),
    ] {
        let targets = &stores.targets;
        let registered = targets.register(&ident, &changed, false, at(2)).await;
        let (registered, is_new) = registered.unwrap();
        assert_eq!((registered.id, is_new), (first.id, false));
        let reopened = fixture.open().await;
        let read = reopened
            .targets
            .list_targets(&ident, TargetKind::Web, &any, 0, 10);
        assert_eq!(read.await.unwrap(), std::slice::from_ref(&registered));
        assert_eq!(registered.away, changed.away);
        assert_eq!(registered.digest, changed.digest);
        assert_eq!(registered.created, at(1));
    }
}

pub(crate) async fn twenty_callers_registering_the_same_make_one<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let target = hook("http://a/", "news");
    let calls = (0..20).map(|_| stores.targets.register(&ident, &target, false, at(1)));
    let results = join_all(calls).await;
    let new = results.iter().filter(|result| result.as_ref().unwrap().1);
    assert_eq!(new.count(), 1);
    let any = TargetFilter::default();
    let read = stores
        .targets
        .list_targets(&ident, TargetKind::Web, &any, 0, 30)
        .await;
    assert_eq!(read.unwrap().len(), 1);
}

pub(crate) async fn targets_are_listed_by_address_and_channel<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let targets = &stores.targets;
    for (address, name) in [
        ("x", "news"),
        ("y", "news"),
        ("x", "sport"),
        ("x", "personal-ann"),
    ] {
        let one = hook(address, name);
        targets.register(&ident, &one, false, at(1)).await.unwrap();
    }
    let list = async |filter: TargetFilter, after, limit| {
        targets
            .list_targets(&ident, TargetKind::Web, &filter, after, limit)
            .await
            .unwrap()
    };
    let all = list(TargetFilter::default(), 0, 10).await;
    assert_eq!(
        named(&all),
        [
            ("x", "news"),
            ("y", "news"),
            ("x", "sport"),
            ("x", "personal-ann")
        ]
    );
    let rest = list(TargetFilter::default(), all[1].id, 1).await;
    assert_eq!(named(&rest), [("x", "sport")]);
    assert_eq!(
        named(&list(only(None, Some("news")), 0, 10).await),
        [("x", "news"), ("y", "news")]
    );
    assert_eq!(
        named(&list(only(None, Some("news")), all[0].id, 10).await),
        [("y", "news")]
    );
    assert_eq!(list(only(Some("x"), None), 0, 10).await.len(), 3);
    assert_eq!(
        named(&list(only(Some("y"), Some("news")), 0, 10).await),
        [("y", "news")]
    );
    assert!(list(only(Some("y"), Some("sport")), 0, 10).await.is_empty());
    let channels = ["none", "sport", "personal-ann", "personal-bob"].map(channel);
    let found = targets.with_targets(&ident, &channels).await.unwrap();
    assert_eq!(found, ["sport", "personal-ann"].map(channel));
}

pub(crate) async fn registrations_of_an_address_are_removed<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let targets = &stores.targets;
    for (address, name) in [("x", "a"), ("x", "b"), ("x", "c"), ("y", "a")] {
        let one = hook(address, name);
        targets.register(&ident, &one, false, at(1)).await.unwrap();
    }
    let remove = async |address: &str, name: Option<&str>| {
        let name = name.map(channel);
        targets
            .remove_target(&ident, TargetKind::Web, address, name.as_ref())
            .await
            .unwrap()
    };
    assert_eq!(named(&remove("x", Some("b")).await), [("x", "b")]);
    assert!(remove("x", Some("b")).await.is_empty());
    assert_eq!(named(&remove("x", None).await), [("x", "a"), ("x", "c")]);
    assert!(remove("z", None).await.is_empty());
    // `only` replaces the others of the address.
    targets
        .register(&ident, &hook("y", "b"), false, at(2))
        .await
        .unwrap();
    let (_, is_new) = targets
        .register(&ident, &hook("y", "b"), true, at(3))
        .await
        .unwrap();
    assert!(!is_new);
    let any = TargetFilter::default();
    let left = targets
        .list_targets(&ident, TargetKind::Web, &any, 0, 10)
        .await;
    assert_eq!(named(&left.unwrap()), [("y", "b")]);
}

pub(crate) async fn a_browser_has_one_endpoint_and_one_key<F: Fixture>(fixture: &F) {
    let stores = fixture.open().await;
    let ident = app(&stores, "a").await.ident;
    let other = app(&stores, "b").await.ident;
    let targets = &stores.targets;
    let browser = |endpoint, key, secret, name| NewTarget {
        kind: TargetKind::WebPush,
        p256dh: Some(Secret::new(key)),
        auth: Some(Secret::new(secret)),
        away: None,
        ..hook(endpoint, name)
    };
    let register = async |app: &AppIdent, target: NewTarget| {
        let (stored, is_new) = targets.register(app, &target, false, at(1)).await.unwrap();
        assert!(is_new, "{stored:?}");
        stored.id
    };
    let listed = async |app: &AppIdent| {
        let any = TargetFilter::default();
        let found = targets
            .list_targets(app, TargetKind::WebPush, &any, 0, 100)
            .await
            .unwrap();
        let one = |target: &NotificationTarget| {
            let key = target.p256dh.as_ref().unwrap().expose();
            let secret = target.auth.as_ref().unwrap().expose();
            let (address, channel) = (target.address.expose(), target.channel.as_str());
            format!("{address} {key} {secret} {channel}")
        };
        found.iter().map(one).collect::<Vec<_>>()
    };
    register(&other, browser("e1", "k1", "s1", "news")).await;
    for (endpoint, key, secret, name) in [
        ("e1", "k1", "s1", "news"),
        ("e1", "k1", "s1", "sport"),
        ("e2", "k2", "s2", "news"),
    ] {
        register(&ident, browser(endpoint, key, secret, name)).await;
    }
    // A web hook of the same address is another target.
    targets
        .register(&ident, &hook("e1", "news"), false, at(1))
        .await
        .unwrap();
    register(&ident, browser("e3", "k1", "s1", "news")).await;
    assert_eq!(listed(&ident).await, ["e2 k2 s2 news", "e3 k1 s1 news"]);
    // The same endpoint with other keys, and then with another secret.
    register(&ident, browser("e3", "k3", "s3", "news")).await;
    register(&ident, browser("e3", "k3", "s4", "news")).await;
    assert_eq!(listed(&ident).await, ["e2 k2 s2 news", "e3 k3 s4 news"]);
    assert_eq!(listed(&other).await, ["e1 k1 s1 news"]);
    let any = TargetFilter::default();
    let hooks = targets
        .list_targets(&ident, TargetKind::Web, &any, 0, 10)
        .await;
    assert_eq!(hooks.unwrap().len(), 1);
}
