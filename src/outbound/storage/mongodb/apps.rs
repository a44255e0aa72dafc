//! Apps.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReturnDocument;

use super::error::{classify, is_duplicate, upsert};
use super::events::all;
use super::unique::{FIRST, IDENT, KEY};
use super::value::{MICROS, seconds};
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, AppSettings, PushCredentials, Secret, Timestamp};
use crate::core::ports::{AppStore, CreateApp};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::settings::{settings_from_text, settings_to_text};

#[async_trait]
impl AppStore for MongoStore {
    async fn create(&self, app: CreateApp) -> Result<App, StorageError> {
        let store = self.clone();
        self.run_to_completion(async move {
            match app.first {
                true => store.create_first_app(app).await,
                false => store.create_app(app).await,
            }
        })
        .await
    }

    async fn update(&self, app: &App, expected_modified: Timestamp) -> Result<(), StorageError> {
        let (store, app) = (self.clone(), app.clone());
        self.run_to_completion(async move { store.update_app(&app, expected_modified).await })
            .await
    }

    async fn delete(&self, ident: &AppIdent) -> Result<(), StorageError> {
        let (store, ident) = (self.clone(), ident.clone());
        self.run_to_completion(async move { store.delete_app(&ident).await })
            .await
    }

    async fn by_ident(&self, ident: &AppIdent) -> Result<Option<App>, StorageError> {
        self.find_app(doc! { "ident": ident.as_str() }).await
    }

    async fn by_key(&self, key: &str) -> Result<Option<App>, StorageError> {
        self.find_app(doc! { "key": key }).await
    }

    async fn list(&self, after: u64, limit: usize) -> Result<Vec<App>, StorageError> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let after = doc! { "id": { "$gt": value::signed(after) } };
        let found = self
            .collections
            .apps
            .find(after)
            .sort(doc! { "id": 1 })
            .limit(value::signed(limit));
        self.with_timeout(async { all(found).await?.iter().map(app_from).collect() })
            .await
    }

    async fn count(&self) -> Result<u64, StorageError> {
        self.with_timeout(async {
            let count = self.collections.apps.count_documents(Document::new());
            count.await.map_err(classify)
        })
        .await
    }

    async fn revision(&self) -> Result<u64, StorageError> {
        self.with_timeout(async {
            let found = self
                .collections
                .state
                .find_one(doc! { "_id": "revision" })
                .await
                .map_err(classify)?;
            found.map_or(Ok(0), |document| value::unsigned(&document, "value"))
        })
        .await
    }
}

impl MongoStore {
    /// Reads the id of an app; `None` if it does not exist.
    pub(super) async fn app_id(&self, ident: &AppIdent) -> StorageResult<Option<i64>> {
        let found = self
            .collections
            .apps
            .find_one(doc! { "ident": ident.as_str() })
            .projection(doc! { "id": 1 });
        found
            .await
            .map_err(classify)?
            .map(|document| value::int(&document, "id"))
            .transpose()
    }

    /// Increments the revision, by which all nodes notice that an app has changed.
    pub(super) async fn bump_revision(&self) -> StorageResult<()> {
        upsert(|| {
            let bump = self.collections.state.update_one(
                doc! { "_id": "revision" },
                doc! { "$inc": { "value": 1_i64 } },
            );
            bump.upsert(true)
        })
        .await
        .map(drop)
    }

    async fn find_app(&self, filter: Document) -> StorageResult<Option<App>> {
        self.with_timeout(async {
            self.collections
                .apps
                .find_one(filter)
                .await
                .map_err(classify)?
                .map(|document| app_from(&document))
                .transpose()
        })
        .await
    }

    /// Creates an app where there is none. Its right to do so is reserved before it looks, and released after it was created.
    async fn create_first_app(&self, app: CreateApp) -> StorageResult<App> {
        let ident = app.ident.clone();
        self.reserve_unique(FIRST, "app", &ident, app.now).await?;
        let any = self.collections.apps.find_one(Document::new()).await;
        let created = match any.map_err(classify) {
            Ok(None) => self.create_app(app).await,
            Ok(Some(_)) => Err(StorageError::Conflict(FIRST.0)),
            Err(error) => Err(error),
        };
        self.release_unique(FIRST, "app", &ident).await?;
        created
    }

    async fn create_app(&self, app: CreateApp) -> StorageResult<App> {
        self.finish_removals(&app.ident).await?;
        self.reserve_unique(IDENT, app.ident.as_str(), &app.ident, app.now)
            .await?;
        if let Err(error) = self
            .reserve_unique(KEY, &app.key, &app.ident, app.now)
            .await
        {
            self.release_unique(IDENT, app.ident.as_str(), &app.ident)
                .await?;
            return Err(error);
        }
        // Removes what late writers have left of a deleted app with the same ident.
        self.remove_app_data(&app.ident, None).await?;
        let id = self.collections.allocate_id(&self.collections.apps).await?;
        let app = app.into_app(id);
        let mut document = mutable_fields(&app)?;
        document.insert("_id", format!("app/{}", app.ident));
        document.insert("id", value::signed(app.id));
        document.insert("ident", app.ident.as_str());
        document.insert("instance", app.ident.as_str());
        document.insert("meta", Document::new());
        document.insert("created", seconds(app.created));
        document.insert("created_us", app.created.micros());
        match self.collections.apps.insert_one(document).await {
            Err(error) if is_duplicate(&error) => return Err(StorageError::Conflict("ident")),
            inserted => drop(inserted.map_err(classify)?),
        }
        self.bump_revision().await?;
        Ok(app)
    }

