//! Runs that fail: one line on standard error that names the reason.

use crate::program::{command, error_line};
use crate::server::TestServer;

#[test]
fn a_failed_run_prints_one_line() {
    let server = TestServer::start(&[]);
    let failed = |args: &[&str]| error_line(&mut command(args), 1);
    let unknown = format!("{}/another-key", server.url);
    let line = failed(&["idle", "--connections", "2", "--url", &unknown]);
    assert!(
        line.starts_with(&unknown) && line.contains("4001"),
        "{line}"
    );
    let line = failed(&["publish", "--url", &unknown]);
    assert!(line.contains("--app-key"), "{line}");
    let line = failed(&["idle", "--url", "ws://127.0.0.1:1/k"]);
    assert!(
        line.contains("no client connected") && line.contains("refused"),
        "{line}"
    );
    // The app does not accept client events.
    let line = server.error_line(&["fanout", "--subscribers", "2", "--drain", "0.2", "--pusher"]);
    assert!(
        line.contains("did not arrive") && line.contains("client_events"),
        "{line}"
    );
    let line = server.error_line(&["publish", "--rest", "http://127.0.0.1:1"]);
    assert!(
        line.contains("cannot be reached") && !line.contains("hunter2"),
        "{line}"
    );
    assert!(failed(&["fanout", "--url", "nonsense"]).contains("ws:// or wss://"));
    assert!(
        server
            .error_line(&["fanout", "--subscribers", "0"])
            .contains("subscriber")
    );
}

#[test]
fn a_publisher_with_too_many_channels_is_an_error() {
    let server = TestServer::start(&[("PUSHI_MAX_CHANNELS_PER_CONNECTION", "5")]);
    let line = server.error_line(&["fanout", "--subscribers", "6", "--channels", "6"]);
    assert!(
        line.contains("4319") && line.contains("--publishers"),
        "{line}"
    );
}

#[test]
fn missing_credentials_are_an_error() {
    let mut idle = command(&["idle"]);
    let line = error_line(idle.env_remove("PUSHI_APP_KEY"), 1);
    assert!(
        line.contains("--app-key") && line.contains("PUSHI_APP_KEY"),
        "{line}"
    );
}

#[test]
fn an_invalid_configuration_is_an_error() {
    let mut idle = command(&["idle", "--server-port", "x"]);
    let line = error_line(&mut idle, 2);
    assert!(line.starts_with("SERVER_PORT=\"x\""), "{line}");
}
