//! TLS on a listener, with rustls.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::certificate::{ReloadableCertificate, TlsError, TlsFiles};
use super::error_response::ErrorResponse;
use super::stream::ClientStream;
use super::tls_stream::TlsStream;

/// How often the certificate files are checked for changes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// TLS for a listener: TLS 1.2 and 1.3, ALPN `http/1.1`, and a certificate that can be reloaded.
/// Cheap to clone; clones share the certificate.
#[derive(Clone)]
pub struct TlsSource {
    config: Arc<ServerConfig>,
    certificate: Arc<ReloadableCertificate>,
}

impl TlsSource {
    /// Reads the files. Blocks on file I/O.
    ///
    /// # Errors
    /// A file cannot be read or parsed, or the certificate does not match the key.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certificate = Arc::new(ReloadableCertificate::load(files, Arc::clone(&provider))?);
        let versions =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let reason = |error: rustls::Error| TlsError::Pair {
            files: certificate.files().clone(),
            reason: error.to_string(),
        };
        let resolver: Arc<ReloadableCertificate> = Arc::clone(&certificate);
        let mut config = versions
            .map_err(reason)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            certificate,
        })
    }

    /// Reads the files again (on SIGHUP). Blocks on file I/O.
    ///
    /// # Errors
    /// As in [`TlsSource::load`]. The previous certificate stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.certificate.reload()
    }

    /// Reloads the certificate when its files change, until `stop`.
    pub(super) async fn watch(self, stop: CancellationToken) {
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let certificate = Arc::clone(&self.certificate);
            match tokio::task::spawn_blocking(move || certificate.reload_if_changed()).await {
                Ok(Some(Ok(()))) => {
                    let file = self.certificate.files().cer.display();
                    tracing::info!(%file, "TLS certificate reloaded");
                }
                Ok(Some(Err(error))) => {
                    tracing::warn!(%error, "TLS certificate not reloaded, previous one in use");
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Performs the handshake. A client that sends plain HTTP receives a readable error.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<ClientStream> {
        // TLS begins with 0x16 (a handshake record), HTTP with a letter.
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
            let mut stream = ClientStream::plain(stream);
            let problem = ErrorResponse::malformed(
                "plain HTTP request to a TLS listener: use https:// or wss://",
            );
            stream.write_all(&problem.to_bytes()).await?;
            stream.lingering_close(ClientStream::ERROR_LINGER).await;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "plain HTTP on a TLS listener",
            ));
        }
        let config = Arc::clone(&self.config);
        TlsStream::accept(config, stream)
            .await
            .map(ClientStream::tls)
    }
}
