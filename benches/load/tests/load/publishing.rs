//! The commands that publish: `fanout`, `latency`, `publish`, and `bare` as their target.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::program::{command, error_line, number, run};
use crate::server::TestServer;

/// Events were published, all were delivered, and latency and throughput are reported.
fn assert_all_delivered(report: &Value, subscribers: f64) {
    let (messages, deliveries) = (number(report, "messages"), number(report, "deliveries"));
    assert!(
        messages > 0.0 && deliveries >= messages * subscribers,
        "{report}"
    );
    assert_eq!(
        (&report["lost"], number(report, "subscribers")),
        (&0.into(), subscribers),
        "{report}"
    );
    assert!(
        number(report, "latency_p50_us") <= number(report, "latency_p99_us"),
        "{report}"
    );
    assert!(
        number(report, "deliveries_per_s") > 0.0 && number(report, "generator_cpu") >= 0.0,
        "{report}"
    );
}

#[test]
fn publishes_of_clients_reach_all_subscribers() {
    let server = TestServer::start(&[]);
    let fanout = |more: &[&str]| {
        server.report(
            &[
                &[
                    "fanout",
                    "--subscribers",
                    "30",
                    "--messages",
                    "50",
                    "--seconds",
                    "60",
                ],
                more,
            ]
            .concat(),
        )
    };
    assert_all_delivered(&fanout(&[]), 30.0);
    assert_all_delivered(
        &fanout(&["--persist", "--bytes", "5000", "--own-channels", "2"]),
        30.0,
    );
    let spread = fanout(&["--channels", "10", "--publishers", "4"]);
    // Each channel has 3 subscribers, and a publisher that does not receive its own events.
    assert_eq!(
        (&spread["messages"], &spread["deliveries"], &spread["lost"]),
        (&50.into(), &150.into(), &0.into())
    );
    // The time is a limit too.
    let short = server.report(&["fanout", "--subscribers", "1", "--seconds", "0"]);
    assert_eq!(short["lost"], 0);
}

#[test]
fn a_constant_rate_is_kept() {
    let server = TestServer::start(&[]);
    let report = server.report(&[
        "latency",
        "--subscribers",
        "10",
        "--rate",
        "100",
        "--messages",
        "20",
        "--seconds",
        "60",
    ]);
    assert_all_delivered(&report, 10.0);
    assert_eq!(report["messages"], 20);
    // The last event is due 190 ms after the first.
    assert!(
        (0.19..60.0).contains(&number(&report, "seconds")),
        "{report}"
    );
}

#[test]
fn back_ends_publish_with_and_without_subscribers() {
    let server = TestServer::start(&[]);
    let publish = |more: &[&str]| {
        server.report(
            &[
                &[
                    "publish",
                    "--connections",
                    "4",
                    "--messages",
                    "40",
                    "--seconds",
                    "60",
                ],
                more,
            ]
            .concat(),
        )
    };
    let alone = publish(&[]);
    assert!(number(&alone, "messages_per_s") > 0.0 && number(&alone, "answer_p50_us") > 0.0);
    assert_eq!(
        (&alone["failed"], &alone["lost"], alone.get("deliveries")),
        (&json!({}), &0.into(), None)
    );
    assert_all_delivered(&publish(&["--subscribers", "10"]), 10.0);
    assert_all_delivered(
        &publish(&["--subscribers", "10", "--via", "websocket"]),
        10.0,
    );
}

#[test]
fn clients_and_back_ends_use_the_pusher_protocol() {
    let server = TestServer::start(&[]);
    server.update_app(&json!({"client_events": true, "max_client_events": 0}));
    let report = server.report(&[
        "fanout",
        "--subscribers",
        "10",
        "--messages",
        "50",
        "--seconds",
        "60",
        "--pusher",
    ]);
    assert_eq!(report["url"], format!("{}/app/k", server.url));
    assert_all_delivered(&report, 10.0);
    let signed = [
        "publish",
        "--via",
        "pusher",
        "--subscribers",
        "10",
        "--connections",
        "3",
        "--messages",
        "50",
        "--seconds",
        "60",
    ];
    assert_all_delivered(&server.report(&signed), 10.0);
    let report = server.report(&["storm", "--connections", "20", "--pusher"]);
    assert_eq!(report["back"], 20);
}

#[test]
fn a_bare_endpoint_is_a_target_of_publish() {
    let args = ["bare", "--listen", "127.0.0.1:0", "--seconds", "300"];
    let mut bare = command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(bare.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let url = format!("ws://{}/k", address.trim().strip_prefix("http://").unwrap());
    let args = ["publish", "--messages", "50", "--seconds", "60", "--json"];
    let outcome = run(&mut command(&[&args[..], &["--url", &url]].concat()));
    bare.kill().unwrap();
    bare.wait().unwrap();
    let report: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
    assert_eq!(
        (&report["messages"], &report["failed"]),
        (&50.into(), &json!({}))
    );
}

#[test]
fn slow_readers_are_closed_and_the_others_lose_nothing() {
    let server = TestServer::start(&[("PUSHI_MAX_PENDING_BYTES", "200000")]);
    let slow = [
        "fanout",
        "--subscribers",
        "20",
        "--slow",
        "10",
        "--bytes",
        "20000",
        "--window",
        "4",
    ];
    let report = server.report(&[&slow[..], &["--seconds", "60", "--messages", "1000"]].concat());
    assert_eq!(
        (&report["slow"], &report["slow_closed"], &report["lost"]),
        (&2.into(), &2.into(), &0.into()),
        "{report}"
    );
    assert_eq!(report["deliveries"], 1000 * 18, "{report}");
}

#[test]
fn tls_certificates_are_checked_unless_insecure() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (key, cer) = (folder.path().join("key.pem"), folder.path().join("cer.pem"));
    std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    std::fs::write(&cer, certificate.cert.pem()).unwrap();
    let (key, cer) = (key.to_str().unwrap(), cer.to_str().unwrap());
    let server = TestServer::start(&[("APP_SSL", "1"), ("APP_SSL_KEY", key), ("APP_SSL_CER", cer)]);
    let shared = ["--messages", "50", "--seconds", "60", "--insecure"];
    assert_all_delivered(
        &server.report(
            &[
                &["fanout", "--subscribers", "10", "--bytes", "3000"][..],
                &shared,
            ]
            .concat(),
        ),
        10.0,
    );
    assert_all_delivered(
        &server.report(
            &[
                &["publish", "--subscribers", "5", "--connections", "2"][..],
                &shared,
            ]
            .concat(),
        ),
        5.0,
    );
    let line = error_line(&mut command(&["idle", "--url", &server.url]), 1);
    assert!(
        line.contains("no client connected") && line.contains("ertificate"),
        "{line}"
    );
}
