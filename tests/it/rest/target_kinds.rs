//! The routes of notification targets other than web hooks: what all kinds have in common, and their bad input.

use poem::http::Method;
use pushi::core::auth::channel_auth;
use serde_json::{Value, json};

use super::messaging::{AUTH, P256DH};
use crate::rest::{Api, Reply, Setup, start};

/// Another point of the curve: the public key of the application server in RFC 8291.
const OTHER_P256DH: &str =
    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";

/// A kind of targets: its route, the member with its address, and two bodies of different targets without a channel.
struct Kind {
    route: &'static str,
    member: &'static str,
    bodies: [Value; 2],
}

fn kinds() -> [Kind; 3] {
    let browser =
        |endpoint: &str, key: &str| json!({"endpoint": endpoint, "p256dh": key, "auth": AUTH});
    [
        Kind {
            route: "/web_pushes",
            member: "endpoint",
            bodies: [
                browser("https://push.example/v1/a?b=c", P256DH),
                browser("https://push.example/v1/d", OTHER_P256DH),
            ],
        },
        Kind {
            route: "/smtps",
            member: "email",
            bodies: [
                json!({"email": "ann+news@shop.example"}),
                json!({"email": "bob@shop.example"}),
            ],
        },
        Kind {
            route: "/apns",
            member: "token",
            bodies: [
                json!({"token": "a1".repeat(32)}),
                json!({"token": "B2".repeat(50)}),
            ],
        },
    ]
}

impl Kind {
    fn address(&self, number: usize) -> &str {
        self.bodies[number][self.member].as_str().unwrap()
    }

    async fn create(&self, api: &Api, query: &str, number: usize, event: &str) -> Reply {
        let mut body = self.bodies[number].clone();
        body["event"] = event.into();
        let create = api.session(Method::POST, &format!("{}{query}", self.route));
        create.json(&body).send().await
    }

