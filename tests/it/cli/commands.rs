//! Commands other than `serve`.

use pushi::core::auth::channel_auth;
use pushi::core::model::Secret;
use serde_json::json;

use crate::cli::Shell;

#[test]
fn apps_are_created_listed_shown_changed_and_deleted() {
    let shell = Shell::new();
    let made = shell.json(&[
        "app", "create", "--name", "Shop", "--ident", "shop", "--key", "k", "--secret", "s",
        "--json",
    ]);
    assert_eq!(
        (&made["ident"], &made["key"], &made["secret"]),
        (&"shop".into(), &"k".into(), &"s".into())
    );
    let text = shell.printed(&["app", "create", "--name", "Other"]);
    assert_eq!(
        text.lines()
            .map(|line| line.split_whitespace().next().unwrap())
            .collect::<Vec<_>>(),
        ["id", "key", "secret"]
    );

    let list = shell.json(&["app", "list", "--json"]);
    assert_eq!(list["apps"].as_array().unwrap().len(), 2);
    assert!(
        shell
            .printed(&["app", "list"])
            .lines()
            .any(|line| line.split_whitespace().eq(["shop", "k", "Shop"]))
    );

    shell.printed(&[
        "app",
        "update",
        "shop",
        "client_events=true",
        "name=Shoppe",
        "max_members=5",
    ]);
    let shown = shell.json(&["app", "show", "shop", "--json"]);
    assert_eq!(
        (
            &shown["client_events"],
            &shown["name"],
            &shown["max_members"]
        ),
        (&true.into(), &"Shoppe".into(), &5.into())
    );
    assert!(
        shell
            .printed(&["app", "show", "shop"])
            .contains("client_events               true\n")
    );

    let key = shell.printed(&["app", "vapid", "shop"]);
    assert_eq!(key.trim_end().len(), 87);
    let again = shell.run(&["app", "vapid", "shop"]);
    assert!(
        again.code != Some(0) && again.err.contains("replace"),
        "{again:?}"
    );
    let other = shell.json(&["app", "vapid", "shop", "--replace", "--json"]);
    assert_ne!(other["vapid_public_key"], key.trim_end());

    assert_eq!(shell.printed(&["app", "delete", "shop"]), "deleted shop\n");
    assert_eq!(
        shell.complaint(&["app", "show", "shop"], &[], 1),
        "there is no such app"
    );
}

#[test]
fn credentials_of_other_servers_are_used_as_they_are() {
    let shell = Shell::new();
    let (key, secret) = ("-a.b:c/", "-Zm9v+/8==");
    let made = shell.json(&[
        "app", "create", "--name", "S", "--ident", "s", "--key", key, "--secret", secret, "--json",
    ]);
    assert_eq!(
        (&made["key"], &made["secret"]),
        (&key.into(), &secret.into())
    );
    let signed = channel_auth(key, &Secret::new(secret), "1.2", "private-x", None) + "\n";
    assert_eq!(shell.printed(&["auth", "1.2", "private-x"]), signed);
    let chosen = ["--app-id", "t", "--app-key", key, "--app-secret", secret];
    let text = shell.printed(&[&["auth", "1.2", "private-x"][..], &chosen].concat());
    assert_eq!(text, signed);
}

