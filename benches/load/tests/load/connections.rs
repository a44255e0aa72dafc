//! The commands that connect and do not publish: `idle`, `presence`, `storm`.

use serde_json::json;

use crate::program::{command, number, run};
use crate::server::TestServer;

#[test]
fn idle_connections_are_held_and_measured() {
    let server = TestServer::start(&[]);
    let report = server.report(&[
        "idle",
        "--connections",
        "50",
        "--channels",
        "2",
        "--own-channels",
        "3",
        "--seconds",
        "0.2",
    ]);
    assert_eq!(
        (&report["ready"], &report["held"]),
        (&50.into(), &50.into())
    );
    assert!(number(&report, "connects_per_s") > 0.0 && number(&report, "ready_p99_us") > 0.0);
    assert!(
        number(&report, "server_rss_after_bytes") > 1e6
            && report.get("server_bytes_per_connection").is_some()
    );
    let args = ["idle", "--connections", "5", "--seconds", "0"];
    let text = run(&mut command(&[&args[..], &["--url", &server.url]].concat())).stdout;
    assert!(
        text.lines()
            .any(|line| line.split_whitespace().eq(["subscribed", "5"])),
        "{text}"
    );
}

#[test]
fn late_members_receive_the_whole_member_list() {
    let server = TestServer::start(&[]);
    let report = server.report(&["presence", "--members", "20", "--late", "2"]);
    assert_eq!(
        (&report["members"], &report["refused"]),
        (&20.into(), &json!({}))
    );
    assert!(
        number(&report, "late_join_p50_us") <= number(&report, "late_p50_us"),
        "{report}"
    );
    assert!(
        number(&report, "late_p50_us") > 0.0
            && number(&report, "bytes_per_late_join") > 20.0 * 50.0,
        "{report}"
    );
}

#[test]
fn all_clients_reconnect_in_a_storm() {
    let server = TestServer::start(&[]);
    let report = server.report(&["storm", "--connections", "100"]);
    assert_eq!(
        (&report["back"], &report["turned_away"], &report["refused"]),
        (&100.into(), &0.into(), &json!({}))
    );
    assert!(number(&report, "back_s") > 0.0 && number(&report, "back_max_us") > 0.0);
}

#[test]
fn rate_limited_clients_retry_until_all_reconnected() {
    let server = TestServer::start(&[("PUSHI_MAX_CONNECTS_PER_SECOND", "40")]);
    let report = server.report(&["storm", "--connections", "60", "--retry", "0.2"]);
    assert_eq!(
        (&report["back"], &report["turned_away"]),
        (&60.into(), &report["refused"]["4100"]),
        "{report}"
    );
    assert!(number(&report, "turned_away") > 0.0, "{report}");
}
