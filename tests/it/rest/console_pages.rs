//! The console: where it is served, who gets its pages, and what its cookie opens.

use poem::http::Method;
use serde_json::{Value, json};

use crate::rest::{ADMIN, Api, Ask, Reply, Setup, create, start};

const SESSION: &str = "/console/session";
const PAGES: [&str; 8] = [
    "overview",
    "apps",
    "app",
    "channels",
    "connections",
    "tail",
    "deliveries",
    "debugger",
];

/// A request over TLS.
fn ask<'a>(api: &'a Api, method: Method, path: &str) -> Ask<'a> {
    let mut ask = api.ask(method, path).header("host", "pushi.example");
    ask.client.secure = true;
    ask
}

async fn sign_in(api: &Api, credentials: Value) -> Reply {
    let ask = ask(api, Method::POST, SESSION);
    ask.json(&credentials).send().await
}

/// A session as its pages use it.
pub(super) struct Console {
    cookie: String,
    token: String,
}

impl Console {
    pub(super) async fn open(api: &Api, credentials: Value) -> Self {
        let reply = sign_in(api, credentials).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let cookie = reply.header("set-cookie").split(';').next().unwrap();
        Self {
            cookie: cookie.to_owned(),
            token: reply.json()["csrf_token"].as_str().unwrap().to_owned(),
        }
    }

    pub(super) async fn administrator(api: &Api) -> Self {
        Self::open(api, json!({ "secret": ADMIN })).await
    }

    /// A request with the cookie alone.
    fn bare<'a>(&self, api: &'a Api, method: Method, path: &str) -> Ask<'a> {
        ask(api, method, path).header("cookie", &self.cookie)
    }

    pub(super) fn ask<'a>(&self, api: &'a Api, method: Method, path: &str) -> Ask<'a> {
        let ask = self.bare(api, method, path);
        ask.header("x-csrf-token", &self.token)
    }

    async fn is_open(&self, api: &Api) -> bool {
        let status = self.ask(api, Method::GET, "/apps").send().await.status;
        assert!([200, 401].contains(&status), "{status}");
        status == 200
    }
}

