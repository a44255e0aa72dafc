//! Validation of the access settings.

use super::compat::{app_variables, is_pushi_name};
use crate::config::error::ConfigError;
use crate::config::raw::Raw;
use crate::config::settings::{AccessSettings, BootstrapApp};
use crate::config::value::{duration, list, read, switch};
use crate::config::variables::{
    PUSHI_ADMIN_TOKEN, PUSHI_ALLOWED_ORIGINS, PUSHI_APP_NAME, PUSHI_CONSOLE,
    PUSHI_CONSOLE_INSECURE, PUSHI_DEMO, PUSHI_MAX_TOKEN_TTL, PUSHI_OPEN_REGISTRATION,
    PUSHI_SESSION_TTL, Variable,
};
use crate::core::model::{AppIdent, NewApp, Secret, origin};

const IDENT_FORMAT: &str = "1 to 64 of A-Z a-z 0-9 _ -";
const CREDENTIAL_FORMAT: &str = "1 to 256 printable ASCII characters without spaces";

pub(super) fn resolve(raw: &Raw, notices: &mut Vec<String>) -> Result<AccessSettings, ConfigError> {
    let [_, _, secret] = app_variables(raw);
    notices.extend([PUSHI_ADMIN_TOKEN, secret].iter().filter_map(|variable| {
        let text = raw.get(variable)?.trim();
        Secret::new(text).is_short().then(|| {
            format!(
                "{} has fewer than {} characters and can be guessed: choose a longer one, such as the output of openssl rand -hex 32",
                variable.name,
                Secret::SHORT
            )
        })
    }));
    Ok(AccessSettings {
        admin_token: admin_token(raw)?,
        open_registration: switch(raw, &PUSHI_OPEN_REGISTRATION)?,
        app: app(raw)?,
        allowed_origins: origins(raw)?,
        session_ttl: duration(raw, &PUSHI_SESSION_TTL, 1)?,
        max_token_ttl: duration(raw, &PUSHI_MAX_TOKEN_TTL, 1)?,
        demo: switch(raw, &PUSHI_DEMO)?,
        console: switch(raw, &PUSHI_CONSOLE)?,
        insecure_console: switch(raw, &PUSHI_CONSOLE_INSECURE)?,
    })
}

fn admin_token(raw: &Raw) -> Result<Option<Secret>, ConfigError> {
    // The token must be a valid header value.
    let valid = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_graphic())
            .then(|| Secret::new(text))
    };
    let token = |_| {
        read(
            raw,
            &PUSHI_ADMIN_TOKEN,
            "visible ASCII characters without spaces",
            valid,
        )
    };
    raw.get(&PUSHI_ADMIN_TOKEN).map(token).transpose()
}

fn app(raw: &Raw) -> Result<Option<BootstrapApp>, ConfigError> {
    let required = app_variables(raw);
    let Some(given) = [&required[..], &[PUSHI_APP_NAME]]
        .concat()
        .into_iter()
        .find(|variable| raw.get(variable).is_some())
    else {
        return Ok(None);
    };
    if let Some(missing) = required.iter().find(|variable| raw.get(variable).is_none()) {
        return Err(ConfigError::new(format!(
            "{} is not set, but {} is: set PUSHI_APP_ID, PUSHI_APP_KEY and PUSHI_APP_SECRET together",
            missing.name, given.name
        )));
    }
    let [ident, key, secret] = required;
    // Not trimmed: another program that reads the variable does not trim it either.
    let exact = |variable: &Variable| raw.get(variable).unwrap_or_default().to_owned();
    let invalid =
        |variable, text: &str| ConfigError::invalid_value(variable, text, CREDENTIAL_FORMAT);
    let (key_text, secret_text) = (exact(&key), exact(&secret));
    NewApp::check_key(&key_text).map_err(|_| invalid(&key, &key_text))?;
    NewApp::check_secret(&secret_text).map_err(|_| invalid(&secret, &secret_text))?;
    Ok(Some(BootstrapApp {
        ident: read(raw, &ident, IDENT_FORMAT, |text| AppIdent::parse(text).ok())?,
        key: key_text,
        secret: Secret::new(secret_text),
        name: raw.get(&PUSHI_APP_NAME).map(|name| name.trim().to_owned()),
        pusher_clients: !is_pushi_name(&ident),
    }))
}

