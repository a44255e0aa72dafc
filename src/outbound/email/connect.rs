//! Connections to mail servers: addresses, TLS and login.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::failure::{self, Step, io_failure};
use super::starttls::request_tls;
use super::stream::{MailStream, Transport};
use crate::core::model::{MailServer, MailTls, Secret};
use crate::core::ports::{SendFailure, Verdict};
use crate::outbound::net::address_filter::is_public;

/// The most addresses of a host that are tried.
const MAX_ADDRESSES: usize = 4;

/// Opens connections.
pub(super) struct Connector {
    /// For all addresses of a host together.
    timeout: Duration,
    /// Whether every server may have a private address, not only the operator's.
    allow_private: bool,
    /// Built on first use, because this reads the root certificates.
    tls: OnceLock<TlsConnector>,
}

impl Connector {
    pub(super) fn new(timeout: Duration, allow_private: bool) -> Self {
        Self {
            timeout,
            allow_private,
            tls: OnceLock::new(),
        }
    }

    /// Opens a connection, encrypted as the server needs it, and logs in.
    pub(super) async fn open(
        &self,
        server: &MailServer,
    ) -> Result<AsyncSmtpConnection, SendFailure> {
        let addresses = self.resolve(server).await?;
        let mut stream = self.connect(&addresses).await?;
        let hello = match stream.local_addr().map(|address| address.ip()) {
            Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
            Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
            Err(_) => ClientId::default(),
        };
        let greeted = server.tls == MailTls::StartTls;
        let transport = match server.tls {
            MailTls::None => Transport::Plain(stream),
            MailTls::Implicit => self.encrypt(server, stream).await?,
            MailTls::StartTls => {
                request_tls(&mut stream, &hello.to_string()).await?;
                self.encrypt(server, stream).await?
            }
        };
        let stream = Box::new(MailStream::new(transport, greeted));
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello)
            .await
            .map_err(|error| failure::of(Step::Greeting, &error))?;
        if let Some(user) = &server.user {
            let password = server.password.as_ref().map_or("", Secret::expose);
            let credentials = Credentials::new(user.clone(), password.to_owned());
            connection
                .auth(DEFAULT_MECHANISMS, &credentials)
                .await
                .map_err(|error| failure::of(Step::Login, &error))?;
        }
        Ok(connection)
    }

    /// The addresses of a server that may be connected to.
    async fn resolve(&self, server: &MailServer) -> Result<Vec<SocketAddr>, SendFailure> {
        let found: Vec<_> = lookup_host((server.host.as_str(), server.port))
            .await
            .map_err(|_| {
                SendFailure::new(
                    Verdict::Later(None),
                    "the name of the mail server was not found",
                )
            })?
            .collect();
        let any = server.is_trusted || self.allow_private;
        let usable: Vec<_> = found
            .iter()
            .copied()
            .filter(|address| any || is_public(address.ip()))
            .take(MAX_ADDRESSES)
            .collect();
        match (usable.is_empty(), found.is_empty()) {
            (false, _) => Ok(usable),
            (true, true) => Err(SendFailure::new(
                Verdict::Later(None),
                "the name of the mail server has no address",
            )),
            (true, false) => Err(SendFailure::new(
                Verdict::Refused,
                "the mail server is in a private network; PUSHI_WEBHOOK_ALLOW_PRIVATE=1 allows it",
            )),
        }
    }

    /// Connects to the first address that answers.
    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, SendFailure> {
        let each = self.timeout / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let mut last = io::Error::from(io::ErrorKind::NotConnected);
        for address in addresses {
            match timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Commands are short and wait for their answer.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(io_failure(&last))
    }

    async fn encrypt(
        &self,
        server: &MailServer,
        stream: TcpStream,
    ) -> Result<Transport, SendFailure> {
        let later = |reason: String| SendFailure::new(Verdict::Later(None), reason);
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| later("the name of the mail server is not valid for TLS".into()))?;
        let connector = self
            .connector()
            .map_err(|error| later(format!("TLS to the mail server cannot be set up: {error}")))?;
        let stream = connector.connect(name, stream).await.map_err(|error| {
            later(format!(
                "the TLS handshake with the mail server failed: {error}"
            ))
        })?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    /// The TLS client, which trusts what the system trusts.
    fn connector(&self) -> Result<&TlsConnector, rustls::Error> {
        if let Some(connector) = self.tls.get() {
            return Ok(connector);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        Ok(self
            .tls
            .get_or_init(|| TlsConnector::from(Arc::new(config))))
    }
}
