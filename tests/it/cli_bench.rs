//! `pushi bench` against a server.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::cli::Shell;
use crate::cli::serve::Running;

const CREDENTIALS: [(&str, &str); 3] = [
    ("PUSHI_APP_ID", "7"),
    ("PUSHI_APP_KEY", "k"),
    ("PUSHI_APP_SECRET", "hunter2"),
];

/// A server in its folder, and where clients connect.
struct Scene {
    shell: Shell,
    server: Running,
    url: String,
}

impl Scene {
    fn new(environment: &[(&str, &str)]) -> Self {
        Self::of(Shell::new(), environment)
    }

    fn of(shell: Shell, environment: &[(&str, &str)]) -> Self {
        let server = Running::start(&shell, &[], &[&CREDENTIALS, environment].concat());
        let url = format!("ws://{}", server.api);
        Self { shell, server, url }
    }

    /// The one line with which a bench gives up.
    fn complaint(&self, args: &[&str]) -> String {
        self.shell.complaint(
            &[&["bench"], args, &["--url", &self.url]].concat(),
            &CREDENTIALS,
            1,
        )
    }

    /// What a bench prints as JSON; it gets the credentials from its environment.
    fn bench(&self, args: &[&str]) -> Value {
        let pid = self.server.child.id().to_string();
        let args = [
            &["bench"],
            args,
            &["--url", &self.url, "--pid", &pid, "--json"],
        ]
        .concat();
        let done = self.shell.run_with(&args, &CREDENTIALS);
        assert_eq!(
            (done.code, done.err.as_str()),
            (Some(0), ""),
            "{args:?}: {}",
            done.out
        );
        assert!(!done.out.contains("hunter2"));
        serde_json::from_str(&done.out).unwrap()
    }
}

