//! A node: the real binary, as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A node that runs; it is killed where a test forgets to end it.
pub(crate) struct Node {
    child: Child,
    /// Of its REST API.
    pub api: u16,
    /// Of its sockets.
    pub sockets: u16,
    log: Receiver<String>,
    /// Its output up to its addresses.
    started: Vec<String>,
}

impl Node {
    /// Starts a node on free ports, and waits until it prints its addresses.
    pub(crate) fn start(environment: &[(&str, String)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushi"));
        command
            .arg("serve")
            .env_clear()
            .current_dir(std::env::temp_dir());
        command
            .env("APP_PORT", "0")
            .env("SERVER_PORT", "0")
            .env("RUST_LOG", "info");
        command.envs(environment.iter().map(|(name, value)| (*name, value)));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, log) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if std::env::var_os("PUSHI_TEST_LOG").is_some() {
                    eprintln!("{line}");
                }
                let _ = sender.send(line);
            }
        });
        let mut node = Self {
            child,
            api: 0,
            sockets: 0,
            log,
            started: Vec::new(),
        };
        while node.sockets == 0 {
            let line = node.logged("");
            if line.contains("rest api listening") {
                node.api = port_in(&line);
            } else if line.contains("websocket listening") {
                node.sockets = port_in(&line);
            }
            node.started.push(line);
        }
        node
    }

    /// The next line of the log that holds a text.
    pub(crate) fn logged(&self, text: &str) -> String {
        let mut before = Vec::new();
        loop {
            match self.log.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => before.push(line),
                Err(_) => panic!("the log does not say {text:?}: {before:#?}"),
            }
        }
    }

    /// Whether the log contains a text; waits for it for a while.
    pub(crate) fn has_logged(&self, text: &str) -> bool {
        self.started.iter().any(|line| line.contains(text)) || self.logged(text).contains(text)
    }

    /// How many lines of the log so far hold a text. They are read only once.
    pub(crate) fn count_logged(&self, text: &str) -> usize {
        self.log
            .try_iter()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has drained after a signal.
    pub(crate) async fn ended(mut self) {
        let ended = tokio::task::spawn_blocking(move || self.child.wait().unwrap())
            .await
            .unwrap();
        assert!(ended.success(), "{ended}");
    }
}

fn port_in(line: &str) -> u16 {
    let after = line.split("127.0.0.1:").nth(1).unwrap();
    after
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
