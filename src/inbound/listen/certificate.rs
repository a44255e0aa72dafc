//! A TLS certificate that is reloaded when its files change.
//!
//! rustls asks [`ResolvesServerCert`] for the certificate of each handshake, so a reload swaps one
//! pointer and needs no new `ServerConfig`; no crate is needed for that.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The PEM files of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The private key in PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// The certificate chain, beginning with the server's certificate.
    pub cer: PathBuf,
}

/// The certificate or its key cannot be used. The message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or parsed.
    #[error("{path}: {reason}", path = .path.display())]
    File {
        /// As configured.
        path: PathBuf,
        /// The cause, without any content of the file.
        reason: String,
    },
    /// Certificate and key do not match, or their algorithm is not supported.
    #[error("{cer} and {key}: {reason}", cer = .files.cer.display(), key = .files.key.display())]
    Pair {
        /// As configured.
        files: TlsFiles,
        /// The cause.
        reason: String,
    },
}

/// Inode, size, modification time and change time; differs also if the file was replaced. `None`:
/// the file is missing.
type FileStamp = Option<(u64, u64, i64, i64, i64, i64)>;

fn file_stamp(path: &Path) -> FileStamp {
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

/// The certificate for new handshakes.
#[derive(Debug)]
pub(super) struct ReloadableCertificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// The files at the last read, whether it succeeded or not.
    last_read: Mutex<[FileStamp; 2]>,
}

impl ReloadableCertificate {
    /// Reads the files. Blocks on file I/O.
    ///
    /// # Errors
    /// A file cannot be read or parsed, or the certificate does not match the key.
    pub(super) fn load(files: TlsFiles, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let last_read = Mutex::new(files.file_stamps());
        let current = RwLock::new(Arc::new(files.read(&provider)?));
        Ok(Self {
            files,
            provider,
            current,
            last_read,
        })
    }

    /// Reads the files again. On an error the previous certificate stays in use.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        *self.last_read.lock() = self.files.file_stamps();
        *self.current.write() = Arc::new(self.files.read(&self.provider)?);
        Ok(())
    }

    /// Reads the files again if they have changed since the last read; `None`: they have not.
    pub(super) fn reload_if_changed(&self) -> Option<Result<(), TlsError>> {
        let changed = *self.last_read.lock() != self.files.file_stamps();
        changed.then(|| self.reload())
    }

    /// The files as configured.
    pub(super) fn files(&self) -> &TlsFiles {
        &self.files
    }
}

impl TlsFiles {
    fn file_stamps(&self) -> [FileStamp; 2] {
        [file_stamp(&self.key), file_stamp(&self.cer)]
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
            .map_err(|error| file_error(&self.cer, &error, "no PEM certificate found"))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            file_error(
                &self.key,
                &error,
                "no PEM private key found (encrypted keys are not supported)",
            )
        })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            let reason = match error {
                rustls::Error::InconsistentKeys(_) => {
                    "the certificate does not match the key".to_owned()
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

fn file_error(path: &Path, error: &pem::Error, not_found: &str) -> TlsError {
    let reason = match error {
        pem::Error::NoItemsFound => not_found.to_owned(),
        pem::Error::Io(error) => error.to_string(),
        // The library's message quotes the line, which may be a part of the key.
        _ => "invalid PEM".to_owned(),
    };
    TlsError::File {
        path: path.to_owned(),
        reason,
    }
}

impl ResolvesServerCert for ReloadableCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}
