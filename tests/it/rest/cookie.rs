//! The session cookie: counts for pages of this server only.

use poem::http::Method;
use serde_json::json;

use crate::rest::{Api, Ask, start};

fn with_cookie<'a>(api: &'a Api, method: Method, path: &str) -> Ask<'a> {
    api.ask(method, path)
        .header("host", "pushi.example:8080")
        .header("cookie", format!("sid={}", api.token))
}

async fn publishes(api: &Api, headers: &[(&'static str, &str)]) -> u16 {
    let mut ask = with_cookie(api, Method::POST, "/events");
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    let reply = ask.json(&json!({"data": "x"})).send().await;
    if reply.status != 200 {
        assert!(reply.problem(403).contains("cookie"), "{headers:?}");
    }
    reply.status
}

#[tokio::test]
async fn it_changes_something_only_for_the_servers_own_pages() {
    let api = start().await;
    for own in [
        &[("sec-fetch-site", "same-origin")][..],
        &[("origin", "http://pushi.example:8080")],
        &[("origin", "http://PUSHI.example:8080")],
        // A proxy that ends TLS, and tells nobody.
        &[("origin", "https://pushi.example:8080")],
        // Behind a proxy that changes the host.
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://chat.example"),
        ],
    ] {
        assert_eq!(publishes(&api, own).await, 200, "{own:?}");
    }
    for foreign in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "unheard-of")],
        &[("origin", "http://evil.example")],
        &[("origin", "http://pushi.example")],
        &[("origin", "http://pushi.example:8080.evil.example")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "file://")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://pushi.example:8080"),
        ],
        &[
            ("origin", "http://pushi.example:8080"),
            ("origin", "http://evil.example"),
        ],
        // Not from a trusted proxy.
        &[
            ("origin", "http://evil.example"),
            ("x-forwarded-host", "evil.example"),
        ],
    ] {
        assert_eq!(publishes(&api, foreign).await, 403, "{foreign:?}");
    }
}

#[tokio::test]
async fn a_plain_page_does_not_act_on_a_server_with_tls() {
    let api = start().await;
    let of = |origin: &str, secure: bool| {
        let mut ask = api
            .ask(Method::POST, "/logout")
            .header("host", "pushi.example")
            .header("cookie", "sid=unknown")
            .header("origin", origin);
        ask.client.secure = secure;
        ask.send()
    };
    of("http://pushi.example", true).await.problem(403);
    // Judged further, and unknown.
    of("https://pushi.example", true).await.problem(401);
    of("https://pushi.example:443", true).await.problem(401);
    of("http://pushi.example:80", false).await.problem(401);
}

#[tokio::test]
async fn it_reads_unless_a_page_of_another_origin_asks() {
    let api = start().await;
    for (site, status) in [
        (None, 200),
        (Some("none"), 200),
        (Some("same-origin"), 200),
        (Some("same-site"), 403),
        (Some("cross-site"), 403),
    ] {
        let mut ask = with_cookie(&api, Method::GET, "/apps/shop");
        if let Some(site) = site {
            ask = ask.header("sec-fetch-site", site);
        }
        assert_eq!(ask.send().await.status, status, "{site:?}");
    }
    let ask = with_cookie(&api, Method::GET, "/events").header("origin", "http://evil.example");
    ask.send().await.problem(403);
}

#[tokio::test]
async fn a_get_that_changes_something_needs_the_token_itself() {
    let api = start().await;
    for path in [
        "/apps/ping",
        "/apps/shop/subscribe?user_id=u1&event=news",
        "/apps/shop/unsubscribe?user_id=u1&event=news",
        "/logout",
    ] {
        let ask = with_cookie(&api, Method::GET, path).header("sec-fetch-site", "same-origin");
        let message = ask.send().await.problem(403);
        assert!(message.contains("sid in the query"), "{message}");
        let token = match path {
            "/logout" => {
                api.service
                    .create_session(&api.app.ident)
                    .await
                    .unwrap()
                    .text
            }
            _ => api.token.clone(),
        };
        let separator = if path.contains('?') { '&' } else { '?' };
        // Beside a cookie, too.
        let ask = with_cookie(&api, Method::GET, &format!("{path}{separator}sid={token}"));
        assert_eq!(ask.send().await.status, 200, "{path}");
    }
    let ask = with_cookie(&api, Method::POST, "/logout").header("sec-fetch-site", "same-origin");
    assert_eq!(ask.send().await.status, 200);
}
