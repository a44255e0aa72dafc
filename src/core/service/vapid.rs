//! The identity of apps for push services.

use super::{AppError, Service};
use crate::core::auth::{RandomError, new_p256_key};
use crate::core::model::{App, AppIdent, P256Key, P256KeyError, Secret, Vapid, VapidContactError};

/// Why an app has no identity for push services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VapidError {
    /// There is no key.
    #[error("VAPID private key not configured")]
    NoKey,
    /// The stored key is none.
    #[error("the app's vapid_key {0}")]
    Key(P256KeyError),
    /// There is no contact.
    #[error("VAPID contact not configured: set vapid_email of the app, or PUSHI_CONTACT")]
    NoContact,
    /// The stored contact is none.
    #[error("the app's vapid_email {0}")]
    Contact(VapidContactError),
}

/// Why an app got no new key.
#[derive(Debug, thiserror::Error)]
pub enum NewVapidKeyError {
    /// It has a key.
    #[error(
        "the app has a VAPID key, on which the registrations of browsers depend: set replace=1 to replace it"
    )]
    Exists,
    /// The app was not changed.
    #[error(transparent)]
    App(#[from] AppError),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The key cannot be written.
    #[error("the key cannot be encoded")]
    Encoding,
}

/// What a request sets in place of the app's settings.
#[derive(Debug, Clone, Default)]
pub struct GivenVapid {
    /// The key.
    pub key: Option<P256Key>,
    /// The contact.
    pub contact: Option<String>,
}

fn stored_key(app: &App) -> Result<P256Key, VapidError> {
    let key = app.push.vapid_key.as_ref().ok_or(VapidError::NoKey)?;
    P256Key::parse(key.expose()).map_err(VapidError::Key)
}

/// The identity with which an app sends to browsers. `contact`: that of the operator.
pub(super) fn resolve(
    app: &App,
    given: GivenVapid,
    contact: Option<&str>,
) -> Result<Vapid, VapidError> {
    let key = given.key.map_or_else(|| stored_key(app), Ok)?;
    let contact = given
        .contact
        .or_else(|| app.push.vapid_email.clone())
        .or_else(|| contact.map(Into::into))
        .ok_or(VapidError::NoContact)?;
    Vapid::new(key, &contact).map_err(VapidError::Contact)
}

impl Service {
    /// The identity with which an app sends to browsers.
    ///
    /// # Errors
    /// The key or the contact is missing, or not valid.
    pub fn vapid(&self, app: &App, given: GivenVapid) -> Result<Vapid, VapidError> {
        resolve(app, given, self.rules.messages.contact.as_deref())
    }

    /// The public key that browsers subscribe with, in the form that they take.
    ///
    /// # Errors
    /// The app has no key, or one that is not valid.
    pub fn vapid_public_key(&self, app: &App) -> Result<String, VapidError> {
        stored_key(app).map(|key| key.public_base64url())
    }

    /// Makes a VAPID key and stores it; answers its public part. With `replace` also in place of another one.
    ///
    /// # Errors
    /// See [`NewVapidKeyError`].
    pub async fn make_vapid_key(
        &self,
        ident: &AppIdent,
        replace: bool,
    ) -> Result<String, NewVapidKeyError> {
        let key = new_p256_key()?;
        let pem: Secret = key.to_pem().ok_or(NewVapidKeyError::Encoding)?;
        let change = |app: &mut App| {
            if app.push.vapid_key.is_some() && !replace {
                return Err(NewVapidKeyError::Exists);
            }
            app.push.vapid_key = Some(pem.clone());
            Ok(())
        };
        self.update_app(ident, &change).await?;
        Ok(key.public_base64url())
    }
}
