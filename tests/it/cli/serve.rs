//! The server as a process: start-up output, signals, exhausted file descriptors.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::cli::Shell;
use crate::listen::BROKEN;

/// A log without the awaited line for this long: several servers may start at once on a busy machine.
const SILENT: std::time::Duration = std::time::Duration::from_secs(100);

/// A server that runs; it is killed where a test forgets to end it.
pub(crate) struct Running {
    pub child: Child,
    /// Lines of standard error, then of standard output, in order of arrival.
    err: Receiver<String>,
    out: Receiver<String>,
    /// Where REST is.
    pub api: String,
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        BufReader::new(stream)
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    receiver
}

impl Running {
    /// Starts the server on free ports, and waits until it prints its addresses.
    pub(crate) fn start(shell: &Shell, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let args = [&["--app-port", "0", "--server-port", "0"], args].concat();
        Self::of(&mut shell.command(&args, environment))
    }

    fn of(command: &mut Command) -> Self {
        let mut running = Self::spawn(command);
        running.await_start();
        running
    }

    /// Starts the server without waiting for it.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (err, out) = (
            lines(child.stderr.take().unwrap()),
            lines(child.stdout.take().unwrap()),
        );
        Self {
            child,
            err,
            out,
            api: String::new(),
        }
    }

    /// Waits until the server prints its addresses; returns the lines of the log before them.
    pub(crate) fn await_start(&mut self) -> Vec<String> {
        let (before, line) = self.lines_until("rest api listening");
        let url = line
            .split("url=")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        self.api = url.split("://").nth(1).unwrap().to_owned();
        self.says("websocket listening");
        before
    }

    /// The next line of the log that holds this.
    pub(crate) fn says(&self, what: &str) -> String {
        self.lines_until(what).1
    }

    /// The lines before it, too.
    fn lines_until(&self, what: &str) -> (Vec<String>, String) {
        let mut before = Vec::new();
        loop {
            let line = self
                .err
                .recv_timeout(SILENT)
                .unwrap_or_else(|_| panic!("the log never says {what:?}: {before:?}"));
            if line.contains(what) {
                return (before, line);
            }
            before.push(line);
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Sends a request on a new connection and returns the whole answer.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, target: &str) -> String {
        self.ask(&format!(
            "GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        ))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.api).unwrap();
        stream.set_read_timeout(Some(BROKEN)).unwrap();
        stream
    }

    /// Opens a WebSocket and reads the head of the answer.
    fn upgrade(&self, target: &str) -> TcpStream {
        let mut stream = self.connect();
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        stream
    }

    /// Ends the server; what it has printed on standard output.
    pub(crate) fn printed(mut self) -> String {
        self.signal("TERM");
        self.child.wait().unwrap();
        let lines: Vec<String> = self.out.iter().collect();
        lines.join("\n")
    }

    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_empty_database_gets_an_app_and_the_printed_line_publishes() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[], &[]);
    let line = loop {
        let line = server.out.recv_timeout(BROKEN).unwrap();
        if line.trim().starts_with("curl ") {
            break line;
        }
    };
    let target = line
        .split(&server.api)
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let body = line
        .split("-d '")
        .nth(1)
        .unwrap()
        .strip_suffix('\'')
        .unwrap();
    let answer = server.ask(&format!(
        "POST {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"result\":\"success\""),
        "{answer}"
    );
    server.signal("TERM");
    assert_eq!(server.ended(), Some(0));

    // It is logged once.
    let again = Running::start(&shell, &[], &[]);
    again.signal("INT");
    again.says("stopping");
    assert!(
        again.out.recv_timeout(BROKEN).is_err(),
        "nothing is printed, and the output ends with the process"
    );
    assert_eq!(again.ended(), Some(0));
}

#[test]
fn with_an_administrator_no_app_is_made() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[], &[("PUSHI_ADMIN_TOKEN", "hunter2")]);
    let answer = server.ask("GET /apps HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer hunter2\r\n\r\n");
    assert!(answer.ends_with("{\"apps\":[]}"), "{answer}");
}

