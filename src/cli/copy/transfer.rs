//! Copies the records of an app. Existing records of the target are kept.

use super::progress::CopyProgress;
use super::reader::{AppReader, CopyPage, PAGE};
use super::store::{CopyError, CopyStore};
use crate::core::error::StorageError;
use crate::core::model::App;
use crate::core::ports::{CreateApp, ReadLimit};

type CopyResult<T> = Result<T, CopyError>;

/// Lists all apps of a store.
pub(super) async fn list_apps(store: &CopyStore) -> CopyResult<Vec<App>> {
    let mut apps: Vec<App> = Vec::new();
    loop {
        let page = store
            .stores
            .apps
            .list(apps.last().map_or(0, |app| app.id), PAGE)
            .await
            .map_err(|error| store.error(error))?;
        if page.is_empty() {
            return Ok(apps);
        }
        apps.extend(page);
    }
}

/// The id of the newest event of an app; 0 if there is none.
pub(super) async fn newest_event(store: &CopyStore, app: &App) -> CopyResult<u64> {
    let newest = store
        .stores
        .events
        .recent(&app.ident, None, ReadLimit::events(1))
        .await
        .map_err(|error| store.error(error))?;
    Ok(newest.first().map_or(0, |event| event.position.id))
}

/// Copies an app with all its records.
pub(super) async fn copy_app(
    source: &CopyStore,
    target: &CopyStore,
    app: &App,
    progress: &mut CopyProgress,
) -> CopyResult<()> {
    write_app(target, app)
        .await
        .map_err(|error| target.error(error))?;
    // Events are written in the order of their ids, so the target has all events up to its newest
    // one.
    let copied = newest_event(target, app).await?;
    progress.begin_step(
        format!("app {}: copying", app.ident),
        copied,
        newest_event(source, app).await?,
    );
    let mut reader = AppReader::new(source, &app.ident, copied);
    let mut next = reader.next().await?;
    while let Some(page) = next {
        let event_id = last_event_id(&page);
        // Read the next page while this one is written.
        let (read, ()) = tokio::try_join!(reader.next(), async {
            write_page(target, app, page)
                .await
                .map_err(|error| target.error(error))
        })?;
        event_id.inspect(|id| progress.set_position(*id));
        next = read;
    }
    Ok(())
}

/// The id of the last event in a page; `None` if it has other records.
pub(super) fn last_event_id(page: &CopyPage) -> Option<u64> {
    match page {
        CopyPage::Events(events) => events.last().map(|event| event.position.id),
        _ => None,
    }
}

async fn write_page(target: &CopyStore, app: &App, page: CopyPage) -> Result<(), StorageError> {
    let (archive, app) = (&target.stores.archive, &app.ident);
    match page {
        CopyPage::Channels(heads) => archive.put_events(app, &heads, &[]).await,
        CopyPage::Events(events) => archive.put_events(app, &[], &events).await,
        CopyPage::Subscriptions(open) => archive.put_subscriptions(app, &open, &[]).await,
        CopyPage::Intervals(ended) => archive.put_subscriptions(app, &[], &ended).await,
        CopyPage::Cached(events) => target.stores.cache.keep(&events).await,
        CopyPage::Targets(targets) => archive.put_targets(app, &targets).await,
        CopyPage::Due(due) => target.stores.due.put_due(app, &due).await,
        CopyPage::Waiting(waiting) => target.stores.outbox.put(&waiting).await,
    }
}

async fn write_app(target: &CopyStore, app: &App) -> Result<(), StorageError> {
    let apps = &target.stores.apps;
    let stored = match apps.by_ident(&app.ident).await? {
        // Another app with the same ident: their records must not be mixed.
        Some(existing) if existing.key != app.key || existing.created != app.created => {
            return Err(StorageError::Conflict("ident"));
        }
        Some(existing) => existing,
        None => {
            let create = CreateApp {
                ident: app.ident.clone(),
                name: app.name.clone(),
                description: app.description.clone(),
                key: app.key.clone(),
                secret: app.secret.clone(),
                push: app.push.clone(),
                settings: app.settings.clone(),
                now: app.created,
                first: false,
            };
            apps.create(create).await?
        }
    };
    let wanted = App {
        id: stored.id,
        ..app.clone()
    };
    if wanted == stored {
        Ok(())
    } else {
        apps.update(&wanted, stored.modified).await
    }
}