#[tokio::test]
async fn an_app_and_the_administrator_sign_in() {
    let api = start().await;
    create(&api.service, "other").await;
    for app in ["shop", "shop-key"] {
        let reply = sign_in(&api, json!({"app": app, "secret": "shop-secret"})).await;
        let shown = reply.json();
        assert_eq!(
            (&shown["role"], &shown["app"], &shown["app_name"]),
            (&json!("app"), &json!("shop"), &json!("The shop"))
        );
        let cookie = reply.header("set-cookie").to_ascii_lowercase();
        for attribute in [
            "; path=/",
            "; httponly",
            "; samesite=strict",
            "; secure",
            "; max-age=3600",
        ] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
    }
    let app = Console::open(&api, json!({"app": "shop", "secret": "shop-secret"})).await;
    let apps = app.ask(&api, Method::GET, "/apps").send().await.json();
    assert_eq!(apps["apps"].as_array().unwrap().len(), 1);
    let refused = app.ask(&api, Method::DELETE, "/apps/shop").send().await;
    refused.problem(403);

    let all = Console::administrator(&api).await;
    let shown = all.bare(&api, Method::GET, SESSION).send().await.json();
    assert_eq!(
        (&shown["role"], &shown["app"], &shown["csrf_token"]),
        (&json!("administrator"), &Value::Null, &json!(all.token))
    );
    let apps = all.ask(&api, Method::GET, "/apps").send().await.json();
    assert_eq!(apps["apps"].as_array().unwrap().len(), 2);
    let deleted = all.ask(&api, Method::DELETE, "/apps/other").send().await;
    assert_eq!(deleted.status, 200);
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_limited() {
    let api = start().await;
    for wrong in [
        json!({"secret": "shop-secret"}),
        json!({"app": "shop", "secret": ADMIN}),
        json!({"app": "shop", "secret": "shop-key"}),
        json!({"app": "none", "secret": "shop-secret"}),
        json!({"app": "../shop", "secret": "shop-secret"}),
    ] {
        let reply = sign_in(&api, wrong).await;
        assert!(reply.problem(401).contains("PUSHI_ADMIN_TOKEN"));
        assert_eq!(reply.header("set-cookie"), "");
    }
    for bad in [
        json!({}),
        json!({"app": "shop"}),
        json!({"secret": ""}),
        json!({"app": 1, "secret": "x"}),
    ] {
        sign_in(&api, bad).await.problem(400);
    }
    let guess = || sign_in(&api, json!({"app": "shop", "secret": "guess"}));
    let mut throttled = None;
    for _ in 0..20 {
        throttled = Some(guess().await).filter(|reply| reply.status == 429);
    }
    assert!(throttled.is_some_and(|reply| !reply.header("retry-after").is_empty()));
}

#[tokio::test]
async fn the_cookie_counts_only_with_the_token_of_its_session() {
    let api = start().await;
    let console = Console::administrator(&api).await;
    let other = Console::administrator(&api).await;
    fn create(ask: Ask<'_>) -> Ask<'_> {
        ask.json(&json!({"name": "made"}))
    }
    for (method, path) in [
        (Method::POST, "/apps"),
        (Method::GET, "/apps"),
        (Method::DELETE, "/apps/shop"),
        (Method::DELETE, SESSION),
    ] {
        let bare = create(console.bare(&api, method.clone(), path))
            .send()
            .await;
        assert!(bare.problem(403).contains("X-CSRF-Token"), "{path}");
        for wrong in ["", "x", other.token.as_str(), &console.token[1..]] {
            let ask = console.bare(&api, method.clone(), path);
            let reply = create(ask.header("x-csrf-token", wrong)).send().await;
            reply.problem(403);
        }
        for (name, foreign) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let ask = console.ask(&api, method.clone(), path);
            create(ask.header(name, foreign)).send().await.problem(403);
        }
    }
    let own = console.ask(&api, Method::POST, "/apps");
    let own = own.header("sec-fetch-site", "same-origin");
    assert_eq!(create(own).send().await.status, 200);
    // A page of another origin cannot sign anybody in.
    let foreign = ask(&api, Method::POST, SESSION).header("origin", "https://evil.example");
    foreign
        .json(&json!({ "secret": ADMIN }))
        .send()
        .await
        .problem(403);
}

#[tokio::test]
async fn no_get_changes_anything() {
    let api = start().await;
    let console = Console::open(&api, json!({"app": "shop", "secret": "shop-secret"})).await;
    for path in ["/logout", "/apps/ping"] {
        console
            .ask(&api, Method::GET, path)
            .send()
            .await
            .problem(403);
    }
    assert!(console.is_open(&api).await);
}

#[tokio::test]
async fn pages_are_for_those_who_are_signed_in() {
    let api = start().await;
    let console = Console::open(&api, json!({"app": "shop", "secret": "shop-secret"})).await;
    let forged = "pushi_console=administrator.9999999999999999.00.00";
    for page in PAGES {
        let path = format!("/console/{page}");
        for cookie in ["", "pushi_console=x", forged] {
            let reply = ask(&api, Method::GET, &path)
                .header("cookie", cookie)
                .send()
                .await;
            assert_eq!((reply.status, reply.text.as_str()), (303, ""), "{path}");
            assert_eq!(reply.header("location"), format!("sign-in?next={page}"));
        }
        let reply = console.bare(&api, Method::GET, &path).send().await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.header("cache-control").contains("private"));
        let policy = reply.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(
            !reply.text.contains("<script>") && !reply.text.contains("<style"),
            "{path}"
        );
        let posted = console.ask(&api, Method::POST, &path).send().await;
        posted.problem(405);
    }
    for (path, signed_in, target) in [
        ("/console", true, "console/overview"),
        ("/console", false, "console/sign-in"),
        ("/console/", true, "overview"),
        ("/console/", false, "sign-in"),
        ("/console/sign-in", true, "overview"),
    ] {
        let ask = match signed_in {
            true => console.bare(&api, Method::GET, path),
            false => ask(&api, Method::GET, path),
        };
        let reply = ask.send().await;
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, target),
            "{path}"
        );
    }
    // The query names the app that the page is about.
    let long = "x".repeat(2_001);
    for (query, next) in [
        (
            "app=shop&channel=a%20%26b",
            "app%3Fapp%3Dshop%26channel%3Da%2520%2526b",
        ),
        (long.as_str(), "app"),
    ] {
        let path = format!("/console/app?{query}");
        let reply = ask(&api, Method::GET, &path).send().await;
        assert_eq!(reply.header("location"), format!("sign-in?next={next}"));
    }
    let unknown = console
        .bare(&api, Method::GET, "/console/unknown")
        .send()
        .await;
    unknown.problem(404);
    let elsewhere = ask(&api, Method::GET, "/consoles").send().await;
    elsewhere.problem(404);
}