fn number(report: &Value, key: &str) -> f64 {
    report[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no number {key} in {report}"))
}

/// Something was published, all of it arrived, and it is known how fast.
fn arrived(report: &Value, subscribers: f64) {
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
fn idle_connections_are_held_and_weighed() {
    let scene = Scene::new(&[]);
    let report = scene.bench(&[
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
    let text = scene
        .shell
        .run_with(
            &[
                "bench",
                "idle",
                "--connections",
                "5",
                "--seconds",
                "0",
                "--url",
                &scene.url,
            ],
            &CREDENTIALS,
        )
        .out;
    assert!(
        text.lines()
            .any(|line| line.split_whitespace().eq(["subscribed", "5"])),
        "{text}"
    );
}

#[test]
fn publishes_of_clients_reach_everybody() {
    let scene = Scene::new(&[]);
    let fanout = |more: &[&str]| {
        scene.bench(
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
    arrived(&fanout(&[]), 30.0);
    arrived(
        &fanout(&["--persist", "--bytes", "5000", "--own-channels", "2"]),
        30.0,
    );
    let spread = fanout(&["--channels", "10", "--publishers", "4"]);
    // Each channel has 3 subscribers, and its own publisher, who does not hear itself.
    assert_eq!(
        (&spread["messages"], &spread["deliveries"], &spread["lost"]),
        (&50.into(), &150.into(), &0.into())
    );
    // The time is a bound as well.
    let short = scene.bench(&["fanout", "--subscribers", "1", "--seconds", "0"]);
    assert_eq!(short["lost"], 0);
}

#[test]
fn a_steady_rate_is_kept() {
    let scene = Scene::new(&[]);
    let report = scene.bench(&[
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
    arrived(&report, 10.0);
    assert_eq!(report["messages"], 20);
    // The last is due 190 ms after the first, and nothing is due after that.
    assert!(
        (0.19..60.0).contains(&number(&report, "seconds")),
        "{report}"
    );
}

#[test]
fn back_ends_publish_with_and_without_subscribers() {
    let scene = Scene::new(&[]);
    let publish = |more: &[&str]| {
        scene.bench(
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
        (&serde_json::json!({}), &0.into(), None)
    );
    arrived(&publish(&["--subscribers", "10"]), 10.0);
    arrived(
        &publish(&["--subscribers", "10", "--via", "websocket"]),
        10.0,
    );
}

#[test]
fn the_pusher_dialect_is_spoken() {
    let shell = Shell::new();
    shell.printed(&[
        "app", "create", "--name", "Bench", "--ident", "7", "--key", "k", "--secret", "hunter2",
    ]);
    shell.printed(&[
        "app",
        "update",
        "7",
        "client_events=true",
        "max_client_events=0",
    ]);
    let scene = Scene::of(shell, &[]);
    let report = scene.bench(&[
        "fanout",
        "--subscribers",
        "10",
        "--messages",
        "50",
        "--seconds",
        "60",
        "--pusher",
    ]);
    assert_eq!(report["url"], format!("{}/app/k", scene.url));
    arrived(&report, 10.0);
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
    arrived(&scene.bench(&signed), 10.0);
    let report = scene.bench(&["storm", "--connections", "20", "--pusher"]);
    assert_eq!(report["back"], 20);
}

#[test]
fn members_join_and_one_more_hears_of_all() {
    let scene = Scene::new(&[]);
    let report = scene.bench(&["presence", "--members", "20", "--late", "2"]);
    assert_eq!(
        (&report["members"], &report["refused"]),
        (&20.into(), &serde_json::json!({}))
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
fn everybody_comes_back_after_a_storm() {
    let scene = Scene::new(&[]);
    let report = scene.bench(&["storm", "--connections", "100"]);
    assert_eq!(
        (&report["back"], &report["turned_away"], &report["refused"]),
        (&100.into(), &0.into(), &serde_json::json!({}))
    );
    assert!(number(&report, "back_s") > 0.0 && number(&report, "back_max_us") > 0.0);
}

#[test]
fn who_is_paced_comes_again_until_all_are_back() {
    let scene = Scene::new(&[("PUSHI_MAX_CONNECTS_PER_SECOND", "40")]);
    let report = scene.bench(&["storm", "--connections", "60", "--retry", "0.2"]);
    assert_eq!(
        (&report["back"], &report["turned_away"]),
        (&60.into(), &report["refused"]["4100"]),
        "{report}"
    );
    assert!(number(&report, "turned_away") > 0.0, "{report}");
}

#[test]
fn a_bare_endpoint_is_published_to_as_well() {
    let shell = Shell::new();
    let mut command = shell.command(
        &[
            "bench",
            "bare",
            "--listen",
            "127.0.0.1:0",
            "--seconds",
            "300",
        ],
        &[],
    );
    let mut bare = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(bare.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let url = format!("ws://{}/k", address.trim().strip_prefix("http://").unwrap());
    let report = shell.run_with(
        &[
            "bench",
            "publish",
            "--messages",
            "50",
            "--seconds",
            "60",
            "--url",
            &url,
            "--json",
        ],
        &CREDENTIALS,
    );
    bare.kill().unwrap();
    bare.wait().unwrap();
    let report: Value = serde_json::from_str(&report.out).unwrap_or_else(|_| panic!("{report:?}"));
    assert_eq!(
        (&report["messages"], &report["failed"]),
        (&50.into(), &serde_json::json!({}))
    );
}

#[test]
fn slow_readers_are_closed_and_the_others_lose_nothing() {
    let scene = Scene::new(&[("PUSHI_MAX_PENDING_BYTES", "200000")]);
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
    let report = scene.bench(&[&slow[..], &["--seconds", "60", "--messages", "1000"]].concat());
    assert_eq!(
        (&report["slow"], &report["slow_closed"], &report["lost"]),
        (&2.into(), &2.into(), &0.into()),
        "{report}"
    );
    assert_eq!(report["deliveries"], 1000 * 18, "{report}");
}

#[test]
fn tls_is_spoken_and_a_certificate_checked_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (key, cer) = (folder.path().join("key.pem"), folder.path().join("cer.pem"));
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&cer, made.cert.pem()).unwrap();
    let (key, cer) = (key.to_str().unwrap(), cer.to_str().unwrap());
    let mut scene = Scene::new(&[("APP_SSL", "1"), ("APP_SSL_KEY", key), ("APP_SSL_CER", cer)]);
    scene.url = format!("wss://{}", scene.server.api);
    let bounded = ["--messages", "50", "--seconds", "60", "--insecure"];
    arrived(
        &scene.bench(
            &[
                &["fanout", "--subscribers", "10", "--bytes", "3000"][..],
                &bounded,
            ]
            .concat(),
        ),
        10.0,
    );
    arrived(
        &scene.bench(
            &[
                &["publish", "--subscribers", "5", "--connections", "2"][..],
                &bounded,
            ]
            .concat(),
        ),
        5.0,
    );
    let line = scene
        .shell
        .complaint(&["bench", "idle", "--url", &scene.url], &CREDENTIALS, 1);
    assert!(
        line.contains("nobody got in") && line.contains("ertificate"),
        "{line}"
    );
}

#[test]
fn what_cannot_be_measured_is_said_in_one_line() {
    let scene = Scene::new(&[]);
    let complaint = |args: &[&str]| {
        scene
            .shell
            .complaint(&[&["bench"], args].concat(), &CREDENTIALS, 1)
    };
    let unknown = format!("{}/another-key", scene.url);
    let line = complaint(&["idle", "--connections", "2", "--url", &unknown]);
    assert!(
        line.starts_with(&unknown) && line.contains("4001"),
        "{line}"
    );
    let line = complaint(&["publish", "--url", &unknown]);
    assert!(line.contains("--app-key"), "{line}");
    let line = complaint(&["idle", "--url", "ws://127.0.0.1:1/k"]);
    assert!(
        line.contains("nobody got in") && line.contains("refused"),
        "{line}"
    );
    // The app takes no client events.
    let line = scene.complaint(&["fanout", "--subscribers", "2", "--drain", "0.2", "--pusher"]);
    assert!(
        line.contains("did not arrive") && line.contains("client_events"),
        "{line}"
    );
    let line = scene.complaint(&["publish", "--rest", "http://127.0.0.1:1"]);
    assert!(
        line.contains("cannot be reached") && !line.contains("hunter2"),
        "{line}"
    );
    let line = Scene::new(&[("PUSHI_MAX_CHANNELS_PER_CONNECTION", "5")]).complaint(&[
        "fanout",
        "--subscribers",
        "6",
        "--channels",
        "6",
    ]);
    assert!(
        line.contains("4319") && line.contains("--publishers"),
        "{line}"
    );
    assert!(complaint(&["fanout", "--url", "nonsense"]).contains("ws:// or wss://"));
    assert!(
        scene
            .complaint(&["fanout", "--subscribers", "0"])
            .contains("subscriber")
    );
}
