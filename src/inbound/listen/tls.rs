//! TLS on a listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::answer::Problem;
use super::certificate::Certificate;
pub use super::certificate::{TlsError, TlsFiles};
use super::stream::ClientStream;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// TLS on a listener: TLS 1.2 and 1.3, `http/1.1`, with a certificate that can change. Cheap to clone.
#[derive(Clone)]
pub struct TlsSource {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

impl TlsSource {
    /// Reads the files. It blocks for as long as that takes.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certificate = Arc::new(Certificate::load(files, Arc::clone(&provider))?);
        let versions =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let reason = |error: rustls::Error| TlsError::Pair {
            files: certificate.files().clone(),
            reason: error.to_string(),
        };
        let resolver: Arc<Certificate> = Arc::clone(&certificate);
        let mut config = versions
            .map_err(reason)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: Arc::new(config).into(),
            certificate,
        })
    }

    /// Reads the files again (SIGHUP); where they cannot be used, what was there before stays in use. It blocks for as
    /// long as reading takes.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.certificate.reload()
    }

    /// Follows the files until it is told to stop.
    pub(super) async fn watch(self, stop: CancellationToken) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let certificate = Arc::clone(&self.certificate);
            match tokio::task::spawn_blocking(move || certificate.reload_if_changed()).await {
                Ok(Some(Ok(()))) => {
                    tracing::info!(file = %self.certificate.files().cer.display(), "the certificate was changed")
                }
                Ok(Some(Err(error))) => tracing::warn!(
                    "the changed certificate cannot be used, the one before stays: {error}"
                ),
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// The handshake. Who speaks plain HTTP is told so.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<ClientStream> {
        // The first byte of TLS is 0x16 (a handshake record); that of HTTP is a letter.
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
            let mut stream = ClientStream::plain(stream);
            let problem = Problem::malformed(
                "this is plain HTTP, but the listener speaks TLS: use https:// or wss://",
            );
            stream.write_all(&problem.to_bytes()).await?;
            stream.close_gently().await;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "plain HTTP on a TLS listener",
            ));
        }
        self.acceptor.accept(stream).await.map(ClientStream::tls)
    }
}