/// A signature must not be one of another channel with channel data, or of a sign-in.
#[test]
fn auth_signs_only_what_means_one_thing() {
    let shell = Shell::new();
    let names = |prefix: &str| ["ID", "KEY", "SECRET"].map(|name| format!("{prefix}_APP_{name}"));
    let sign = |prefix: &str, channel: &str, data: &[&str]| {
        let names = names(prefix);
        let environment = names.each_ref().map(|name| (name.as_str(), "x"));
        shell.run_with(&[&["auth", "1.2", channel], data].concat(), &environment)
    };
    for (prefix, channel) in [
        ("PUSHI", r#"presence-a:{"user_id":"admin"}"#),
        ("PUSHI", r#":user::{"id":"admin"}"#),
        ("PUSHI", "private-a:b"),
        ("PUSHI", "peer-a:b:u1&u2"),
        ("PUSHER", "private-a b"),
        ("PUSHER", "peer-a:u1&u2"),
        ("REVERB", "private-\u{fc}"),
        ("PUSHI", ""),
    ] {
        let done = sign(prefix, channel, &[]);
        assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{channel}");
    }
    for (prefix, channel) in [
        ("PUSHI", "private-a b"),
        ("PUSHI", "private-\u{fc}"),
        ("PUSHI", "peer-a:u1&u2"),
        ("PUSHI", "personal-u1"),
        ("PUSHER", "private-encrypted-a=@,.;"),
        ("SOKETI_DEFAULT", "presence-a"),
    ] {
        let done = sign(prefix, channel, &[]);
        assert_eq!(
            done.out.len(),
            "x:".len() + 64 + 1,
            "{channel}: {}",
            done.err
        );
    }
    for data in [
        "",
        "x",
        "[]",
        "null",
        "{}",
        r#"{"user_id":""}"#,
        r#"{"user_id":null}"#,
        "{",
    ] {
        let done = sign("PUSHI", "presence-a", &[data]);
        assert!(
            done.code == Some(1) && done.err.contains("channel data"),
            "{data}"
        );
    }
    for data in [r#"{"user_id":1e999,"a":"\ud83d"}"#, r#" {"user_id":"u"} "#] {
        assert_eq!(sign("PUSHI", "presence-a", &[data]).code, Some(0), "{data}");
    }
    for socket in ["1", "1.", "1.2:private-x", "1.2 ", "+1.2", "01.2"] {
        let done = shell.run(&["auth", socket, "private-x", "--app-id", "x"]);
        assert!(done.err.contains("socket id"), "{socket}");
    }
}

#[test]
fn app_errors_are_one_line() {
    let shell = Shell::new();
    shell.printed(&["app", "create", "--name", "Shop", "--ident", "shop"]);
    let complaint = |args: &[&str]| shell.complaint(args, &[], 1);
    assert!(complaint(&["app", "create", "--name", "Shop", "--ident", "shop"]).contains("ident"));
    assert!(complaint(&["app", "create", "--name", " "]).contains("name"));
    assert!(complaint(&["app", "update", "shop", "colour=red"]).contains("colour"));
    assert!(complaint(&["app", "update", "shop", "colour"]).contains("NAME=VALUE"));
    assert!(complaint(&["app", "delete", "../shop"]).contains("ident must be"));
}

#[test]
fn auth_signs_with_the_only_app_or_the_chosen_one() {
    let shell = Shell::new();
    let signed =
        |key, secret| channel_auth(key, &Secret::new(secret), "1.2", "private-x", None) + "\n";
    let given = [
        "auth",
        "1.2",
        "private-x",
        "--app-id",
        "a",
        "--app-key",
        "k",
        "--app-secret",
        "s",
    ];
    assert_eq!(shell.printed(&given), signed("k", "s"));
    assert!(
        !shell.folder.path().join("pushi.db").exists(),
        "the store is not needed"
    );

    assert!(
        shell
            .complaint(&["auth", "1.2", "private-x"], &[], 1)
            .contains("pushi app create")
    );
    shell.printed(&[
        "app", "create", "--name", "A", "--ident", "a", "--key", "ka", "--secret", "sa",
    ]);
    assert_eq!(
        shell.printed(&["auth", "1.2", "private-x"]),
        signed("ka", "sa")
    );
    shell.printed(&[
        "app", "create", "--name", "B", "--ident", "b", "--key", "kb", "--secret", "sb",
    ]);
    assert!(
        shell
            .complaint(&["auth", "1.2", "private-x"], &[], 1)
            .contains("--app-id")
    );
    assert_eq!(
        shell.printed(&["auth", "1.2", "private-x", "--app-id", "b"]),
        signed("kb", "sb")
    );
    assert_eq!(
        shell.printed(&["auth", "1.2", "private-x", "--app-key", "ka"]),
        signed("ka", "sa")
    );
    let json = shell.json(&[
        "auth",
        "1.2",
        "presence-x",
        r#"{"user_id":"u"}"#,
        "--app-id",
        "a",
        "--json",
    ]);
    let auth = channel_auth(
        "ka",
        &Secret::new("sa"),
        "1.2",
        "presence-x",
        Some(r#"{"user_id":"u"}"#),
    );
    assert_eq!(
        json,
        json!({"auth": auth, "channel_data": r#"{"user_id":"u"}"#})
    );

    assert!(
        shell
            .complaint(&["auth", "x", "private-x", "--app-id", "a"], &[], 1)
            .contains("socket id")
    );
    assert!(
        shell
            .complaint(&["auth", "1.2", "peer-x", "--app-id", "a"], &[], 1)
            .contains("peer-<base>")
    );
}

#[test]
fn a_token_is_stored_for_an_app() {
    let shell = Shell::new();
    shell.printed(&["app", "create", "--name", "A", "--ident", "a"]);
    assert_eq!(shell.printed(&["token"]).trim().len(), 64);
    let token = shell.json(&["token", "--app-id", "a", "--session-ttl", "5m", "--json"]);
    assert_eq!(
        (token["token"].as_str().unwrap().len(), &token["seconds"]),
        (64, &300.into())
    );
    assert_eq!(
        shell.complaint(&["token", "--app-id", "b"], &[], 1),
        "b: there is no such app"
    );
}

#[test]
fn a_token_for_a_user_is_signed() {
    let shell = Shell::new();
    shell.printed(&["app", "create", "--name", "A", "--ident", "a"]);
    let user = [
        "token",
        "--user",
        "ann",
        "--channels",
        "private-a,room-*",
        "--publish",
        "room-*",
        "--info",
        r#"{"name":"Ann"}"#,
        "--ttl",
        "15m",
    ];
    let token = shell.printed(&user);
    let parts: Vec<_> = token.trim().split('.').collect();
    assert_eq!(parts.len(), 3);
    let claims = data_encoding::BASE64URL_NOPAD
        .decode(parts[1].as_bytes())
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (
            &claims["sub"],
            &claims["channels"],
            &claims["publish"],
            &claims["info"]["name"],
            &claims["app"]
        ),
        (
            &json!("ann"),
            &json!(["private-a", "room-*"]),
            &json!(["room-*"]),
            &json!("Ann"),
            &json!("a")
        )
    );
    let seconds = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!(seconds("exp") - seconds("iat"), 900);
    for (flags, reason) in [
        (["--ttl", "2d"], "86400s"),
        (["--ttl", "soon"], "--ttl"),
        (["--info", "{"], "--info"),
        (["--user", ""], "--user"),
    ] {
        let complaint = shell.complaint(&[&["token"][..], &flags].concat(), &[], 1);
        assert!(complaint.contains(reason), "{complaint}");
    }
}

#[test]
fn the_document_is_printed() {
    let shell = Shell::new();
    let document = shell.json(&["openapi"]);
    assert!(document["paths"]["/events"]["post"].is_object());
}

#[test]
fn a_trigger_without_a_server_names_the_url_and_no_secret() {
    let shell = Shell::new();
    let credentials = [
        "--app-id",
        "a",
        "--app-key",
        "k",
        "--app-secret",
        "hunter2",
        "--app-port",
        "1",
    ];
    let line = shell.complaint(
        &[&["trigger", "global", "hi"][..], &credentials].concat(),
        &[],
        1,
    );
    assert!(
        line.starts_with("http://127.0.0.1:1 cannot be reached: ") && !line.contains("hunter2"),
        "{line}"
    );
}

#[test]
fn bench_names_the_load_generator() {
    let shell = Shell::new();
    for args in [
        &["bench"][..],
        &["bench", "--help"],
        &["bench", "fanout", "--subscribers", "10"],
    ] {
        let line = shell.complaint(args, &[], 2);
        assert!(
            line.contains("pushi-bench: cargo run --release -p pushi-bench -- --help"),
            "{line}"
        );
    }
    assert!(!shell.run(&["--help"]).out.contains("bench"));
}
