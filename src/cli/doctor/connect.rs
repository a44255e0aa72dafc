//! DNS, TCP and TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::certificate::{self, RecordingVerifier};
use super::report::Report;
use super::target::Target;

/// The limit of each step that waits for another machine.
pub(super) const STEP: Duration = Duration::from_secs(10);

/// A connection to the server, plain or encrypted.
pub(super) trait Connected: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connected for S {}

pub(super) type Stream = Box<dyn Connected>;

/// Finds an address that accepts connections, trying all.
pub(super) async fn resolve(target: &Target, report: &mut Report) -> Option<SocketAddr> {
    let name = target.host_name();
    let found = timeout(STEP, lookup_host((name.as_str(), target.port))).await;
    let mut addresses: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) => Vec::new(),
        Err(_) => {
            report.fail(
                "dns",
                format!("no answer about {name} in {} s", STEP.as_secs()),
                "check the name servers of this machine (/etc/resolv.conf)",
            );
            return None;
        }
    };
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        report.fail(
            "dns",
            format!("{name} has no address"),
            "check the spelling, and add an A or AAAA record for the name",
        );
        return None;
    }
    let list: Vec<String> = addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    if name.parse::<IpAddr>().is_err() {
        report.pass("dns", format!("{name} is {}", list.join(", ")));
    }
    let (mut accepted, mut refused) = (None, Vec::new());
    for address in addresses {
        match timeout(STEP, TcpStream::connect(address)).await {
            Ok(Ok(_)) => accepted = accepted.or(Some(address)),
            Ok(Err(error)) => refused.push(format!("{address}: {error}")),
            Err(_) => refused.push(format!("{address}: no answer in {} s", STEP.as_secs())),
        }
    }
    let fix = "start the server or proxy there, check its port and the firewall, or remove the address from DNS";
    for reason in refused {
        match accepted {
            // Clients try the next address.
            Some(_) => report.warn("connect", reason, fix),
            None => report.fail("connect", reason, fix),
        }
    }
    accepted
}

/// Connects, with TLS where the address says so, and checks the certificate.
pub(super) async fn open(
    target: &Target,
    address: SocketAddr,
    report: &mut Report,
) -> Option<Stream> {
    let stream = match timeout(STEP, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        failed => {
            let reason = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => "no answer".to_owned(),
            };
            report.fail(
                "connect",
                format!("{address}: {reason}"),
                "check whether the server or proxy restarts",
            );
            return None;
        }
    };
    if !target.is_tls {
        report.pass("connect", format!("{address} accepts connections"));
        if !address.ip().is_loopback() {
            report.warn(
                "tls",
                "connections are not encrypted".to_owned(),
                "use TLS where clients are not in a network of your own: see APP_SSL_CER in pushi serve --help, or a proxy",
            );
        }
        return Some(Box::new(stream));
    }
    match encrypt(target, stream).await {
        Ok((stream, verifier)) => {
            let sent = verifier.sent();
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            match sent
                .as_ref()
                .and_then(|sent| certificate::days_left(sent, now))
            {
                Some(days) => report.warn(
                    "tls",
                    format!("the certificate ends in {days} days"),
                    "renew it now, and check why it was not renewed by itself",
                ),
                None => report.pass("tls", "the certificate and its chain are valid".to_owned()),
            }
            Some(stream)
        }
        Err((reason, fix)) => {
            report.fail("tls", reason, fix);
            None
        }
    }
}

/// A further connection of the same kind; `None`: it was not accepted.
pub(super) async fn reopen(target: &Target, address: SocketAddr) -> Option<Stream> {
    let stream = timeout(STEP, TcpStream::connect(address))
        .await
        .ok()?
        .ok()?;
    if !target.is_tls {
        return Some(Box::new(stream));
    }
    let (stream, _) = encrypt(target, stream).await.ok()?;
    Some(stream)
}

type Encrypted = (Stream, Arc<RecordingVerifier>);

async fn encrypt(target: &Target, stream: TcpStream) -> Result<Encrypted, (String, &'static str)> {
    let setup = |error: rustls::Error| {
        let fix = "install the package ca-certificates on this machine";
        (format!("TLS cannot be set up: {error}"), fix)
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(RecordingVerifier::new(Arc::clone(&provider)).map_err(setup)?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
        .with_no_client_auth();
    let name = ServerName::try_from(target.host_name()).map_err(|_| {
        (
            "the host is no name that a certificate can have".to_owned(),
            "use the name of the host",
        )
    })?;
    let connector = TlsConnector::from(Arc::new(config));
    match timeout(STEP, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok((Box::new(stream), verifier)),
        Ok(Err(error)) => {
            let tls = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let fix = tls.map_or(
                "make sure that this port speaks TLS 1.2 or 1.3; without TLS, use http:// or ws://",
                |tls| certificate::fix(tls, verifier.sent().as_ref()),
            );
            Err((error.to_string(), fix))
        }
        Err(_) => Err((
            format!("no TLS handshake in {} s", STEP.as_secs()),
            "make sure that this port speaks TLS; without TLS, use http:// or ws://",
        )),
    }
}
