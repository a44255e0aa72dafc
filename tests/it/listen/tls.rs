//! TLS on the listener, and certificates that change.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pushi::inbound::listen::{TlsFiles, TlsSource};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::listen::http::error_of;
use crate::listen::{BROKEN, Listener, Setup};

/// A certificate for `localhost` and its key, PEM.
fn pair() -> (String, String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    (
        made.cert.pem(),
        made.signing_key.serialize_pem(),
        made.cert.der().clone(),
    )
}

fn files_in(folder: &TempDir) -> TlsFiles {
    TlsFiles {
        key: folder.path().join("key.pem"),
        cer: folder.path().join("cer.pem"),
    }
}

/// Writes a new pair and answers its certificate.
fn renew(files: &TlsFiles) -> CertificateDer<'static> {
    let (cer, key, der) = pair();
    std::fs::write(&files.cer, cer).unwrap();
    std::fs::write(&files.key, key).unwrap();
    der
}

pub(crate) fn connector(trusted: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

/// A new pair in a folder.
pub(crate) fn renew_in(folder: &TempDir) -> (TlsFiles, CertificateDer<'static>) {
    let files = files_in(folder);
    let der = renew(&files);
    (files, der)
}

/// Connects with a client that trusts this certificate alone.
async fn connect(
    listener: &Listener,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(listener.address).await.unwrap();
    connector(trusted)
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}

async fn ask(listener: &Listener, trusted: &CertificateDer<'static>, request: &str) -> String {
    let mut stream = connect(listener, trusted).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(BROKEN, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

const WHO: &str = "GET /client HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn start(folder: &TempDir) -> (Listener, TlsSource, CertificateDer<'static>) {
    let files = files_in(folder);
    let der = renew(&files);
    let tls = TlsSource::load(files).unwrap();
    (
        Setup {
            tls: Some(tls.clone()),
            ..Setup::default()
        }
        .start()
        .await,
        tls,
        der,
    )
}

#[tokio::test]
async fn requests_and_upgrades_go_through_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, _, der) = start(&folder).await;
    assert!(
        ask(&listener, &der, WHO)
            .await
            .ends_with("127.0.0.1 true false Api https")
    );

    let mut stream = connect(&listener, &der).await.unwrap();
    let upgrade = "GET /key HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\nhello";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut heard = String::new();
    while !heard.ends_with("/key - - 127.0.0.1 true\nhello") {
        heard.push(char::from(
            timeout(BROKEN, stream.read_u8()).await.unwrap().unwrap(),
        ));
    }
    assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let tls = {
        let files = files_in(&folder);
        renew(&files);
        TlsSource::load(files).unwrap()
    };
    let listener = Setup {
        tls: Some(tls),
        handshake: Duration::from_millis(100),
        ..Setup::default()
    }
    .start()
    .await;
    assert_eq!(listener.ask("").await, "");
    assert_eq!(listener.ask([0x16, 3, 1, 2, 0, 1]).await, "");
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_400() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, _, _) = start(&folder).await;
    let (status, body) = error_of(&listener.ask(WHO).await);
    assert_eq!(status, 400);
    assert!(
        body["message"].as_str().unwrap().contains("https://"),
        "{body}"
    );
}

#[tokio::test]
async fn changed_files_are_picked_up_and_open_connections_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, _, old) = start(&folder).await;
    let mut open = connect(&listener, &old).await.unwrap();
    let new = renew(&files_in(&folder));
    let changed = async {
        // A new connection shows which certificate is in use.
        while connect(&listener, &new).await.is_err() {}
    };
    timeout(BROKEN, changed).await.unwrap();
    assert!(connect(&listener, &old).await.is_err());
    open.write_all(WHO.as_bytes()).await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("https"), "{answer}");
}

#[tokio::test]
async fn a_broken_pair_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, tls, old) = start(&folder).await;
    let files = files_in(&folder);
    let (_, other_key, _) = pair();
    std::fs::write(&files.key, &other_key).unwrap();
    let text = tls.reload().unwrap_err().to_string();
    assert!(
        text.contains("key.pem") && text.ends_with("the certificate does not match the key"),
        "{text}"
    );
    assert!(connect(&listener, &old).await.is_ok());
    let new = renew(&files);
    tls.reload().unwrap();
    assert!(connect(&listener, &new).await.is_ok());
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = files_in(&folder);
    let complaint = |files: &TlsFiles| TlsSource::load(files.clone()).err().unwrap().to_string();
    let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    assert!(complaint(&files).contains("cer.pem: No such file"));
    let (cer, key, _) = pair();
    write(&files.cer, "nothing");
    write(&files.key, &key);
    assert!(complaint(&files).ends_with("cer.pem: no PEM certificate found"));
    write(&files.cer, &cer);
    write(&files.key, &cer);
    assert!(complaint(&files).contains("key.pem: no PEM private key found"));
    // A broken key must not be quoted.
    let broken = key.replacen("M", "!hunter2!", 1);
    write(&files.key, &broken);
    let text = complaint(&files);
    assert!(
        text.ends_with("key.pem: invalid PEM") && !text.contains("hunter2"),
        "{text}"
    );
}
