//! A Redis of its own for one test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// A Redis that a test starts, kills and starts again, always at the same port.
pub(crate) struct Redis {
    pub port: u16,
    folder: TempDir,
    child: Option<Child>,
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Redis {
    /// One that answers.
    pub(crate) async fn start() -> Self {
        let mut redis = Self {
            port: free_port(),
            folder: tempfile::tempdir().unwrap(),
            child: None,
        };
        redis.restart(false).await;
        redis
    }

    /// Starts it again; with `keeps` it begins with what it has saved, and is empty otherwise.
    pub(crate) async fn restart(&mut self, keeps: bool) {
        if !keeps {
            let _ = std::fs::remove_file(self.folder.path().join("dump.rdb"));
        }
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(
            command
                .spawn()
                .expect("there is no redis-server: tests/run.sh installs it"),
        );
        let begun = Instant::now();
        while self
            .ask("PING")
            .await
            .is_none_or(|answer| !answer.starts_with("+PONG"))
        {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "Redis does not start"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks something that has a short answer.
    pub(crate) async fn ask(&self, command: &str) -> Option<String> {
        let asking = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
            stream
                .write_all(format!("{command}\r\n").as_bytes())
                .await
                .ok()?;
            let mut answer = vec![0; 65_536];
            let count = stream.read(&mut answer).await.ok()?;
            Some(String::from_utf8_lossy(&answer[..count]).into_owned())
        };
        timeout(Duration::from_secs(5), asking).await.ok().flatten()
    }

    /// The commands that it receives from now on.
    pub(crate) async fn monitor(&self) -> Commands {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let mut commands = Commands(BufReader::new(stream));
        commands.0.write_all(b"MONITOR\r\n").await.unwrap();
        commands.until("+OK").await;
        commands
    }

    /// Saves what it has, so that it can begin with it again.
    pub(crate) async fn save(&self) {
        let saved = self.ask("SAVE").await;
        assert!(saved.is_some_and(|answer| answer.starts_with("+OK")));
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// The commands that a Redis receives.
pub(crate) struct Commands(BufReader<TcpStream>);

impl Commands {
    /// Waits for a command that contains a text.
    pub(crate) async fn until(&mut self, text: &str) {
        let reading = async {
            let mut line = String::new();
            while !line.contains(text) {
                line.clear();
                assert!(
                    self.0.read_line(&mut line).await.unwrap() > 0,
                    "Redis ended"
                );
            }
        };
        timeout(Duration::from_secs(10), reading).await.unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