#[test]
fn trigger_publishes_through_the_server_and_token_works_there() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[], &[]);
    let url = format!("http://{}", server.api);
    assert_eq!(
        shell.printed(&["trigger", "global", "hello", "--url", &url]),
        "published to global\n"
    );
    assert_eq!(
        shell.json(&[
            "trigger",
            "global",
            "{}",
            "--event",
            "e",
            "--no-persist",
            "--json",
            "--url",
            &url
        ])["result"],
        "success"
    );
    let token = shell.printed(&["token"]);
    let events = server.get(&format!("/events?sid={}", token.trim()));
    assert!(
        events.contains("\"data\":\"hello\"") && events.matches("\"mid\"").count() == 1,
        "{events}"
    );
    let line = shell.complaint(
        &[
            "trigger", "pusher-x", "x", "--event", "pusher:x", "--url", &url,
        ],
        &[],
        1,
    );
    assert!(line.starts_with(&format!("{url} answered 400: ")), "{line}");
    let line = shell.complaint(
        &[
            "trigger",
            "x",
            "x",
            "--app-secret",
            "hunter2",
            "--url",
            &url,
        ],
        &[],
        1,
    );
    assert!(
        line.starts_with(&format!("{url} answered 401: ")) && !line.contains("hunter2"),
        "{line}"
    );
}

#[test]
fn one_address_is_one_listener_for_both() {
    let shell = Shell::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    let environment = [
        ("APP_PORT", port.as_str()),
        ("SERVER_PORT", &port),
        ("PUSHI_APP_ID", "a"),
        ("PUSHI_APP_KEY", "k"),
        ("PUSHI_APP_SECRET", "s"),
    ];
    let server = Running::of(&mut shell.command(&[], &environment));
    assert!(server.api.ends_with(&port));
    assert!(server.get("/health").starts_with("HTTP/1.1 200 "));
    server.upgrade("/k");
}

#[test]
fn an_address_that_is_taken_is_named_and_the_database_left_alone() {
    let shell = Shell::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let line = shell.complaint(
        &["serve", "--app-port", "0", "--server-port", &port],
        &[],
        2,
    );
    assert!(
        line.starts_with(&format!(
            "SERVER_HOST, SERVER_PORT: cannot listen on 127.0.0.1:{port}: "
        )),
        "{line}"
    );
    assert!(!shell.folder.path().join("pushi.db").exists());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let shell = Shell::new();
    let credentials = [
        ("PUSHI_APP_ID", "a"),
        ("PUSHI_APP_KEY", "k"),
        ("PUSHI_APP_SECRET", "s"),
        ("PUSHI_DRAIN_SECONDS", "1h"),
    ];
    let server = Running::start(&shell, &[], &credentials);
    // The second of two is closed half an hour later.
    let _sockets = [server.upgrade("/k"), server.upgrade("/k")];
    server.signal("TERM");
    server.says("stopping");
    server.signal("TERM");
    server.says("because of a second signal");
    assert_eq!(server.ended(), Some(1));
}

#[test]
fn a_hangup_reads_the_log_filter_again() {
    let shell = Shell::new();
    let dotenv = shell.folder.path().join(".env");
    let server = Running::start(&shell, &[], &[]);
    std::fs::write(&dotenv, "RUST_LOG=pushi=debug\n").unwrap();
    server.signal("HUP");
    server.says("log filter reloaded filter=pushi=debug");
    server.ask("nonsense\r\n\r\n");
    server.upgrade("/k");
    server.says("DEBUG");
    std::fs::write(&dotenv, "RUST_LOG=pushi=loud\n").unwrap();
    server.signal("HUP");
    server.says("log filter not reloaded");
    server.signal("TERM");
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn the_log_can_be_json_and_warns_of_unknown_variables() {
    let shell = Shell::new();
    let mut server = shell
        .command(
            &["--app-port", "0", "--server-port", "0"],
            &[("PUSHI_LOG", "json"), ("PUSHI_RETENTON", "5d")],
        )
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = lines(server.stderr.take().unwrap());
    let first: serde_json::Value =
        serde_json::from_str(&log.recv_timeout(BROKEN).unwrap()).unwrap();
    assert_eq!(first["level"], "WARN");
    assert_eq!(
        first["fields"]["message"],
        "unknown variable PUSHI_RETENTON is ignored, did you mean PUSHI_RETENTION?"
    );
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Without free descriptors it neither exits nor spins, and resumes when some are free.
#[test]
fn running_out_of_descriptors_passes() {
    let shell = Shell::new();
    let mut limited = Command::new("sh");
    let program = format!(
        "ulimit -n 48; exec {} --app-port 0 --server-port 0",
        env!("CARGO_BIN_EXE_pushi")
    );
    limited
        .args(["-c", &program])
        .current_dir(shell.folder.path())
        .env_clear();
    let server = Running::of(&mut limited);
    let many: Vec<TcpStream> = (0..64).map(|_| server.connect()).collect();
    server.says("cannot accept connections");
    drop(many);
    assert!(server.get("/health").starts_with("HTTP/1.1 200 "));
    server.signal("TERM");
    assert_eq!(server.ended(), Some(0));
}