fn origins(raw: &Raw) -> Result<Vec<String>, ConfigError> {
    let origins = list(
        raw,
        &PUSHI_ALLOWED_ORIGINS,
        "comma-separated origins, such as https://chat.example, http://localhost:3000, https://*.chat.example, *.chat.example, \
         null or file://; or *",
        origin::normalize,
    )?;
    // A single * allows every origin.
    Ok(if origins.iter().any(|origin| origin == "*") {
        Vec::new()
    } else {
        origins
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::variables::{
        PUSHER_APP_ID, PUSHER_APP_KEY, PUSHER_APP_SECRET, PUSHI_APP_ID, PUSHI_APP_KEY,
        PUSHI_APP_SECRET,
    };

    fn of(pairs: &[(Variable, &str)]) -> Result<AccessSettings, String> {
        resolve(&Raw::from_pairs(pairs.iter().copied()), &mut Vec::new())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn closed_by_default() {
        let expected = AccessSettings {
            admin_token: None,
            open_registration: false,
            app: None,
            allowed_origins: Vec::new(),
            session_ttl: Duration::from_secs(30 * 86_400),
            max_token_ttl: Duration::from_secs(86_400),
            demo: false,
            console: true,
            insecure_console: false,
        };
        assert_eq!(of(&[]), Ok(expected));
        assert!(of(&[(PUSHI_DEMO, "1")]).unwrap().demo);
        assert!(!of(&[(PUSHI_CONSOLE, "0")]).unwrap().console);
    }

    #[test]
    fn id_key_and_secret_of_an_app_are_set_together() {
        let (id, key, secret) = (
            (PUSHI_APP_ID, "1"),
            (PUSHI_APP_KEY, "k"),
            (PUSHI_APP_SECRET, "s"),
        );
        assert!(
            of(&[key])
                .unwrap_err()
                .starts_with("PUSHI_APP_ID is not set, but PUSHI_APP_KEY is")
        );
        assert!(
            of(&[id, key])
                .unwrap_err()
                .starts_with("PUSHI_APP_SECRET is not set, but PUSHI_APP_ID is")
        );
        assert!(
            of(&[(PUSHI_APP_NAME, "n")])
                .unwrap_err()
                .starts_with("PUSHI_APP_ID is not set, but PUSHI_APP_NAME is")
        );
        let app = of(&[id, key, secret]).unwrap().app.unwrap();
        assert!(!app.pusher_clients);
        assert_eq!(
            (
                app.ident.as_str(),
                app.key.as_str(),
                app.secret.expose(),
                app.name
            ),
            ("1", "k", "s", None)
        );
    }

    #[test]
    fn aliases_of_other_servers_are_read_if_those_of_pushi_are_not_set() {
        let aliases = [
            (PUSHER_APP_ID, "7"),
            (PUSHER_APP_KEY, "k"),
            (PUSHER_APP_SECRET, "s"),
        ];
        let app = of(&aliases).unwrap().app.unwrap();
        assert!(app.pusher_clients);
        assert_eq!(
            (app.ident.as_str(), app.key.as_str(), app.secret.expose()),
            ("7", "k", "s")
        );
        assert_eq!(of(&aliases[1..]).unwrap().app, None);
        let bad = of(&[aliases[0], aliases[1], (PUSHER_APP_SECRET, "hunter 2")]).unwrap_err();
        assert!(
            bad.starts_with("PUSHER_APP_SECRET is invalid") && !bad.contains("hunter"),
            "{bad}"
        );
    }

    #[test]
    fn keys_and_secrets_are_any_printable_characters_as_they_are() {
        let app = |key: &str, secret: &str| {
            let pairs = [
                (PUSHI_APP_ID, "1"),
                (PUSHI_APP_KEY, key),
                (PUSHI_APP_SECRET, secret),
            ];
            let app = of(&pairs).map(|access| access.app.unwrap());
            app.map(|app| (app.key, app.secret.expose().to_owned()))
        };
        let (longest, hex) = ("~".repeat(256), "0f".repeat(64));
        for (key, secret) in [
            ("a.b:c", "Zm9v+/8=="),
            (&longest, &hex),
            ("k/%2F?&#", r#"!"$'\^`{|}"#),
        ] {
            assert_eq!(app(key, secret), Ok((key.into(), secret.into())));
        }
        let long = "x".repeat(257);
        for bad in ["a b", " a", "a\n", "a\t", "é", "\u{7f}", &long] {
            assert!(app(bad, "s").unwrap_err().starts_with("PUSHI_APP_KEY"));
            let error = app("k", bad).unwrap_err();
            assert!(error.starts_with("PUSHI_APP_SECRET is invalid"), "{error}");
        }
        assert!(app("..", "s").is_err() && app("k", "..").is_ok());
    }

    #[test]
    fn a_bad_secret_is_not_shown() {
        let text = of(&[
            (PUSHI_APP_ID, "1"),
            (PUSHI_APP_KEY, "k"),
            (PUSHI_APP_SECRET, "hunter 2"),
        ])
        .unwrap_err();
        assert_eq!(
            text,
            "PUSHI_APP_SECRET is invalid: expected 1 to 256 printable ASCII characters without spaces"
        );
        let text = of(&[(PUSHI_ADMIN_TOKEN, "hunter 2")]).unwrap_err();
        assert!(
            text.starts_with("PUSHI_ADMIN_TOKEN is invalid") && !text.contains("hunter"),
            "{text}"
        );
    }

    #[test]
    fn origins_have_the_form_that_browsers_send() {
        let text = "https://Chat.Example/, http://localhost:3000 ,https://a.example:443,http://b.example:80,null,app://x,http://[::1]:8080,file://,https://*.C.example/,*.d.example";
        let origins = of(&[(PUSHI_ALLOWED_ORIGINS, text)])
            .unwrap()
            .allowed_origins;
        let expected = [
            "https://chat.example",
            "http://localhost:3000",
            "https://a.example",
            "http://b.example",
            "null",
            "app://x",
            "http://[::1]:8080",
            "file://",
            "https://*.c.example",
            "*.d.example",
        ];
        assert_eq!(origins, expected);
        assert!(
            of(&[(PUSHI_ALLOWED_ORIGINS, "https://a.example,*")])
                .unwrap()
                .allowed_origins
                .is_empty()
        );
        for bad in [
            "chat.example",
            "https://",
            "://x",
            "https://a.example/path",
            "https://a b",
            "https://*",
            "https://user@host",
        ] {
            assert!(of(&[(PUSHI_ALLOWED_ORIGINS, bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_short_secret_or_token_gives_a_notice_without_it() {
        let notices = |pairs: &[(Variable, &str)]| {
            let mut notices = Vec::new();
            let raw = Raw::from_pairs(pairs.iter().copied());
            resolve(&raw, &mut notices).unwrap();
            notices
        };
        let app = |secret| {
            [
                (PUSHI_APP_ID, "1"),
                (PUSHI_APP_KEY, "k"),
                (PUSHI_APP_SECRET, secret),
            ]
        };
        for short in [
            notices(&app("hunter-2-hunter")),
            notices(&[(PUSHI_ADMIN_TOKEN, "hunter-2-hunter")]),
        ] {
            let [notice] = &short[..] else {
                panic!("{short:?}")
            };
            assert!(notice.contains("16 characters") && !notice.contains("hunter"));
        }
        assert!(notices(&app("0123456789abcdef")).is_empty());
        assert!(notices(&[(PUSHI_ADMIN_TOKEN, "0123456789abcdef")]).is_empty());
    }
}
