//! `soak`: everything at once, and what is found wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::program::{command, number};
use crate::server::TestServer;

const ALLOW_THIS_MACHINE: (&str, &str) = ("PUSHI_WEBHOOK_ALLOW_PRIVATE", "1");

#[test]
fn everything_at_once_is_counted_right() {
    let server = TestServer::start(&[ALLOW_THIS_MACHINE]);
    let report = server.report(&["soak", "--minutes", "0.05", "--connections", "40"]);
    assert!(number(&report, "connects") > 40.0, "{report}");
    assert!(number(&report, "delivered") > 0.0, "{report}");
    assert!(number(&report, "webhooks") > 0.0, "{report}");
    assert!(number(&report, "descriptors") > 40.0, "{report}");
    // The slow readers of each cycle.
    assert!(number(&report, "closed") >= 4.0, "{report}");
}

/// A connection that the generator does not know stands for one that the server forgot to uncount.
#[test]
fn a_gauge_that_differs_ends_the_run() {
    let server = TestServer::start(&[ALLOW_THIS_MACHINE]);
    let args = [
        "soak",
        "--connections",
        "20",
        "--settle",
        "0.5",
        "--url",
        &server.url,
    ];
    let mut soak = command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // With its first line it has counted what was there before.
    let mut lines = BufReader::new(soak.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("minute"));
    let mut other = TcpStream::connect(server.url.strip_prefix("ws://").unwrap()).unwrap();
    write!(
        other,
        "GET /k HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    .unwrap();
    let mut reason = String::new();
    let mut stderr = soak.stderr.take().unwrap();
    stderr.read_to_string(&mut reason).unwrap();
    assert_eq!(soak.wait().unwrap().code(), Some(1), "{reason}");
    assert!(
        reason.contains("the server counts 21 connections instead of 20 for 500ms"),
        "{reason}"
    );
}

#[test]
fn web_hooks_that_do_not_arrive_are_found() {
    let server = TestServer::start(&[]);
    let args = [
        "soak",
        "--minutes",
        "0.05",
        "--connections",
        "20",
        "--settle",
        "8",
        "--json",
    ];
    let line = server.error_line(&args);
    assert!(line.contains("PUSHI_WEBHOOK_ALLOW_PRIVATE=1"), "{line}");
}
