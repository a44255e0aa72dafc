//! A certificate that is read again when its files change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The PEM files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The private key, not encrypted: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// The certificate chain, the server's own first.
    pub cer: PathBuf,
}

/// The files cannot be used; the text is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or not what it should be.
    #[error("{path}: {reason}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("{cer} and {key}: {reason}", cer = .files.cer.display(), key = .files.key.display())]
    Pair {
        /// The files.
        files: TlsFiles,
        /// What is wrong with them.
        reason: String,
    },
}

/// What tells a file from what it was before, replaced files included.
type Stamp = Option<(u64, u64, i64, i64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let file = path.metadata().ok()?;
    Some((
        file.ino(),
        file.size(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ))
}

/// The certificate that handshakes are answered with.
#[derive(Debug)]
pub struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// The files as they were when they were last read, for better or worse.
    seen: Mutex<[Stamp; 2]>,
}

impl Certificate {
    /// Reads the files.
    pub fn load(files: TlsFiles, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let seen = Mutex::new(files.stamps());
        let current = RwLock::new(Arc::new(files.read(&provider)?));
        Ok(Self {
            files,
            provider,
            current,
            seen,
        })
    }

    /// Reads the files again; where they cannot be used, what was there before stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        *self.seen.lock() = self.files.stamps();
        *self.current.write() = Arc::new(self.files.read(&self.provider)?);
        Ok(())
    }

    /// Reads the files again if they changed since they were last read; `None`: they did not.
    pub fn reload_if_changed(&self) -> Option<Result<(), TlsError>> {
        let changed = *self.seen.lock() != self.files.stamps();
        changed.then(|| self.reload())
    }

    /// Where it comes from.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }
}

impl TlsFiles {
    fn stamps(&self) -> [Stamp; 2] {
        [stamp(&self.key), stamp(&self.cer)]
    }

    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain = CertificateDer::pem_file_iter(&self.cer)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .and_then(|chain| {
                if chain.is_empty() {
                    Err(pem::Error::NoItemsFound)
                } else {
                    Ok(chain)
                }
            })
            .map_err(|error| unusable(&self.cer, &error, "there is no PEM certificate in it"))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            unusable(
                &self.key,
                &error,
                "there is no PEM private key in it (an encrypted one cannot be read)",
            )
        })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            let reason = match error {
                rustls::Error::InconsistentKeys(_) => {
                    "the certificate is for another key".to_owned()
                }
                other => other.to_string(),
            };
            TlsError::Pair {
                files: self.clone(),
                reason,
            }
        })
    }
}

fn unusable(path: &Path, error: &pem::Error, nothing_in_it: &str) -> TlsError {
    let reason = match error {
        pem::Error::NoItemsFound => nothing_in_it.to_owned(),
        pem::Error::Io(error) => error.to_string(),
        // The library's text quotes the line, which may be a part of the key.
        _ => "it is not PEM".to_owned(),
    };
    TlsError::File {
        path: path.to_owned(),
        reason,
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}
