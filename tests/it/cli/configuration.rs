//! Configuration from environment and flags.

use crate::cli::Shell;
use crate::cli::serve::Running;

#[test]
fn a_value_that_cannot_be_used_ends_the_start_with_one_line() {
    let shell = Shell::new();
    for args in [&["serve"][..], &[], &["check"]] {
        let line = shell.complaint(args, &[("APP_PORT", "abc")], 2);
        assert_eq!(
            line,
            r#"APP_PORT="abc" is invalid: expected a port from 0 to 65535"#
        );
    }
    let line = shell.complaint(
        &["app", "list"],
        &[("DATABASE_URL", "oracle://u:hunter2@h")],
        2,
    );
    assert!(
        line.starts_with("DATABASE_URL is invalid: expected sqlite://PATH")
            && !line.contains("hunter2"),
        "{line}"
    );
}

#[test]
fn a_store_that_cannot_be_opened_is_named() {
    let shell = Shell::new();
    // Port 1 is closed.
    let (short, nobody) = (
        ("PUSHI_STORE_TIMEOUT", "1"),
        "mongodb://u:hunter2@127.0.0.1:1/x",
    );
    let expected = "the MongoDB database x on 127.0.0.1:1 cannot be reached: is it the right address, and does the server run?";
    let line = shell.complaint(&["check"], &[("MONGO_URL", nobody), short], 2);
    assert!(
        line.contains(expected) && !line.contains("hunter2"),
        "{line}"
    );
    let served = shell.run_with(
        &["serve", "--app-port", "0", "--server-port", "0"],
        &[("DATABASE_URL", nobody), short],
    );
    let lines: Vec<&str> = served.err.lines().collect();
    let [waiting, line] = lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(served.code, Some(2));
    assert!(waiting.contains("waiting for it"), "{waiting}");
    assert!(
        line.contains(expected) && !served.err.contains("hunter2"),
        "{line}"
    );
    assert!(
        shell
            .complaint(&["app", "list"], &[("DATABASE_URL", "sqlite::memory:")], 2)
            .contains("in memory")
    );
}

#[test]
fn a_file_is_read_the_environment_wins_over_it_and_a_flag_over_both() {
    let shell = Shell::new();
    let api = |args: &[&str], environment: &[(&str, &str)]| {
        let done = shell.run_with(&[&["check"], args].concat(), environment);
        done.out
            .lines()
            .find_map(|line| line.strip_prefix("REST API   ").map(str::to_owned))
            .unwrap()
    };
    std::fs::write(shell.folder.path().join(".env"), "APP_PORT=1111\n").unwrap();
    assert_eq!(api(&[], &[]), "http://127.0.0.1:1111");
    assert_eq!(api(&[], &[("APP_PORT", "2222")]), "http://127.0.0.1:2222");
    assert_eq!(
        api(&["--app-port", "3333"], &[("APP_PORT", "2222")]),
        "http://127.0.0.1:3333"
    );
    std::fs::write(
        shell.folder.path().join(".env"),
        "APP_PORT=1111\nPUSHI_ADMIN_TOKEN=hunter2 hunter3\n",
    )
    .unwrap();
    let line = shell.complaint(&["check"], &[], 2);
    assert_eq!(
        line,
        ".env cannot be read: line 2: PUSHI_ADMIN_TOKEN has a space in its value: put the value in quotes"
    );
}

/// A file of Laravel, which is also read by docker compose.
#[test]
fn a_file_of_other_programs_gives_the_values_that_they_read() {
    let shell = Shell::new();
    let file = [
        "\u{feff}APP_NAME=My Chat\r",
        "APP_KEY=base64:x+/=\r",
        "GREETING='don't\r",
        "DB_NOTE=\"two\r",
        "PUSHER_APP_SECRET=no\r",
        "lines\"\r",
        "export PUSHER_APP_ID = 7 # numeric\r",
        "PUSHER_APP_KEY=their-key\r",
        "PUSHER_APP_SECRET=ab$cd12ef\r",
        "VITE_PUSHER_APP_KEY=\"${PUSHER_APP_KEY}\"\r",
        "VITE_OTHER=\"${NOT_SET}\"\r",
        "PUSHI_APP_NAME=\"Chat of ${PUSHER_APP_ID}\"\r",
        "",
    ];
    std::fs::write(shell.folder.path().join(".env"), file.join("\n")).unwrap();
    let signed = |environment: &[(&str, &str)]| {
        shell
            .run_with(&["auth", "1.1", "private-x"], environment)
            .out
    };
    let explicit = [
        ("PUSHI_APP_ID", "7"),
        ("PUSHI_APP_KEY", "their-key"),
        ("PUSHI_APP_SECRET", "ab$cd12ef"),
    ];
    assert!(signed(&[]).starts_with("their-key:"), "{}", signed(&[]));
    assert_eq!(signed(&[]), signed(&explicit));
    assert_ne!(signed(&[]), signed(&[("PUSHER_APP_SECRET", "ab")]));
}

