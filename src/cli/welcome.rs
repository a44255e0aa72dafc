//! The text that the first start on an empty database prints.

use crate::core::model::App;

/// The URLs of a running server, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerUrls {
    /// `http://…` or `https://…`.
    pub api: String,
    /// `ws://…` or `wss://…`.
    pub websocket: String,
}

/// Formats the credentials of the new app, the URLs of the server, and a shell command that
/// publishes with the session token `token`.
pub(super) fn welcome(app: &App, urls: &ServerUrls, token: &str) -> String {
    let ServerUrls { api, websocket } = urls;
    let (ident, key, secret) = (&app.ident, &app.key, app.secret.expose());
    let name = &app.name;
    // Keys and tokens contain no character that has a meaning in a shell or URL.
    format!(
        r#"
Welcome to Pushi. The database was empty, so the app "{name}" was created. Its secret is not shown again.

    id      {ident}
    key     {key}
    secret  {secret}

    Front page     {api}/
    Console        {api}/console
    REST API       {api}
    Documentation  {api}/docs
    WebSocket      {websocket}/{key}

Open the front page and see what arrives when you publish from a shell, in this folder:

    pushi trigger global "hello world"

The same with curl, from anywhere:

    curl -X POST "{api}/events?sid={token}" -H 'Content-Type: application/json' -d '{{"channel":"global","event":"message","data":"hello world"}}'

"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Secret;

    fn app() -> App {
        App {
            name: "default".into(),
            key: "the-key".into(),
            secret: Secret::new("the-secret"),
            ..App::sample("the-ident")
        }
    }

    #[test]
    fn it_contains_credentials_urls_and_a_publish_command() {
        let urls = ServerUrls {
            api: "http://127.0.0.1:8080".into(),
            websocket: "ws://127.0.0.1:9090".into(),
        };
        let text = welcome(&app(), &urls, "the-token");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let has = |line: &str| assert!(lines.contains(&line), "{line} is not a line of {text}");
        has("id      the-ident");
        has("key     the-key");
        has("secret  the-secret");
        has("Front page     http://127.0.0.1:8080/");
        has("Console        http://127.0.0.1:8080/console");
        has("Documentation  http://127.0.0.1:8080/docs");
        has("WebSocket      ws://127.0.0.1:9090/the-key");
        let curl: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("curl "))
            .collect();
        let expected = r#"curl -X POST "http://127.0.0.1:8080/events?sid=the-token" -H 'Content-Type: application/json' -d '{"channel":"global","event":"message","data":"hello world"}'"#;
        assert_eq!(curl, [&expected]);
    }
}
