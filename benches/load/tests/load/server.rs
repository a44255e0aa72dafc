//! A server in this process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use pushi::config::{Raw, resolve, variables};
use pushi::inbound::listen::{ListenerRole, TlsFiles, TlsSource, bind};
use pushi::server::{Listening, Server};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::program::CREDENTIALS;

const ADMIN_TOKEN: &str = "admin";

/// A server with a database in memory and the app of [`CREDENTIALS`], on a free port. It stops when
/// it is dropped.
pub(crate) struct TestServer {
    /// Where clients connect; it serves the REST API too.
    pub(crate) url: String,
    address: SocketAddr,
    stop: CancellationToken,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl TestServer {
    /// Starts a server with further variables of the configuration.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let defaults = [
            ("APP_PORT", "0"),
            ("SERVER_PORT", "0"),
            ("DATABASE_URL", "sqlite::memory:"),
            ("PUSHI_ADMIN_TOKEN", ADMIN_TOKEN),
        ];
        let pairs = defaults.iter().chain(&CREDENTIALS).chain(environment);
        let raw = Raw::from_pairs(pairs.map(|(name, value)| {
            let variable = variables::ALL.iter().find(|known| known.name == *name);
            (*variable.unwrap(), *value)
        }));
        let settings = resolve(&raw).unwrap().settings;
        let tls = settings.listen.api.tls.as_ref().map(|files| {
            let (key, cer) = (files.key.clone(), files.cer.clone());
            TlsSource::load(TlsFiles { key, cer }).unwrap()
        });
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let stop = CancellationToken::new();
        let (server, bound) = runtime.block_on(async {
            let bound = bind("127.0.0.1", 0).await.unwrap();
            (Server::open(&settings).await.unwrap(), bound)
        });
        let address = bound.local_addr();
        let listening = Listening {
            bound,
            role: ListenerRole::Api,
            tls,
        };
        runtime.spawn(server.serve(vec![listening], stop.clone()));
        Self {
            url: format!("{scheme}://{address}"),
            address,
            stop,
            runtime: Some(runtime),
        }
    }

    /// Changes settings of the app over the REST API.
    pub(crate) fn update_app(&self, settings: &serde_json::Value) {
        let body = settings.to_string();
        let length = body.len();
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "PUT /apps/7 HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