    async fn created(&self, api: &Api, number: usize, event: &str) -> Value {
        let reply = self.create(api, "", number, event).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    /// The numbers and channels of what is listed.
    async fn listed(&self, api: &Api, query: &str) -> Vec<(usize, String)> {
        let list = api.session(Method::GET, &format!("{}{query}", self.route));
        self.records(&list.send().await)
    }

    fn records(&self, reply: &Reply) -> Vec<(usize, String)> {
        assert_eq!(reply.status, 200, "{}", reply.text);
        let records = reply.json()["subscriptions"].as_array().unwrap().clone();
        let number = |one: &Value| {
            let same = |body: &&Value| body[self.member] == one[self.member];
            let found = self.bodies.iter().position(|body| same(&body)).unwrap();
            (found, one["event"].as_str().unwrap().to_owned())
        };
        records.iter().map(number).collect()
    }

    /// The path that ends a registration.
    fn path(&self, number: usize, event: &str) -> String {
        let encoded: String = form_urlencoded(self.address(number));
        match self.route {
            "/web_pushes" => format!("/web_pushes/{encoded}?event={event}&"),
            route => format!("{route}/{encoded}/{event}?"),
        }
    }

    async fn delete(&self, api: &Api, path: &str) -> Reply {
        api.session(Method::DELETE, path).send().await
    }
}

fn form_urlencoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn numbered(pairs: &[(usize, &str)]) -> Vec<(usize, String)> {
    pairs
        .iter()
        .map(|(number, event)| (*number, (*event).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_target_of_each_kind_is_registered_once_and_listed() {
    for kind in kinds() {
        let api = start().await;
        let first = kind.created(&api, 0, "news").await;
        let mut expected = kind.bodies[0].clone();
        for (name, value) in json!({
            "event": "news", "id": first["id"], "instance": "shop", "created": first["created"], "modified": first["created"],
            "enabled": true, "description": null, "meta": {}, "_id": first["_id"],
        })
        .as_object()
        .unwrap()
        {
            expected[name] = value.clone();
        }
        assert_eq!(first, expected);
        assert_eq!(kind.created(&api, 0, "news").await, first);
        kind.created(&api, 0, "sport").await;
        kind.created(&api, 1, "news").await;
        let all = [(0, "news"), (0, "sport"), (1, "news")];
        assert_eq!(kind.listed(&api, "").await, numbered(&all));
        let of_event = format!("?event=news&{}=", kind.member);
        assert_eq!(
            kind.listed(&api, &of_event).await,
            numbered(&[all[0], all[2]])
        );
        let of_address = format!("?{}={}", kind.member, form_urlencoded(kind.address(0)));
        assert_eq!(kind.listed(&api, &of_address).await, numbered(&all[..2]));
        let after = format!("?count=1&after={}", first["id"]);
        assert_eq!(kind.listed(&api, &after).await, numbered(&all[1..2]));
        // As Python clients send it.
        let reply = kind.create(&api, "?unsubscribe=True", 0, "last").await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(
            kind.listed(&api, "").await,
            numbered(&[(1, "news"), (0, "last")])
        );
        api.ask(Method::GET, kind.route).send().await.problem(401);
        api.admin(Method::GET, kind.route).send().await.problem(403);
    }
}

#[tokio::test]
async fn the_registrations_of_each_kind_end_by_path() {
    for kind in kinds() {
        let api = start().await;
        for event in ["a", "b", "c"] {
            kind.created(&api, 0, event).await;
        }
        kind.created(&api, 1, "a").await;
        let path = kind.path(0, "a");
        let ended = kind.delete(&api, &path).await.json();
        assert_eq!(
            (&ended[kind.member], &ended["event"]),
            (&json!(kind.address(0)), &json!("a"))
        );
        let again = kind.delete(&api, &path).await;
        assert_eq!(again.text, r#"{"result":"success"}"#);
        let forced = kind.delete(&api, &format!("{path}force=1")).await;
        forced.problem(404);
        let all = format!("{}/{}", kind.route, form_urlencoded(kind.address(0)));
        assert_eq!(
            kind.records(&kind.delete(&api, &all).await),
            numbered(&[(0, "b"), (0, "c")])
        );
        let none = kind.delete(&api, &all).await;
        assert_eq!(none.text, r#"{"subscriptions":[]}"#);
        assert_eq!(kind.listed(&api, "").await, numbered(&[(1, "a")]));
    }
}

#[tokio::test]
async fn closed_channels_require_a_signature_for_each_kind() {
    for kind in kinds() {
        let api = start().await;
        for channel in ["private-a", "presence-a", "personal-ann", "peer-a:ann&bob"] {
            let missing = kind.create(&api, "", 0, channel).await.problem(401);
            assert!(missing.contains("auth is missing"), "{missing}");
            let sign =
                |address| channel_auth(&api.app.key, &api.app.secret, address, channel, None);
            let other = format!("?auth={}", sign(kind.address(1)));
            kind.create(&api, &other, 0, channel).await.problem(401);
            let own = format!("?auth={}", sign(kind.address(0)));
            let created = kind.create(&api, &own, 0, channel).await;
            assert_eq!(created.json()["event"], channel, "{}", created.text);
        }
    }
}

#[tokio::test]
async fn a_new_endpoint_of_a_browser_replaces_the_older() {
    let (api, [browsers, ..]) = (start().await, kinds());
    browsers.created(&api, 0, "news").await;
    let mut body = browsers.bodies[1].clone();
    body["p256dh"] = P256DH.into();
    body["event"] = "news".into();
    let create = api.session(Method::POST, "/web_pushes").json(&body);
    assert_eq!(create.send().await.json()["endpoint"], browsers.address(1));
    assert_eq!(browsers.listed(&api, "").await, numbered(&[(1, "news")]));
}

#[tokio::test]
async fn bad_targets_are_refused_and_not_stored() {
    let setup = Setup {
        is_public: Some(|address| !address.is_loopback()),
        ..Setup::default()
    };
    let api = setup.start().await;
    let off_curve = P256DH.replace("Aiw4", "Aiw8");
    let bad = [
        (
            "/smtps",
            "email",
            vec![
                "",
                "ann",
                "ann@",
                "@shop.example",
                "Ann <ann@shop.example>",
                "ann@shop.example,bob@shop.example",
                "ann@shop.example\r\nBcc: eve@shop.example",
                "ann@shop..example",
                "ann@[127.0.0.1]",
            ],
        ),
        (
            "/apns",
            "token",
            vec!["", "a1", "g1g1", "../../1", &off_curve],
        ),
        (
            "/web_pushes",
            "endpoint",
            vec![
                "",
                "push",
                "ftp://push.example/",
                "http://push.example/",
                "https://",
                "https://u:p@push.example/",
                "https://127.0.0.1/a",
                "https://127.1/a",
                "https://[::1]/a",
                "https://localhost/a",
                "https://a.localhost./",
            ],
        ),
        (
            "/web_pushes",
            "p256dh",
            vec!["", "x", &off_curve, &P256DH[..86], AUTH],
        ),
        (
            "/web_pushes",
            "auth",
            vec!["", "BTBZ", "BTBZMqHH6r4Tts7J_aSIggAA", "?"],
        ),
    ];
    for (route, member, values) in bad {
        let kinds = kinds();
        let kind = kinds.iter().find(|kind| kind.route == route).unwrap();
        let mut good = kind.bodies[0].clone();
        good["event"] = "news".into();
        let refused = async |body: &Value| {
            let reply = api.session(Method::POST, route).json(body).send().await;
            let reason = reply.problem(400);
            assert!(reason.starts_with(member), "{body}: {reason}");
        };
        for value in values {
            let mut body = good.clone();
            body[member] = value.into();
            refused(&body).await;
        }
        for value in [json!(7), json!(["a"]), Value::Null] {
            let mut body = good.clone();
            body[member] = value;
            refused(&body).await;
        }
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(member);
        refused(&body).await;
        for event in ["", "a\u{7f}", "#server-to-user-ann"] {
            kind.create(&api, "", 0, event).await.problem(400);
        }
        assert!(kind.listed(&api, "").await.is_empty());
        // The good one is accepted.
        kind.created(&api, 0, "news").await;
        let path = kind.path(0, "news");
        kind.delete(&api, &path).await.json();
    }
}

#[tokio::test]
async fn an_address_may_have_digests() {
    let api = start().await;
    let create = async |path: &str, address: &str, further: Value| {
        let mut body = json!({"email": address, "url": address, "event": "news"});
        body.as_object_mut()
            .unwrap()
            .extend(further.as_object().unwrap().clone());
        let create = api.session(Method::POST, path).json(&body);
        create.send().await
    };
    let ann = "ann@shop.example";
    for digest in [
        json!("0"),
        json!("0s"),
        json!("25h"),
        json!("86401"),
        json!("soon"),
        json!("-1m"),
        json!("1.5h"),
        json!(""),
        json!(900),
        json!(["15m"]),
        json!(true),
    ] {
        let refused = create("/smtps", ann, json!({"digest": digest})).await;
        let reason = refused.problem(400);
        assert!(reason.starts_with("digest must be"), "{reason}");
    }
    let hook = "https://shop.example/";
    let refused = create("/webs", hook, json!({"digest": "15m"})).await;
    assert!(refused.problem(400).starts_with("digest is for e-mail"));
    for (further, digest, when) in [
        (json!({}), Value::Null, Value::Null),
        (json!({"digest": "900"}), json!("15m"), Value::Null),
        (
            json!({"digest": "1h", "when": "away", "user_id": "ann", "delay": "30s"}),
            json!("1h"),
            json!("away"),
        ),
        (json!({"digest": "24h"}), json!("1d"), Value::Null),
        (json!({"digest": null}), Value::Null, Value::Null),
        (json!({"digest": "1s"}), json!("1s"), Value::Null),
    ] {
        let record = create("/smtps", ann, further).await.json();
        assert_eq!((&record["digest"], &record["when"]), (&digest, &when));
        let listed = api.session(Method::GET, "/smtps").send().await.json();
        assert_eq!(listed["subscriptions"], json!([record]));
    }
}
