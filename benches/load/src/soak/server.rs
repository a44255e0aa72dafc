//! A server of its own for a run: the binary on free ports, with an SQLite database in a temporary folder.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data_encoding::HEXLOWER;

use crate::error::BenchError;

/// The id and the key of its app.
const APP: &str = "soak";

/// A server that ends with this value, together with its folder.
pub(super) struct OwnServer {
    process: Child,
    folder: PathBuf,
    pub(super) secret: String,
    /// The WebSocket URL with the app key, and the URL of the REST API.
    pub(super) urls: [String; 2],
}

impl OwnServer {
    /// Starts the binary and waits until it listens.
    ///
    /// # Errors
    ///
    /// It cannot be started, or ends with an error.
    pub(super) fn start(binary: &Path) -> Result<Self, BenchError> {
        let failed = |error: &dyn std::fmt::Display| {
            BenchError::Start(format!("{}: {error}", binary.display()))
        };
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(BenchError::start)?;
        let secret = HEXLOWER.encode(&random);
        let folder = std::env::temp_dir().join(format!("pushi-soak-{}", &secret[..12]));
        fs::create_dir(&folder).map_err(|error| failed(&error))?;
        let mut command = Command::new(fs::canonicalize(binary).map_err(|error| failed(&error))?);
        command
            .arg("serve")
            .current_dir(&folder)
            .env_clear()
            .envs([
                ("APP_PORT", "0"),
                ("SERVER_PORT", "0"),
                ("PUSHI_APP_ID", APP),
                ("PUSHI_APP_KEY", APP),
                ("PUSHI_APP_SECRET", &secret),
                ("PUSHI_WEBHOOK_ALLOW_PRIVATE", "1"),
                // Otherwise the database, and what is kept of it in memory, grows all the time.
                ("PUSHI_RETENTION_EVENTS", "100"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let started = command.spawn();
        let process = started.inspect_err(|_| drop(fs::remove_dir_all(&folder)));
        let mut server = Self {
            process: process.map_err(|error| failed(&error))?,
            folder,
            secret,
            urls: [String::new(), String::new()],
        };
        let mut lines = BufReader::new(
            server
                .process
                .stderr
                .take()
                .ok_or_else(|| failed(&"no standard error"))?,
        )
        .lines()
        .map_while(Result::ok);
        let url = |line: &str| {
            let url = line.split("url=").nth(1)?.split_whitespace().next()?;
            Some(url.trim_end_matches("/<app").to_owned())
        };
        let mut last = String::new();
        while server.urls[0].is_empty() {
            last = lines.next().ok_or_else(|| failed(&last))?;
            if last.contains("rest api listening") {
                server.urls[1] = url(&last).unwrap_or_default();
            } else if last.contains("websocket listening") {
                server.urls[0] = format!("{}/{APP}", url(&last).unwrap_or_default());
            }
        }
        // What it logs from now on is a warning or an error, which belongs to the output of the run.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        Ok(server)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The credentials of its app.
    pub(super) fn app(&self) -> [&str; 3] {
        [APP, APP, &self.secret]
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
