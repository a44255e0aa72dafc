//! The identities of apps for Apple's push service.

use super::Service;
use crate::core::model::{
    ApnContent, ApnCredentials, ApnHeaderError, ApnHeaders, ApnMessage, App, P256Key,
    PushCheckError, PushCredentials, Secret, TargetKind, Timestamp,
};
use crate::core::ports::SendFailure;

/// Why an app can send nothing to Apple devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApnIdentityError {
    /// There is no key.
    #[error("No APN key defined")]
    NoKey,
    /// A key alone identifies nobody.
    #[error(
        "No APN certificate defined: set apn_cer, or apn_key_id and apn_team_id where apn_key signs tokens"
    )]
    NoCertificate,
    /// The key is none, or one that cannot sign tokens.
    #[error("the APN key {0}")]
    Key(PushCheckError),
    /// The certificate is none.
    #[error("the APN certificate {0}")]
    Certificate(PushCheckError),
    /// Tokens are signed with keys of one curve.
    #[error(
        "the APN key must be a .p8 file (curve P-256), because apn_key_id and apn_team_id are set and apn_cer is not"
    )]
    TokenKey,
}

/// What a request sets in place of the app's identity.
#[derive(Debug, Clone, Default)]
pub struct GivenApnIdentity {
    /// The private key, PEM.
    pub key: Option<Secret>,
    /// The certificate, PEM.
    pub cer: Option<Secret>,
    /// Apple's sandbox instead of its production service.
    pub sandbox: Option<bool>,
}

/// The identity that messages are sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnIdentity {
    /// The key, and what belongs to it.
    pub credentials: ApnCredentials,
    /// Apple's sandbox instead of its production service.
    pub sandbox: bool,
    /// The topic of messages without one.
    pub topic: Option<String>,
}

impl ApnIdentity {
    /// A message with this identity to a device.
    pub(super) fn message(&self, token: Secret, content: &ApnContent, at: Timestamp) -> ApnMessage {
        let topic = content.headers.topic.as_ref().or(self.topic.as_ref());
        ApnMessage {
            token,
            payload: content.payload.clone(),
            credentials: self.credentials.clone(),
            sandbox: self.sandbox,
            headers: ApnHeaders {
                topic: topic.cloned(),
                ..content.headers.clone()
            },
            at,
        }
    }
}

impl Service {
    /// The identity of an app: what the request gives, else what the app has. A key with its identifier and team signs tokens; any
    /// other key belongs to the certificate.
    ///
    /// # Errors
    /// It is missing or cannot be used.
    pub fn apn_identity(
        app: &App,
        given: GivenApnIdentity,
    ) -> Result<ApnIdentity, ApnIdentityError> {
        let push = &app.push;
        let given_cer = given.cer.is_some();
        let key = given.key.or_else(|| push.apn_key.clone());
        let key = key.ok_or(ApnIdentityError::NoKey)?;
        PushCredentials::check_apn_key(key.expose()).map_err(ApnIdentityError::Key)?;
        let cer = given.cer.or_else(|| push.apn_cer.clone());
        let ids = push.apn_key_id.clone().zip(push.apn_team_id.clone());
        let signing = P256Key::parse(key.expose()).ok();
        let credentials = match (ids, signing, cer) {
            (Some((key_id, team_id)), Some(key), _) if !given_cer => ApnCredentials::Token {
                key,
                key_id,
                team_id,
            },
            (_, _, Some(cer)) => {
                PushCredentials::check_apn_cer(cer.expose())
                    .map_err(ApnIdentityError::Certificate)?;
                ApnCredentials::Certificate { key, cer }
            }
            (Some(_), None, None) => return Err(ApnIdentityError::TokenKey),
            _ => return Err(ApnIdentityError::NoCertificate),
        };
        Ok(ApnIdentity {
            credentials,
            sandbox: given.sandbox.unwrap_or(push.apn_sandbox),
            topic: push.apn_topic.clone(),
        })
    }

    /// What a JSON value says to Apple devices: an object with `aps` is sent as it is, any other value is the alert.
    ///
    /// # Errors
    /// A header of its member `headers` is not one of Apple's.
    pub fn apn_content(&self, message: &str) -> Result<ApnContent, ApnHeaderError> {
        self.ports.format.apn(message)
    }

    /// Sends the same to Apple devices. The results are in the order of the tokens.
    pub async fn send_to_devices(
        &self,
        app: &App,
        tokens: Vec<Secret>,
        content: &ApnContent,
        identity: &ApnIdentity,
    ) -> Vec<Result<(), SendFailure>> {
        let at = self.ports.clock.now();
        let message = |token| identity.message(token, content, at);
        let messages = tokens.into_iter().map(message).collect();
        self.send_all(app, TargetKind::Apn, &*self.ports.senders.apn, messages)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::auth::new_p256_key;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----";
    const RSA: &str = "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----";

    fn identity(
        push: PushCredentials,
        given: GivenApnIdentity,
    ) -> Result<ApnIdentity, ApnIdentityError> {
        let app = App {
            push,
            ..App::sample("shop")
        };
        Service::apn_identity(&app, given)
    }

    fn with_ids(key: &str, cer: Option<&str>) -> PushCredentials {
        PushCredentials {
            apn_key: Some(Secret::new(key)),
            apn_cer: cer.map(Secret::new),
            apn_key_id: Some("KEY".into()),
            apn_team_id: Some("TEAM".into()),
            apn_topic: Some("com.example.shop".into()),
            apn_sandbox: true,
            ..PushCredentials::default()
        }
    }

    #[test]
    fn a_key_with_its_ids_signs_tokens_and_another_belongs_to_the_certificate() {
        let p8 = new_p256_key().unwrap().to_pem().unwrap();
        let none = GivenApnIdentity::default;
        let found = identity(with_ids(p8.expose(), None), none()).unwrap();
        assert!(matches!(found.credentials, ApnCredentials::Token { .. }));
        assert_eq!(
            (found.sandbox, found.topic.as_deref()),
            (true, Some("com.example.shop"))
        );
        let found = identity(with_ids(p8.expose(), Some(CERTIFICATE)), none()).unwrap();
        assert!(matches!(found.credentials, ApnCredentials::Token { .. }));
        let found = identity(with_ids(RSA, Some(CERTIFICATE)), none()).unwrap();
        assert!(matches!(
            found.credentials,
            ApnCredentials::Certificate { .. }
        ));
        let given = GivenApnIdentity {
            key: Some(Secret::new(RSA)),
            cer: Some(Secret::new(CERTIFICATE)),
            sandbox: Some(false),
        };
        let found = identity(with_ids(p8.expose(), None), given).unwrap();
        assert!(matches!(
            found.credentials,
            ApnCredentials::Certificate { .. }
        ));
        assert!(!found.sandbox);
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = GivenApnIdentity::default;
        let nothing = identity(PushCredentials::default(), none());
        assert_eq!(nothing, Err(ApnIdentityError::NoKey));
        let p8 = new_p256_key().unwrap().to_pem();
        let key_alone = PushCredentials {
            apn_key: p8,
            ..PushCredentials::default()
        };
        let found = identity(key_alone, none());
        assert_eq!(found, Err(ApnIdentityError::NoCertificate));
        let found = identity(with_ids(RSA, None), none());
        assert_eq!(found, Err(ApnIdentityError::TokenKey));
        assert!(matches!(
            identity(with_ids("key", None), none()),
            Err(ApnIdentityError::Key(_))
        ));
    }
}
