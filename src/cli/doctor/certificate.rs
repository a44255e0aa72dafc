//! The certificates of a server.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// The days before its end on which a certificate is to be renewed: two thirds of Let's Encrypt's 90 have passed at 30.
const RENEWAL_DAYS: u64 = 14;

const DAY: u64 = 86_400;

/// Verifies certificates as the system does, and keeps what the server sent.
#[derive(Debug)]
pub(super) struct RecordingVerifier {
    inner: Verifier,
    sent: Mutex<Option<Sent>>,
}

/// What a server sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// The time after which its own certificate is invalid, in seconds since 1970, as far as it can be read.
    pub not_after: Option<u64>,
    pub intermediates: usize,
}

impl RecordingVerifier {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        Ok(Self {
            inner: Verifier::new(provider)?,
            sent: Mutex::new(None),
        })
    }

    pub(super) fn sent(&self) -> Option<Sent> {
        self.sent.lock().clone()
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.sent.lock() = Some(Sent {
            not_after: not_after(end_entity),
            intermediates: intermediates.len(),
        });
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// What to do about a handshake that failed for this reason.
pub(super) fn fix(error: &Error, sent: Option<&Sent>) -> &'static str {
    match error {
        Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "renew the certificate, and let the proxy or server load it (pushi loads a changed file by itself)"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "correct the clock of this machine, or wait until the certificate begins to be valid"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "use a certificate that names this host, or the address that it names"
            }
            CertificateError::UnknownIssuer if sent.is_some_and(|sent| sent.intermediates == 0) => {
                "send the whole chain: the certificate and its intermediates in one file (fullchain.pem); \
                for a private authority, trust its certificate on this machine (SSL_CERT_FILE)"
            }
            CertificateError::UnknownIssuer => {
                "use a certificate of an authority that clients trust; for a private one, trust its certificate on this machine (SSL_CERT_FILE)"
            }
            _ => "replace the certificate",
        },
        _ => "make sure that this port speaks TLS 1.2 or 1.3; without TLS, use http:// or ws://",
    }
}

/// The days until the certificate ends; `None`: unknown, or longer than anybody has to think of.
pub(super) fn days_left(sent: &Sent, now: Duration) -> Option<u64> {
    let left = sent.not_after?.saturating_sub(now.as_secs()) / DAY;
    (left < RENEWAL_DAYS).then_some(left)
}

/// The end of validity of an X.509 certificate. Only this value is read, so that no parser of certificates is needed: the
/// verifier has checked the rest.
fn not_after(certificate: &[u8]) -> Option<u64> {
    let mut outer = Der(certificate);
    let mut certificate = Der(outer.element(0x30)?);
    let mut fields = Der(certificate.element(0x30)?);
    if fields.0.first() == Some(&0xa0) {
        fields.element(0xa0)?; // version
    }
    fields.element(0x02)?; // serial number
    fields.element(0x30)?; // signature algorithm
    fields.element(0x30)?; // issuer
    let mut validity = Der(fields.element(0x30)?);
    validity.any()?;
    let (tag, text) = validity.any()?;
    let text = std::str::from_utf8(text).ok()?;
    // RFC 5280: two digits of the year until 2049, four from then on.
    let text = match tag {
        0x17 if text.get(..2)? < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        0x18 => text.to_owned(),
        _ => return None,
    };
    let format = time::macros::format_description!("[year][month][day][hour][minute][second]Z");
    let end = time::PrimitiveDateTime::parse(&text, &format).ok()?;
    u64::try_from(end.assume_utc().unix_timestamp()).ok()
}

/// A reader of DER elements.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any()
            .filter(|(found, _)| *found == tag)
            .map(|(_, content)| content)
    }

    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], mut rest) = self.0.split_first_chunk::<2>()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let bytes;
            (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.len() > 4 {
                return None;
            }
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 6, 1);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        assert_eq!(not_after(&certificate(2027)), Some(1_811_808_000));
        assert_eq!(not_after(&certificate(2060)), Some(2_853_273_600));
    }

    #[test]
    fn other_bytes_have_no_end() {
        let whole = certificate(2027);
        for end in 0..whole.len().min(400) {
            let _ = not_after(&whole[..end]);
        }
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0xff],
        ] {
            assert_eq!(not_after(bytes), None);
        }
    }

    #[test]
    fn a_certificate_that_ends_soon_has_days_left() {
        let sent = |seconds| Sent {
            not_after: Some(seconds),
            intermediates: 1,
        };
        let now = Duration::from_secs(1_000_000);
        assert_eq!(days_left(&sent(1_000_000 + 3 * DAY), now), Some(3));
        assert_eq!(days_left(&sent(1_000_000 + 20 * DAY), now), None);
    }
}
