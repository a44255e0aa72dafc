//! Notifications of the binary: through a kill, and the commands.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::cli::serve::Running;
use crate::listen::BROKEN;

const APP: [(&str, &str); 4] = [
    ("PUSHI_APP_ID", "shop"),
    ("PUSHI_APP_KEY", "shop-key"),
    ("PUSHI_APP_SECRET", "a-secret-of-the-shop"),
    ("PUSHI_WEBHOOK_ALLOW_PRIVATE", "1"),
];

/// A receiver that accepts everything, and its address.
fn receiver() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/secret-path", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            thread::spawn(move || serve(stream, |body| sender.send(body).is_ok()));
        }
    });
    (url, bodies)
}

fn serve(mut stream: std::net::TcpStream, accept: impl Fn(Value) -> bool) {
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => text.extend_from_slice(&piece[..read]),
            _ => return,
        }
        let so_far = String::from_utf8_lossy(&text);
        let Some((_, body)) = so_far.split_once("\r\n\r\n") else {
            continue;
        };
        if let Ok(body) = serde_json::from_str(body) {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer);
            accept(body);
            return;
        }
    }
}

fn post(server: &Running, target: &str, body: &Value) -> String {
    let body = body.to_string();
    let answer = server.ask(&format!(
        "POST {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer
}

fn login(server: &Running) -> String {
    let credentials =
        json!({"app_id": "shop", "app_key": "shop-key", "app_secret": "a-secret-of-the-shop"});
    let answer = post(server, "/login", &credentials);
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let body: Value = serde_json::from_str(body).unwrap();
    body["token"].as_str().unwrap().to_owned()
}

#[test]
fn what_was_acknowledged_before_a_kill_is_sent() {
    let (shell, (url, bodies)) = (Shell::new(), receiver());
    let server = Running::start(&shell, &[], &APP);
    let sid = login(&server);
    for number in 0..20 {
        let web = json!({"url": format!("{url}/{number}"), "event": "news"});
        post(&server, &format!("/webs?sid={sid}"), &web);
    }
    for number in 0..10 {
        let event = json!({"channel": "news", "event": "chat", "data": number.to_string()});
        post(&server, &format!("/events?sid={sid}"), &event);
    }
    server.signal("KILL");
    assert_eq!(server.ended(), None);
    let server = Running::start(&shell, &[], &APP);
    let (mut seen, mut calls) = (BTreeSet::new(), 0);
    // Each event reaches each of the targets; only those in progress at the kill are sent twice.
    while calls < 200 || seen.len() < 10 {
        let body = bodies.recv_timeout(BROKEN).expect("a notification is lost");
        seen.insert(body["serial"].as_u64().unwrap());
        calls += 1;
    }
    assert_eq!(seen, (1..=10).collect());
    server.signal("TERM");
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn the_commands_list_test_and_replay() {
    let (shell, (url, bodies)) = (Shell::new(), receiver());
    let server = Running::start(&shell, &[], &APP);
    let sid = login(&server);
    let web = json!({"url": url, "event": "news"});
    post(&server, &format!("/webs?sid={sid}"), &web);
    let event = json!({"channel": "news", "event": "chat", "data": "x"});
    post(&server, &format!("/events?sid={sid}"), &event);
    assert_eq!(bodies.recv_timeout(BROKEN).unwrap()["data"], "x");
    server.signal("TERM");
    assert_eq!(server.ended(), Some(0));
    let listed = shell.json(&["notify", "list", "--json", "--app", "shop", "--kind", "web"]);
    let one = &listed[0];
    let members: Vec<&String> = one.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 11, "{listed}");
    assert_eq!(
        (&one["app"], &one["kind"], &one["channel"], &one["state"]),
        (
            &json!("shop"),
            &json!("web"),
            &json!("news"),
            &json!("done")
        )
    );
    assert_eq!((&one["attempts"], &one["error"]), (&json!(1), &Value::Null));
    let target = one["target"].as_str().unwrap();
    assert!(target.ends_with("/…path"), "{target}");
    assert!(shell.printed(&["notify", "list"]).contains("news"));
    assert_eq!(
        shell.json(&["notify", "list", "--json", "--state", "failed"]),
        json!([])
    );
    let id = one["id"].as_str().unwrap();
    let refused = shell.complaint(&["notify", "replay", id], &[], 1);
    assert!(refused.contains("pushi notify list"), "{refused}");
    let test = [
        "notify", "test", "--app", "shop", "--kind", "web", "--target", &url,
    ];
    let done = shell.run_with(&test, &APP);
    assert_eq!(
        done.out, "the target accepted the message\n",
        "{}",
        done.err
    );
    assert_eq!(bodies.recv_timeout(BROKEN).unwrap()["event"], "test");
    let refused = shell.complaint(&test, &[], 1);
    assert!(refused.contains("private"), "{refused}");
}

#[test]
fn nothing_is_sent_where_it_is_switched_off() {
    let (shell, (url, bodies)) = (Shell::new(), receiver());
    let off = [&APP[..], &[("PUSHI_HANDLERS", "0")]].concat();
    let server = Running::start(&shell, &[], &off);
    let sid = login(&server);
    let web = json!({"url": url, "event": "news"});
    post(&server, &format!("/webs?sid={sid}"), &web);
    let event = json!({"channel": "news", "event": "chat", "data": "off"});
    post(&server, &format!("/events?sid={sid}"), &event);
    server.signal("TERM");
    assert_eq!(server.ended(), Some(0));
    let server = Running::start(&shell, &[], &APP);
    let event = json!({"channel": "news", "event": "chat", "data": "on"});
    post(&server, &format!("/events?sid={sid}"), &event);
    assert_eq!(bodies.recv_timeout(BROKEN).unwrap()["data"], "on");
}
