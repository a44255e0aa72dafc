use pushi::core::error::StorageError;
use pushi::core::model::{
    ChannelName, FurtherMembers, NewEvent, Payload, SubscriptionFilter, UserId,
};
use pushi::core::ports::ReadLimit;

use crate::fixture::Fixture;
use crate::samples::{NOW, app, append, channel, event, said, say, user};

pub(crate) async fn two_apps_never_see_each_other(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let apps = [
        app(&stores, "a").await,
        app(&stores, "b").await,
        app(&stores, "a-b").await,
    ];
    let (room, ann) = (channel("room"), user("ann"));
    for app in &apps {
        stores
            .subscriptions
            .add(&app.ident, &ann, &room, NOW)
            .await
            .unwrap();
        say(&stores, app, "room", &[app.ident.as_str()]).await;
        say(&stores, app, "personal-ann", &[app.ident.as_str()]).await;
    }
    for app in &apps {
        let own = app.ident.as_str();
        assert_eq!(
            stores
                .events
                .heads(&app.ident, std::slice::from_ref(&room))
                .await
                .unwrap(),
            [1]
        );
        assert_eq!(
            said(
                &stores
                    .events
                    .history(&app.ident, &room, None, ReadLimit::events(10))
                    .await
                    .unwrap()
            ),
            [own]
        );
        assert_eq!(
            said(
                &stores
                    .events
                    .replay(&app.ident, &room, 0, 9, ReadLimit::events(10))
                    .await
                    .unwrap()
            ),
            [own]
        );
        assert_eq!(
            said(
                &stores
                    .events
                    .recent(&app.ident, None, ReadLimit::events(10))
                    .await
                    .unwrap()
            ),
            [own, own]
        );
        assert_eq!(
            said(
                &stores
                    .events
                    .inbox(&app.ident, &ann, 0, ReadLimit::events(10))
                    .await
                    .unwrap()
            ),
            [own, own]
        );
        let listed = stores
            .subscriptions
            .list(&app.ident, &SubscriptionFilter::default(), 0, 10)
            .await
            .unwrap();
        assert_eq!(
            listed
                .iter()
                .map(|found| found.app.as_str())
                .collect::<Vec<_>>(),
            [own]
        );
        assert_eq!(
            stores
                .subscriptions
                .channels_of(&app.ident, &ann, 1000)
                .await
                .unwrap(),
            std::slice::from_ref(&room)
        );
    }
    stores
        .subscriptions
        .remove(&apps[0].ident, &ann, &room, NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        stores
            .subscriptions
            .channels_of(&apps[1].ident, &ann, 1000)
            .await
            .unwrap(),
        [room]
    );
}

/// Names that some store might mix up, cut short or read as something else.
fn odd_names() -> Vec<String> {
    let names = [
        "&",
        ":",
        "a:b",
        "a/b",
        "a&b",
        ".",
        "a.b",
        "$set",
        "a$b",
        "'",
        "\"",
        "it's",
        "\\",
        "%",
        "_",
        "a%",
        "A",
        "a",
        "é",
        "e\u{301}",
        "É",
        "漢字",
        "😀",
        "\u{10ffff}",
        "\u{feff}x",
        " ",
        " a",
        "a ",
        "NULL",
        "0",
        "00",
        "1e3",
        "--",
        ";",
        "$1",
        "{}",
        "[\"x\"]",
        "ß",
        "ss",
        "ı",
        "i",
        "I",
    ];
    names
        .map(String::from)
        .into_iter()
        .chain(["x".repeat(200), "漢".repeat(200), "x".repeat(199)])
        .collect()
}

pub(crate) async fn unusual_names_are_distinguished_and_read_back(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let names = odd_names();
    let channels: Vec<ChannelName> = names.iter().map(|name| channel(name)).collect();
    append(
        &stores,
        &names
            .iter()
            .map(|name| event(&app, name, name))
            .collect::<Vec<_>>(),
    )
    .await;
    assert_eq!(
        stores.events.heads(&app.ident, &channels).await.unwrap(),
        vec![1; names.len()]
    );
    for (name, room) in names.iter().zip(&channels) {
        let history = stores
            .events
            .history(&app.ident, room, None, ReadLimit::events(10))
            .await
            .unwrap();
        assert_eq!(
            (said(&history), &history[0].new.channel),
            (vec![&**name], room)
        );
    }
    let users: Vec<UserId> = names
        .iter()
        .filter_map(|name| UserId::parse(name))
        .collect();
    let room = channel("room");
    for user in &users {
        assert!(
            stores
                .subscriptions
                .add(&app.ident, user, &room, NOW)
                .await
                .unwrap()
                .1,
            "{user}"
        );
    }
    for (user, name) in users.iter().zip(&names) {
        stores
            .subscriptions
            .add(&app.ident, user, &channel(name), NOW)
            .await
            .unwrap();
        assert_eq!(
            stores
                .subscriptions
                .channels_of(&app.ident, user, 1000)
                .await
                .unwrap(),
            [room.clone(), channel(name)]
        );
    }
    let filter = SubscriptionFilter {
        user_id: None,
        channel: Some(room),
    };
    let listed = stores
        .subscriptions
        .list(&app.ident, &filter, 0, 1000)
        .await
        .unwrap();
    assert_eq!(
        listed
            .into_iter()
            .map(|found| found.user_id)
            .collect::<Vec<_>>(),
        users
    );
}

pub(crate) async fn unusual_texts_are_read_back(fixture: &impl Fixture) {
    let stores = fixture.open().await;
    let app = app(&stores, "a").await;
    let texts = [
        "",
        "\0",
        "a\0b\0",
        "\u{1}\u{1a}\u{1b}",
        "\u{1a}0",
        "\u{fffd}",
        "\r\n\t",
        "\u{7f}",
        "{\"a\":\"\\u0000\\ud800\"}",
        "'\"\\",
    ];
    let long = "0123456789abcdef".repeat(20_000);
    let said_in = |text: &str| NewEvent {
        owner_id: Some(text.into()),
        payload: Payload {
            event: text.into(),
            data: text.into(),
            extra: FurtherMembers::trusted(text),
        },
        ..event(&app, "room", "")
    };
    let events: Vec<NewEvent> = texts.iter().copied().chain([&*long]).map(said_in).collect();
    append(&stores, &events).await;
    let read = stores
        .events
        .replay(&app.ident, &channel("room"), 0, 100, ReadLimit::events(100))
        .await
        .unwrap();
    assert_eq!(
        read.into_iter().map(|event| event.new).collect::<Vec<_>>(),
        events
    );
}

pub(crate) async fn a_store_that_was_closed_is_unavailable<F: Fixture>(fixture: &F) {
    let (stores, other) = (fixture.open().await, fixture.open().await);
    let app = app(&stores, "a").await;
    stores.database.ping().await.unwrap();
    if F::LASTING {
        stores.database.close().await;
        assert!(matches!(
            stores.database.ping().await,
            Err(StorageError::Unavailable(_))
        ));
        assert!(matches!(
            stores.events.append(&[event(&app, "room", "")]).await[..],
            [Err(StorageError::Unavailable(_))]
        ));
        assert!(matches!(
            stores.apps.by_ident(&app.ident).await,
            Err(StorageError::Unavailable(_))
        ));
    }
    other.database.ping().await.unwrap();
    assert_eq!(say(&other, &app, "room", &["1"]).await[0].serial, 1);
}
