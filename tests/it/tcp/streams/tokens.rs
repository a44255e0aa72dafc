//! Streams of channels that are not public: the token decides.

use std::time::Duration;

use pushi::core::model::{AppIdent, ChannelName, Secret, Timestamp, UserId};
use pushi::outbound::jwt::{JwtTokens, NewToken};
use serde_json::{Value, json};

use super::{Events, publish, request};
use crate::listen::BROKEN;
use crate::tcp::Whole;

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_micros(i64::try_from(since.unwrap().as_micros()).unwrap())
}

/// A token for channels, of a user or of nobody.
fn token(user: Option<&str>, channels: &[&str], publish: Option<&[&str]>, ttl: u64) -> String {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (channels, publish) = (owned(channels), publish.map(owned));
    let token = NewToken {
        user,
        channels: &channels,
        publish: publish.as_deref(),
        info: None,
        app: "shop",
        issued: now(),
        ttl: Duration::from_secs(ttl),
    };
    let secret = Secret::new("shop-secret");
    JwtTokens::new().sign(&token, &secret).unwrap()
}

async fn status(whole: &Whole, query: &str, headers: &str) -> u16 {
    whole.ask(&request(query, headers)).await.status
}

#[tokio::test]
async fn a_token_opens_the_channels_that_it_covers() {
    let whole = Whole::start(&[]).await;
    let ann = token(Some("ann"), &["private-a", "presence-*"], None, 3600);
    let bearer = format!("authorization: Bearer {ann}\r\n");
    for (query, headers) in [
        (format!("channel=private-a&token={ann}"), ""),
        (
            "channel=private-a&channel=public".to_owned(),
            bearer.as_str(),
        ),
        ("channel=personal-ann".to_owned(), bearer.as_str()),
    ] {
        let channel = query.split(['=', '&']).nth(1).unwrap().to_owned();
        let mut events = Events::open(&whole, &query, headers).await;
        publish(&whole, &channel, "secret").await;
        assert_eq!(events.texts().await, ["secret"], "{query}");
    }
    for (query, headers, expected) in [
        ("channel=private-b", bearer.as_str(), 403),
        ("channel=private-a&channel=private-b", bearer.as_str(), 403),
        ("channel=personal-bob", bearer.as_str(), 403),
        ("channel=private-a&token=x", "", 401),
        ("channel=private-a", "", 401),
        ("channel=public&token=x", "", 401),
    ] {
        assert_eq!(status(&whole, query, headers).await, expected, "{query}");
    }
    let nobody = token(None, &["presence-*"], None, 3600);
    let query = format!("channel=presence-room&token={nobody}");
    assert_eq!(status(&whole, &query, "").await, 403);
}

#[tokio::test]
async fn a_stream_is_a_member_of_its_presence_channels() {
    let whole = Whole::start(&[]).await;
    let open = async |user: &str| {
        let token = token(Some(user), &["presence-*"], None, 3600);
        Events::open(&whole, &format!("channel=presence-room&token={token}"), "").await
    };
    let mut ann = open("ann").await;
    let bob = open("bob").await;
    let joined = ann.next().await;
    assert_eq!(joined.data["event"], "pusher:member_added");
    let member: Value = serde_json::from_str(joined.data["member"].as_str().unwrap()).unwrap();
    assert_eq!(member["user_id"], "bob");
    let ident = AppIdent::parse("shop").unwrap();
    let app = whole.service.app(&ident).await.unwrap();
    let room = ChannelName::parse("presence-room", 0).unwrap();
    assert_eq!(whole.service.members(&app, &room).await.len(), 2);
    drop(bob);
    assert_eq!(ann.next().await.data["event"], "pusher:member_removed");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let whole = Whole::start(&[]).await;
    let short = token(Some("ann"), &["private-a"], None, 1);
    let mut events = Events::open(&whole, &format!("channel=private-a&token={short}"), "").await;
    let last = super::parse(&events.conn.rest().await);
    assert_eq!(last.data["data"]["code"], 4009);
    let message = last.data["data"]["message"].as_str().unwrap();
    assert!(message.contains("expired"), "{message}");
}

#[tokio::test]
async fn a_poll_ends_with_its_token() {
    let whole = Whole::start(&[]).await;
    let short = token(Some("ann"), &["private-a"], None, 1);
    let query = format!("channel=private-a&wait=60&token={short}");
    let answer = whole.ask(&request(&query, "")).await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("expired"), "{}", answer.body);
}

#[tokio::test]
async fn a_token_decides_about_publishing() {
    let whole = Whole::start(&[]).await;
    let post = async |channel: &str, token: &str| {
        let body = json!({"channel": channel, "data": "x"}).to_string();
        let length = body.len();
        let request = format!(
            "POST /stream/shop-key HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        whole.ask(&request).await.status
    };
    let silent = token(Some("ann"), &["private-a"], None, 3600);
    let speaker = token(Some("ann"), &["private-*"], Some(&["private-a"]), 3600);
    assert_eq!(post("private-a", &silent).await, 200);
    whole.set(|settings| settings.client_publish = false).await;
    assert_eq!(post("private-a", &silent).await, 403);
    assert_eq!(post("private-a", &speaker).await, 200);
    assert_eq!(post("private-b", &speaker).await, 403);
    assert_eq!(post("public", &speaker).await, 403);
    assert_eq!(post("private-a", "x").await, 401);
}

#[tokio::test]
async fn an_app_that_requires_a_sign_in_takes_a_token_for_it() {
    let whole = Whole::start(&[]).await;
    whole.set(|settings| settings.require_signin = true).await;
    assert_eq!(status(&whole, "channel=a&wait=0", "").await, 401);
    let ann = token(Some("ann"), &[], None, 3600);
    assert_eq!(
        status(&whole, &format!("channel=a&wait=0&token={ann}"), "").await,
        200
    );
}

#[tokio::test]
async fn a_personal_channel_brings_what_its_user_follows() {
    let whole = Whole::start(&[]).await;
    let app = AppIdent::parse("shop").unwrap();
    let ann = UserId::parse("ann").unwrap();
    let follow = async |name: &str| {
        let channel = ChannelName::parse(name, 0).unwrap();
        let added = whole.service.add_subscription(&app, &ann, &channel).await;
        added.unwrap();
    };
    follow("news").await;
    let query = format!(
        "channel=personal-ann&token={}",
        token(Some("ann"), &[], None, 3600)
    );
    let mut events = Events::open(&whole, &query, "").await;
    publish(&whole, "news", "one").await;
    let id = events.next().await.id;
    drop(events);
    publish(&whole, "news", "two").await;
    publish(&whole, "personal-ann", "three").await;
    let mut again = Events::open(&whole, &query, &format!("last-event-id: {id}\r\n")).await;
    let mut missed: [String; 2] = again.texts().await;
    missed.sort();
    assert_eq!(missed, ["three", "two"]);
    follow("later").await;
    let joined = async {
        while whole.service.gauges().subscriptions != 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BROKEN, joined).await.unwrap();
    publish(&whole, "later", "four").await;
    assert_eq!(again.texts().await, ["four"]);
}
