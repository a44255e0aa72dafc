use proptest::prelude::*;
use serde_json::json;

use super::*;

fn decode_frame(text: &str) -> Result<PusherCommand, DecodeError> {
    decode(text, &Limits::default())
}

fn subscription(data: &serde_json::Value) -> Subscribe {
    match decode_frame(&json!({"event": "pusher:subscribe", "data": data}).to_string()) {
        Ok(PusherCommand::Subscribe(subscribe)) => *subscribe,
        other => panic!("not a subscription: {other:?}"),
    }
}

fn signing_in(user_data: &serde_json::Value) -> Result<(SignIn, bool), DecodeError> {
    match decode_frame(&json!({"event": "pusher:signin", "data": {"auth": "k:s", "user_data": user_data.to_string()}}).to_string()) {
        Ok(PusherCommand::SignIn(sign_in, too_long)) => Ok((*sign_in, too_long)),
        Err(refused) => Err(refused),
        other => panic!("not a sign-in: {other:?}"),
    }
}

#[test]
fn channel_data_is_kept_as_signed_and_without_peer() {
    let text = r#"{ "user_id": 10, "peer": true, "user_info": {"n": 1.50} }"#;
    let data = subscription(&json!({"channel": "presence-x", "channel_data": text}))
        .channel_data
        .unwrap();
    assert_eq!(&*data.signed, text);
    assert_eq!(data.user_id, UserId::parse("10"));
    assert!(!data.peer);
    let any = subscription(&json!({"channel": "private-x", "channel_data": "anything"}))
        .channel_data
        .unwrap();
    assert_eq!((&*any.signed, any.user_id), ("anything", None));
    assert!(
        subscription(&json!({"channel": "x", "auth": "", "channel_data": null}))
            .channel_data
            .is_none()
    );
}

#[test]
fn a_watchlist_has_no_duplicates_and_at_most_100_users() {
    let users: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let (sign_in, too_long) = signing_in(&json!({"id": "u", "watchlist": users})).unwrap();
    assert_eq!((sign_in.signed.watchlist.len(), too_long), (100, true));
    let twice: Vec<&String> = users[..100].iter().chain(&users[..100]).collect();
    let (sign_in, too_long) = signing_in(&json!({"id": "u", "watchlist": twice})).unwrap();
    assert_eq!((sign_in.signed.watchlist.len(), too_long), (100, false));
    for none in [
        json!({"id": "u"}),
        json!({"id": "u", "watchlist": null}),
        json!({"id": "u", "watchlist": []}),
    ] {
        assert!(signing_in(&none).unwrap().0.signed.watchlist.is_empty());
    }
    for bad in [
        json!("u"),
        json!([7]),
        json!([""]),
        json!(["x".repeat(129)]),
    ] {
        assert!(
            matches!(
                signing_in(&json!({"id": "u", "watchlist": bad})),
                Err(DecodeError::SignIn(_))
            ),
            "{bad}"
        );
    }
}

#[test]
fn a_signed_in_user_has_its_user_info() {
    let shown = |user_data| signing_in(&user_data).unwrap().0.signed.data.to_string();
    assert_eq!(
        shown(json!({"id": "a\"b", "user_info": {"x": [1]}, "else": 1})),
        r#"{"user_id":"a\"b","user_info":{"x":[1]}}"#
    );
    assert_eq!(shown(json!({"id": "u"})), r#"{"user_id":"u"}"#);
}

fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    let words = vec![
        "pusher:subscribe",
        "pusher:unsubscribe",
        "pusher:signin",
        "pusher:ping",
        "client-x",
        "presence-a",
        "now",
        "{}",
        "",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        prop::sample::select(words).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    let names = vec![
        "event",
        "channel",
        "data",
        "auth",
        "channel_data",
        "user_data",
        "since",
        "id",
        "watchlist",
        "user_id",
        "x",
    ];
    let name = prop::sample::select(names);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        let object =
            prop::collection::vec((name.clone(), inner.clone()), 0..6).prop_map(|members| {
                serde_json::Value::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            });
        // Objects within strings, too: that is what this dialect is full of.
        let text = object
            .clone()
            .prop_map(|object| serde_json::Value::String(object.to_string()));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Into::into),
            object,
            text
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_a_command_or_an_error(text in any::<String>()) {
        let _ = decode_frame(&text);
    }

    #[test]
    fn any_json_is_a_command_or_an_error(value in arbitrary_json()) {
        let _ = decode_frame(&value.to_string());
    }
}
