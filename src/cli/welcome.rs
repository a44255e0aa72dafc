//! What the first start on an empty database prints.

use crate::core::model::App;

/// Where a server is reached, as URLs without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// `http://…` or `https://…`.
    pub api: String,
    /// `ws://…` or `wss://…`.
    pub sockets: String,
}

/// Tells a newcomer what there is: the app that was made, where the server is, and a line for the shell that publishes.
/// `token` is a session of the app.
pub fn welcome(app: &App, addresses: &Addresses, token: &str) -> String {
    let Addresses { api, sockets } = addresses;
    let (ident, key, secret) = (&app.ident, &app.key, app.secret.expose());
    let name = &app.name;
    // Keys and tokens have no character that the shell or a URL would take for something else.
    format!(
        r#"
Welcome to Pushi. The database was empty: here is an app to begin with, "{name}". Its secret is not shown again.

    id      {ident}
    key     {key}
    secret  {secret}

    REST API       {api}
    Documentation  {api}/docs
    WebSocket      {sockets}/{key}

Subscribe there to the channel global, then publish from a shell:

    curl -X POST "{api}/events?sid={token}" -H 'Content-Type: application/json' -d '{{"channel":"global","event":"message","data":"hello world"}}'

"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{AppIdent, AppSettings, PushCredentials, Secret, Timestamp};

    fn app() -> App {
        App {
            id: 1,
            ident: AppIdent::trusted("the-ident"),
            name: "default".into(),
            description: None,
            key: "the-key".into(),
            secret: Secret::new("the-secret"),
            previous_secret: None,
            push: PushCredentials::default(),
            settings: AppSettings::default(),
            created: Timestamp::default(),
            modified: Timestamp::default(),
        }
    }

    #[test]
    fn it_tells_what_a_newcomer_needs() {
        let addresses = Addresses {
            api: "http://127.0.0.1:8080".into(),
            sockets: "ws://127.0.0.1:9090".into(),
        };
        let text = welcome(&app(), &addresses, "the-token");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let has = |line: &str| assert!(lines.contains(&line), "{line} is not a line of {text}");
        has("id      the-ident");
        has("key     the-key");
        has("secret  the-secret");
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