#[tokio::test]
async fn sessions_end() {
    let api = start().await;
    let app = json!({"app": "shop", "secret": "shop-secret"});
    for credentials in [json!({ "secret": ADMIN }), app.clone()] {
        let console = Console::open(&api, credentials.clone()).await;
        let other = Console::open(&api, credentials).await;
        let reply = console.ask(&api, Method::DELETE, SESSION).send().await;
        assert_eq!(reply.status, 200);
        assert!(reply.header("set-cookie").contains("Max-Age=0"));
        assert!(!console.is_open(&api).await && other.is_open(&api).await);
        let gone = console.bare(&api, Method::GET, SESSION).send().await;
        gone.problem(401);
    }
    // With the secret.
    let console = Console::open(&api, app).await;
    let rotated = console
        .ask(&api, Method::POST, "/apps/shop/rotate")
        .send()
        .await;
    assert_eq!(rotated.status, 200);
    assert!(
        console.is_open(&api).await,
        "the previous secret is still valid"
    );
    let ended = api
        .admin(Method::PUT, "/apps/shop")
        .json(&json!({"reset": ["previous_secret"]}));
    assert_eq!(ended.send().await.status, 200);
    assert!(!console.is_open(&api).await);
}

#[tokio::test]
async fn the_administrators_session_ends_with_the_token_and_with_time() {
    let api = start().await;
    let console = Console::administrator(&api).await;
    let changed = Setup {
        admin_token: Some("another-token-of-it"),
        ..Setup::default()
    };
    assert!(!console.is_open(&changed.start().await).await);
    let without = Setup {
        admin_token: None,
        ..Setup::default()
    };
    assert!(!console.is_open(&without.start().await).await);
    assert!(console.is_open(&start().await).await, "another node");
    api.clock.advance(std::time::Duration::from_secs(3_601));
    assert!(!console.is_open(&api).await);
}

#[tokio::test]
async fn it_is_served_over_tls_or_to_this_machine() {
    let api = start().await;
    let console = Console::administrator(&api).await;
    for path in ["/console", "/console/overview", SESSION] {
        let plain = api.ask(Method::GET, path).header("cookie", &console.cookie);
        assert!(
            plain
                .send()
                .await
                .problem(403)
                .contains("PUSHI_CONSOLE_INSECURE"),
            "{path}"
        );
    }
    let cookie = api
        .ask(Method::GET, "/apps")
        .header("cookie", &console.cookie);
    cookie
        .header("x-csrf-token", &console.token)
        .send()
        .await
        .problem(403);
    let local = |host: &str, forwarded: bool| {
        let mut ask = api
            .ask(Method::GET, "/console/sign-in")
            .header("host", host);
        ask.client.ip = "127.0.0.1".parse().unwrap();
        ask.client.forwarded = forwarded;
        ask
    };
    let own = local("127.0.0.1:8080", false).header("sec-fetch-site", "none");
    assert_eq!(own.send().await.status, 200);
    local("rebound.example", false).send().await.problem(403);
    local("localhost", true).send().await.problem(403);
    let proxied = local("localhost", false).header("x-real-ip", "203.0.113.9");
    proxied.send().await.problem(403);
}

#[tokio::test]
async fn it_can_be_off() {
    let api = Setup {
        console: false,
        ..Setup::default()
    }
    .start()
    .await;
    for path in ["/console", "/console/overview", "/console/api.mjs", SESSION] {
        let reply = ask(&api, Method::GET, path).send().await;
        assert!(reply.problem(404).contains("PUSHI_CONSOLE"), "{path}");
    }
    sign_in(&api, json!({ "secret": ADMIN })).await.problem(404);
    let console = Console::administrator(&start().await).await;
    console
        .ask(&api, Method::GET, "/apps")
        .send()
        .await
        .problem(401);
}
