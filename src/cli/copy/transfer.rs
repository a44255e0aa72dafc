//! Copies an app: what is there already stays, and what is not there yet follows.

use super::progress::Progress;
use super::reader::{PAGE, Page, Reader};
use super::side::{Side, Trouble};
use crate::core::error::StorageError;
use crate::core::model::App;
use crate::core::ports::CreateApp;

type Outcome<T> = Result<T, Trouble>;

/// All apps of a store.
pub async fn all_apps(side: &Side) -> Outcome<Vec<App>> {
    let mut apps: Vec<App> = Vec::new();
    loop {
        let page = side
            .stores
            .apps
            .list(apps.last().map_or(0, |app| app.id), PAGE)
            .await
            .map_err(|error| side.trouble(error))?;
        if page.is_empty() {
            return Ok(apps);
        }
        apps.extend(page);
    }
}

/// The number of the app's newest event; 0 where there is none.
pub async fn newest_event(side: &Side, app: &App) -> Outcome<u64> {
    let newest = side
        .stores
        .events
        .recent(&app.ident, 1)
        .await
        .map_err(|error| side.trouble(error))?;
    Ok(newest.first().map_or(0, |event| event.position.id))
}

/// Copies an app with everything that belongs to it.
pub async fn copy_app(
    source: &Side,
    target: &Side,
    app: &App,
    progress: &mut Progress,
) -> Outcome<()> {
    put_app(target, app)
        .await
        .map_err(|error| target.trouble(error))?;
    // Events are written in the order of their numbers: up to the newest that is there, all are.
    let there = newest_event(target, app).await?;
    progress.step(
        format!("app {}: copying", app.ident),
        there,
        newest_event(source, app).await?,
    );
    let mut reader = Reader::new(source, &app.ident, there);
    let mut next = reader.next().await?;
    while let Some(page) = next {
        let at = progress_of(&page);
        // The next page is read while this one is written.
        let (read, ()) = tokio::try_join!(reader.next(), async {
            put(target, app, page)
                .await
                .map_err(|error| target.trouble(error))
        })?;
        at.inspect(|at| progress.at(*at));
        next = read;
    }
    Ok(())
}

/// The number of the newest event in a page.
pub fn progress_of(page: &Page) -> Option<u64> {
    match page {
        Page::Events(events) => events.last().map(|event| event.position.id),
        _ => None,
    }
}

async fn put(target: &Side, app: &App, page: Page) -> Result<(), StorageError> {
    let (archive, app) = (&target.stores.archive, &app.ident);
    match page {
        Page::Channels(heads) => archive.put_events(app, &heads, &[]).await,
        Page::Events(events) => archive.put_events(app, &[], &events).await,
        Page::Subscriptions(open) => archive.put_subscriptions(app, &open, &[]).await,
        Page::Intervals(ended) => archive.put_subscriptions(app, &[], &ended).await,
        Page::Cached(events) => target.stores.cache.keep(&events).await,
        Page::Targets(targets) => archive.put_targets(app, &targets).await,
    }
}

async fn put_app(target: &Side, app: &App) -> Result<(), StorageError> {
    let apps = &target.stores.apps;
    let there = match apps.by_ident(&app.ident).await? {
        // Another app of the same name: nothing of this one may be mixed with it.
        Some(there) if there.key != app.key || there.created != app.created => {
            return Err(StorageError::Conflict("ident"));
        }
        Some(there) => there,
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
            };
            apps.create(create).await?
        }
    };
    let wanted = App {
        id: there.id,
        ..app.clone()
    };
    if wanted == there {
        Ok(())
    } else {
        apps.update(&wanted, there.modified).await
    }
}
