//! Administration of apps.

use std::sync::Arc;

use super::{AppSession, Service};
use crate::core::auth::{self, RandomError};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, NewApp, Secret, Timestamp};
use crate::core::ports::{BusMessage, CreateApp};

/// Why an app was not created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such app.
    #[error("there is no such app")]
    NotFound,
    /// Another app has the same `ident` or `key`.
    #[error("another app has the same {0}")]
    Taken(&'static str),
    /// The name is empty or longer than 200 characters.
    #[error("name must have 1 to 200 characters")]
    Name,
    /// A session of the previous secret does not rotate the current one.
    #[error("the session was opened with the previous secret: log in with the current one")]
    PreviousSecret,
    /// The store is unavailable.
    #[error("the store is unavailable: try again later")]
    Storage(#[source] StorageError),
    /// No random numbers for a key or secret.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl From<StorageError> for AppError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound => Self::NotFound,
            StorageError::Conflict(what) => Self::Taken(what),
            other => Self::Storage(other),
        }
    }
}

fn check_name(name: &str) -> Result<(), AppError> {
    let fits = !name.trim().is_empty() && name.chars().count() <= 200 && !name.contains('\0');
    if fits { Ok(()) } else { Err(AppError::Name) }
}

/// A new identifier.
pub(crate) fn random_ident() -> Result<AppIdent, RandomError> {
    Ok(AppIdent::trusted(&auth::random_hex::<32>()?))
}

impl Service {
    /// Creates an app; a key, secret or ident that is not given is generated (32 random bytes in hex).
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn create_app(&self, new: NewApp) -> Result<Arc<App>, AppError> {
        self.create(new, false).await
    }

    /// The same in a store without apps; `None`: there is one.
    pub(super) async fn create_first_app(&self, new: NewApp) -> Result<Option<Arc<App>>, AppError> {
        match self.create(new, true).await {
            Err(AppError::Taken("first")) => Ok(None),
            created => created.map(Some),
        }
    }

    async fn create(&self, new: NewApp, first: bool) -> Result<Arc<App>, AppError> {
        check_name(&new.name)?;
        let or_generated = |given: Option<String>| given.map_or_else(auth::random_hex::<32>, Ok);
        let create = CreateApp {
            ident: match new.ident {
                Some(ident) => ident,
                None => random_ident()?,
            },
            name: new.name,
            description: new.description,
            key: or_generated(new.key)?,
            secret: match new.secret {
                Some(secret) => secret,
                None => Secret::new(auth::random_hex::<32>()?),
            },
            push: new.push,
            settings: new.settings,
            now: self.ports.clock.now(),
            first,
        };
        let generation = self.parts.apps.generation();
        let app = self
            .parts
            .apps
            .insert(self.ports.stores.apps.create(create).await?, generation);
        self.announce_change(&app.ident).await;
        Ok(app)
    }