#[test]
fn check_reports_and_creates_nothing() {
    let shell = Shell::new();
    let text = shell.printed(&["check"]);
    assert!(
        text.contains("store      SQLite at pushi.db, created by the first start\n"),
        "{text}"
    );
    assert!(!shell.folder.path().join("pushi.db").exists());
    shell.printed(&["app", "create", "--name", "A"]);
    assert_eq!(
        shell.json(&["check", "--json"])["store"],
        "SQLite at pushi.db, with 1 app"
    );
    let done = shell.run_with(
        &["check", "--json"],
        &[
            ("PUSHI_RETENTON", "5d"),
            ("APP_SERVER", "netius"),
            ("APP_SSL_KEY", "k"),
        ],
    );
    let notices = serde_json::from_str::<serde_json::Value>(&done.out).unwrap()["notices"].clone();
    let expected = [
        "APP_SERVER is ignored: there is one HTTP server",
        "APP_SSL_KEY is ignored, because APP_SSL is not 1",
        "unknown variable PUSHI_RETENTON is ignored, did you mean PUSHI_RETENTION?",
    ];
    assert_eq!(notices, serde_json::json!(expected));
}

/// Variables of soketi, Reverb and Pusher.
#[test]
fn the_names_of_other_servers_are_understood() {
    let shell = Shell::new();
    for (prefix, host, port) in [
        ("SOKETI_DEFAULT_", "SOKETI_HOST", "SOKETI_PORT"),
        ("REVERB_", "REVERB_SERVER_HOST", "REVERB_SERVER_PORT"),
    ] {
        let names = ["APP_ID", "APP_KEY", "APP_SECRET"].map(|name| format!("{prefix}{name}"));
        let [id, key, secret] = &names;
        let environment = [
            (id.as_str(), "7"),
            (key, "their-key"),
            (secret, "their-secret"),
            (host, "127.0.0.2"),
            (port, "6001"),
        ];
        let done = shell.run_with(&["check"], &environment);
        assert!(done.out.contains("ws://127.0.0.2:6001"), "{}", done.out);
        assert!(
            done.out
                .contains(&format!("{id} is used, because PUSHI_APP_ID is not set")),
            "{}",
            done.out
        );
        assert!(!done.out.contains("their-secret"));
        let auth = shell
            .run_with(&["auth", "1.1", "private-x"], &environment)
            .out;
        assert!(auth.contains("their-key:"), "{auth}");
    }
}

/// In an app that comes from the variables of another server, only the back end publishes, and a
/// member's data needs its signature. What the administrator changes stays.
#[test]
fn subscribers_do_not_publish_in_an_app_of_another_server() {
    let shell = Shell::new();
    let setting =
        |ident: &str, name: &str| shell.json(&["app", "show", ident, "--json"])[name].clone();
    let publishes = |ident: &str| setting(ident, "client_publish");
    let restart = |environment: &[(&str, &str)]| {
        let server = Running::start(&shell, &[], environment);
        server.signal("TERM");
        assert_eq!(server.ended(), Some(0));
    };
    for (ident, prefix) in [
        ("1", "PUSHER"),
        ("2", "SOKETI_DEFAULT"),
        ("3", "REVERB"),
        ("4", "PUSHI"),
    ] {
        let names = ["ID", "KEY", "SECRET"].map(|name| format!("{prefix}_APP_{name}"));
        let environment = names.each_ref().map(|name| (name.as_str(), ident));
        restart(&environment);
        assert_eq!(publishes(ident), prefix == "PUSHI", "{prefix}");
        assert_eq!(setting(ident, "signed_presence"), prefix != "PUSHI");
        restart(&environment);
        assert_eq!(publishes(ident), prefix == "PUSHI", "{prefix}");
        shell.printed(&["app", "update", ident, "client_publish=true"]);
        restart(&environment);
        assert_eq!(publishes(ident), true, "{prefix}");
    }
}

#[test]
fn check_names_a_proxy_that_is_likely() {
    let shell = Shell::new();
    let out = |environment: &[(&str, &str)]| shell.run_with(&["check"], environment).out;
    for variables in [
        ("PUSHI_TRUSTED_PROXIES", "127.0.0.1"),
        ("PUSHI_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("PUSHI_ALLOWED_ORIGINS", "https://chat.example"),
    ] {
        assert!(
            out(&[variables]).contains("a proxy on this machine seems likely"),
            "{variables:?}"
        );
    }
    for variables in [
        ("PUSHI_ALLOWED_ORIGINS", "http://localhost:3000"),
        ("APP_HOST", "0.0.0.0"),
    ] {
        assert!(!out(&[variables]).contains("proxy"), "{variables:?}");
    }
}

#[test]
fn a_check_looks_at_certificates_and_databases() {
    let shell = Shell::new();
    let line = shell.complaint(
        &[
            "check",
            "--app-ssl",
            "--app-ssl-key",
            "no.key",
            "--app-ssl-cer",
            "no.cer",
        ],
        &[],
        2,
    );
    assert!(
        line.starts_with("APP_SSL_KEY, APP_SSL_CER: no.cer: No such file"),
        "{line}"
    );
    std::fs::write(
        shell.folder.path().join("pushi.db"),
        "this is no database\n".repeat(100),
    )
    .unwrap();
    let line = shell.complaint(&["check"], &[], 2);
    assert!(
        line.starts_with("DATABASE_URL: the database pushi.db "),
        "{line}"
    );
}

#[test]
fn help_and_mistakes_in_the_arguments() {
    let shell = Shell::new();
    assert!(
        shell
            .printed(&["serve", "--help"])
            .contains("--max-pending-bytes")
    );
    assert!(shell.printed(&["--version"]).starts_with("pushi "));
    let done = shell.run_with(&["serve", "--help"], &[("PUSHI_ADMIN_TOKEN", "hunter2")]);
    assert!(!done.out.contains("hunter2"));
    assert_eq!(shell.run(&["--nonsense"]).code, Some(2));
}