    async fn update_app(&self, app: &App, expected_modified: Timestamp) -> StorageResult<()> {
        let found = self
            .collections
            .apps
            .find_one(doc! { "ident": app.ident.as_str() })
            .await
            .map_err(classify)?;
        let before = app_from(&found.ok_or(StorageError::NotFound)?)?;
        if before.modified != expected_modified {
            return Err(StorageError::Conflict("modified"));
        }
        if before.key != app.key {
            self.reserve_unique(KEY, &app.key, &app.ident, app.modified)
                .await?;
        }
        let mut filter = unchanged_since(expected_modified);
        filter.insert("ident", app.ident.as_str());
        let changed = self
            .collections
            .apps
            .find_one_and_update(filter, doc! { "$set": mutable_fields(app)? });
        let changed = changed
            .return_document(ReturnDocument::Before)
            .await
            .map_err(classify)?;
        if changed.is_none() {
            if before.key != app.key {
                self.release_unique(KEY, &app.key, &app.ident).await?;
            }
            let exists = self.app_id(&app.ident).await?.is_some();
            return Err(if exists {
                StorageError::Conflict("modified")
            } else {
                StorageError::NotFound
            });
        }
        if before.key != app.key {
            self.release_unique(KEY, &before.key, &app.ident).await?;
        }
        self.bump_revision().await
    }
}

/// The filter of a document that was not changed after `modified`. The original writes `modified` in whole seconds and leaves
/// `modified_us` alone: after its changes the microseconds belong to another second.
fn unchanged_since(modified: Timestamp) -> Document {
    let (second, micros) = (seconds(modified), modified.micros());
    if micros != second * MICROS {
        return doc! { "modified": second, "modified_us": micros };
    }
    let within = [
        doc! { "modified_us": { "$exists": false } },
        doc! { "modified_us": { "$lte": micros } },
        doc! { "modified_us": { "$gte": micros + MICROS } },
    ];
    doc! { "modified": second, "$or": within.to_vec() }
}

/// The mutable fields of an app.
fn mutable_fields(app: &App) -> StorageResult<Document> {
    let exposed = |secret: &Option<Secret>| {
        secret
            .as_ref()
            .map_or(Bson::Null, |secret| Bson::from(secret.expose()))
    };
    let text = |text: &Option<String>| text.as_ref().map_or(Bson::Null, Bson::from);
    Ok(doc! {
        "name": &app.name,
        "description": text(&app.description),
        "key": &app.key,
        "secret": app.secret.expose(),
        "previous_secret": exposed(&app.previous_secret),
        "apn_sandbox": app.push.apn_sandbox,
        "apn_key": exposed(&app.push.apn_key),
        "apn_cer": exposed(&app.push.apn_cer),
        "apn_key_id": text(&app.push.apn_key_id),
        "apn_team_id": text(&app.push.apn_team_id),
        "apn_topic": text(&app.push.apn_topic),
        "vapid_key": exposed(&app.push.vapid_key),
        "vapid_email": text(&app.push.vapid_email),
        "smtp_url": exposed(&app.push.smtp_url),
        "enabled": app.settings.enabled,
        "settings": settings_to_text(&app.settings)?,
        "modified": seconds(app.modified),
        "modified_us": app.modified.micros(),
    })
}

fn app_from(document: &Document) -> StorageResult<App> {
    let secret = |member| Ok(value::maybe_text(document, member)?.map(Secret::new));
    let text = |member| -> StorageResult<Option<String>> {
        Ok(value::maybe_text(document, member)?.map(Into::into))
    };
    let settings = value::maybe_text(document, "settings")?
        .map_or_else(|| Ok(AppSettings::default()), settings_from_text)?;
    let enabled = value::maybe_bool(document, "enabled")?.unwrap_or(true);
    Ok(App {
        id: value::unsigned(document, "id")?,
        ident: AppIdent::trusted(value::text(document, "ident")?),
        name: value::maybe_text(document, "name")?
            .unwrap_or_default()
            .into(),
        description: text("description")?,
        key: value::text(document, "key")?.into(),
        secret: Secret::new(value::text(document, "secret")?),
        previous_secret: secret("previous_secret")?,
        push: PushCredentials {
            apn_sandbox: value::maybe_bool(document, "apn_sandbox")?.unwrap_or(false),
            apn_key: secret("apn_key")?,
            apn_cer: secret("apn_cer")?,
            apn_key_id: text("apn_key_id")?,
            apn_team_id: text("apn_team_id")?,
            apn_topic: text("apn_topic")?,
            vapid_key: secret("vapid_key")?,
            vapid_email: text("vapid_email")?,
            smtp_url: secret("smtp_url")?,
        },
        settings: AppSettings {
            enabled,
            ..settings
        },
        created: value::time(document, "created", "created_us")?,
        modified: value::time(document, "modified", "modified_us")?,
    })
}