    /// The app as the store has it now; the cached one where the store is unavailable.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub async fn app(&self, ident: &AppIdent) -> Result<Arc<App>, AppError> {
        self.parts
            .apps
            .read_through(ident)
            .await?
            .ok_or(AppError::NotFound)
    }

    /// Apps with an `id` above `after`, ordered by `id`, at most `limit`.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn apps(&self, after: u64, limit: usize) -> Result<Vec<App>, AppError> {
        Ok(self.ports.stores.apps.list(after, limit).await?)
    }

    /// Updates an app: `change` is applied to the stored app, and again where the app was changed meanwhile. `id`, `ident`,
    /// `key`, `secret` and `created` keep their values.
    ///
    /// # Errors
    /// Those of `change`, and [`AppError`].
    pub async fn update_app<E>(
        &self,
        ident: &AppIdent,
        change: &(dyn Fn(&mut App) -> Result<(), E> + Sync),
    ) -> Result<Arc<App>, E>
    where
        E: From<AppError> + Send,
    {
        loop {
            let stored = self
                .ports
                .stores
                .apps
                .by_ident(ident)
                .await
                .map_err(AppError::from)?
                .ok_or(AppError::NotFound)?;
            let mut app = stored.clone();
            change(&mut app)?;
            check_name(&app.name)?;
            app.id = stored.id;
            app.ident = stored.ident.clone();
            app.key = stored.key.clone();
            app.secret = stored.secret.clone();
            app.created = stored.created;
            if let Some(app) = self.replace_app(app, &stored).await? {
                return Ok(app);
            }
        }
    }

    /// Gives an app a new secret; the one before stays valid until it is dropped.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn rotate_secret(&self, ident: &AppIdent) -> Result<Arc<App>, AppError> {
        self.rotate(ident, None).await
    }

    /// The same for the app of a session.
    ///
    /// # Errors
    /// `PreviousSecret` where the session was opened with another secret than the current one.
    pub async fn rotate_own_secret(&self, session: &AppSession) -> Result<Arc<App>, AppError> {
        self.rotate(&session.app.ident, Some(session)).await
    }

    async fn rotate(
        &self,
        ident: &AppIdent,
        by: Option<&AppSession>,
    ) -> Result<Arc<App>, AppError> {
        loop {
            let stored = self
                .ports
                .stores
                .apps
                .by_ident(ident)
                .await?
                .ok_or(AppError::NotFound)?;
            if by.is_some_and(|session| !session.was_opened_with(&stored, &stored.secret)) {
                return Err(AppError::PreviousSecret);
            }
            let mut app = stored.clone();
            app.previous_secret = Some(stored.secret.clone());
            app.secret = Secret::new(auth::random_hex::<32>()?);
            if let Some(app) = self.replace_app(app, &stored).await? {
                return Ok(app);
            }
        }
    }

    /// Gives an app the configured key, secret and (where given) name; writes nothing where they are the same. Another secret
    /// ends a rotation: the one before is not valid either.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn adopt_credentials(
        &self,
        ident: &AppIdent,
        key: &str,
        secret: &Secret,
        name: Option<&str>,
    ) -> Result<(), AppError> {
        loop {
            let stored = self
                .ports
                .stores
                .apps
                .by_ident(ident)
                .await?
                .ok_or(AppError::NotFound)?;
            let mut app = stored.clone();
            app.key = key.to_owned();
            if app.secret != *secret {
                app.secret = secret.clone();
                app.previous_secret = None;
            }
            app.name = name.map_or(app.name, str::to_owned);
            if app == stored || self.replace_app(app, &stored).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Replaces the app as it was read (`stored`); `None`: it was changed since.
    async fn replace_app(&self, mut app: App, stored: &App) -> Result<Option<Arc<App>>, AppError> {
        let after_stored = Timestamp::from_micros(stored.modified.micros().saturating_add(1));
        app.modified = self.ports.clock.now().max(after_stored);
        let generation = self.parts.apps.generation();
        match self.ports.stores.apps.update(&app, stored.modified).await {
            Ok(()) => {
                let app = self.parts.apps.insert(app, generation);
                self.announce_change(&app.ident).await;
                Ok(Some(app))
            }
            Err(StorageError::Conflict("modified")) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends all sessions of an app, on every node within a second.
    ///
    /// # Errors
    /// `NotFound` where there is no such app.
    pub async fn end_sessions(&self, app: &AppIdent) -> Result<(), AppError> {
        let app = self.app(app).await?;
        self.parts.sessions.end_all(&app.ident).await?;
        self.parts.tail.check_access();
        Ok(())
    }

    /// Deletes an app with all its data, and closes its connections.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub async fn delete_app(&self, ident: &AppIdent) -> Result<(), AppError> {
        let cached = self.parts.apps.cached(ident);
        self.ports.stores.apps.delete(ident).await?;
        cached.inspect(|app| self.parts.apps.evict(app));
        self.announce_change(ident).await;
        Ok(())
    }

    async fn announce_change(&self, ident: &AppIdent) {
        // A node that misses the message polls the store within a second.
        let _ = self
            .ports
            .nodes
            .bus
            .publish(BusMessage::AppChanged(ident.clone()))
            .await;
    }
}
