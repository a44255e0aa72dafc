//! `pushi copy`: copies all apps from one store into another.

mod digest;
mod progress;
mod reader;
mod store;
mod transfer;

use std::path::Path;
use std::time::Duration;

use self::digest::{AppDigest, KINDS};
use self::progress::CopyProgress;
use self::store::{CopyError, CopyStore};
use self::transfer::{copy_app, list_apps, newest_event};
use super::context::load_settings;
use super::error::CliError;
use crate::config::{Raw, StoreSettings, StoreUrl};
use crate::core::model::{App, CredentialDigest, Session, Timestamp, TokenHash};
use crate::server::open_stores;

/// The minimum timeout of a store call: the first read of a large channel of the original assigns
/// all its serials.
const MIN_TIMEOUT: Duration = Duration::from_secs(600);

/// Copy everything from one store into another and verify the copy
///
/// Copies apps with secrets and settings, events with serials, ids and times, current and ended
/// subscriptions, the last events of cache channels, targets, and their notifications that wait. Does
/// not copy sessions and queued webhooks: users of the REST API have to log in again. Stop the servers of both stores first:
/// data written during the copy may be missing from it, which the verification reports.
///
/// To continue an interrupted copy, repeat the command with --resume. At the end, both stores are
/// read again and their counts and checksums are compared. The exit code is 0 only if all of them
/// are equal.
#[derive(clap::Args)]
pub(super) struct CopyArgs {
    /// Store to read: sqlite://PATH, postgres://… or mongodb://…
    #[arg(long, value_name = "URL")]
    from: String,
    /// Store to write, which must be empty without --resume: sqlite://PATH, postgres://… or
    /// mongodb://…
    #[arg(long, value_name = "URL")]
    to: String,
    /// Write to a store that has apps: continues an interrupted copy, and adds to existing data
    #[arg(long, visible_alias = "into-existing")]
    resume: bool,
    #[command(flatten)]
    raw: Raw,
}

impl CopyArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.raw)?.store;
        let (from, to) = (
            store_settings(&settings, "--from", &self.from)?,
            store_settings(&settings, "--to", &self.to)?,
        );
        if let StoreUrl::Sqlite { path } = &from.url
            && !Path::new(path).exists()
        {
            return Err(CliError::Start(format!("--from: there is no file {path}")));
        }
        if is_same_url(&from.url, &to.url) {
            return Err(same_store());
        }
        let source = open("--from", &from).await?;
        let result = match open("--to", &to).await {
            Ok(target) => {
                let mut progress = CopyProgress::new();
                let result = copy_all(&source, &target, self.resume, &mut progress).await;
                progress.finish();
                target.stores.database.close().await;
                result
            }
            Err(error) => Err(error),
        };
        source.stores.database.close().await;
        result
    }
}

/// The configured store settings with the URL of a flag.
fn store_settings(
    settings: &StoreSettings,
    flag: &str,
    url: &str,
) -> Result<StoreSettings, CliError> {
    match StoreUrl::parse(url, "pushi") {
        Some(StoreUrl::SqliteMemory) => Err(CliError::Start(format!(
            "{flag}: a database in memory is lost when the command ends"
        ))),
        Some(url) => Ok(StoreSettings {
            url,
            ..settings.clone()
        }),
        None => Err(CliError::Start(format!(
            "{flag} must be sqlite://PATH, postgres://…, mongodb://… or mongodb+srv://…"
        ))),
    }
}

/// Opens a store twice: first with the configured timeout, to detect a wrong URL soon, then with
/// the timeout of the copy.
async fn open(flag: &'static str, settings: &StoreSettings) -> Result<CopyStore, CliError> {
    let open_error = |error| CliError::Start(format!("{flag}: {error}"));
    open_stores(settings)
        .await
        .map_err(open_error)?
        .database
        .close()
        .await;
    let settings = StoreSettings {
        timeout: settings.timeout.max(MIN_TIMEOUT),
        ..settings.clone()
    };
    Ok(CopyStore {
        flag,
        stores: open_stores(&settings).await.map_err(open_error)?,
    })
}

/// Whether two URLs are equal or name the same file.
fn is_same_url(from: &StoreUrl, to: &StoreUrl) -> bool {
    match (from, to) {
        (StoreUrl::Sqlite { path: from }, StoreUrl::Sqlite { path: to }) => {
            from == to
                || Path::new(from)
                    .canonicalize()
                    .is_ok_and(|from| Path::new(to).canonicalize().is_ok_and(|to| from == to))
        }
        _ => from == to,
    }
}

/// Whether both URLs lead to the same database, which URLs alone cannot show, since a server has
/// many names. Writes an expired session for an existing app to the target, looks for it in the
/// source, and removes it.
async fn is_same_store(
    source: &CopyStore,
    target: &CopyStore,
    app: &App,
) -> Result<bool, CliError> {
    let mut hash = [0; 32];
    getrandom::fill(&mut hash).map_err(CliError::start)?;
    let marker = Session {
        hash: TokenHash(hash),
        app: app.ident.clone(),
        credential: CredentialDigest(hash),
        expires: Timestamp::default(),
    };
    let target_error = |error| target.error(error);
    let sessions = &target.stores.sessions;
    sessions.put(&marker).await.map_err(target_error)?;
    let found = source.stores.sessions.get(&marker.hash).await;
    sessions.end(&marker.hash).await.map_err(target_error)?;
    Ok(found.map_err(|error| source.error(error))?.is_some())
}

fn same_store() -> CliError {
    CliError::command("--from and --to are the same store")
}

async fn copy_all(
    source: &CopyStore,
    target: &CopyStore,
    resume: bool,
    progress: &mut CopyProgress,
) -> Result<String, CliError> {
    check_target(source, target, resume).await?;
    let apps = list_apps(source).await?;
    if apps.is_empty() {
        return Err(CliError::command(
            "the store of --from has no app: check its URL",
        ));
    }
    for app in &apps {
        copy_app(source, target, app, progress)
            .await
            .map_err(|error| app_error(app, error))?;
    }
    let mut counts = [0; KINDS.len()];
    for app in &apps {
        let digest = verify_app(source, target, app, progress).await?;
        for (sum, count) in counts.iter_mut().zip(digest.counts()) {
            *sum += count;
        }
    }
    let lines = KINDS
        .iter()
        .zip(counts)
        .map(|(kind, count)| format!("{kind:<20} {count:>12}"));
    let last = "all counts and checksums are the same in both stores".to_owned();
    Ok(lines.chain([last]).collect::<Vec<_>>().join("\n"))
}

/// Rejects a target that is the source, and one that has apps unless `resume` is set.
async fn check_target(
    source: &CopyStore,
    target: &CopyStore,
    resume: bool,
) -> Result<(), CliError> {
    let apps = &target.stores.apps;
    let first_page = apps.list(0, 1).await.map_err(|error| target.error(error))?;
    let Some(app) = first_page.first() else {
        return Ok(());
    };
    if !resume {
        let hint = "use an empty store, or --resume to continue an interrupted copy or to add to existing data";
        return Err(CliError::command(format!(
            "the store of --to has apps already: {hint}"
        )));
    }
    if is_same_store(source, target, app).await? {
        return Err(same_store());
    }
    Ok(())
}

/// Reads an app from both stores and compares the digests; returns that of the target.
async fn verify_app(
    source: &CopyStore,
    target: &CopyStore,
    app: &App,
    progress: &mut CopyProgress,
) -> Result<AppDigest, CliError> {
    progress.begin_step(
        format!("app {}: comparing", app.ident),
        0,
        newest_event(source, app).await?,
    );
    let digests = async {
        tokio::try_join!(
            AppDigest::read(source, app, |event_id| progress.set_position(event_id)),
            AppDigest::read(target, app, drop)
        )
    };
    let (expected, copied) = digests.await.map_err(|error| app_error(app, error))?;
    if let Some(difference) = expected.difference(&copied) {
        let hint = "if a server wrote to one of the stores during the copy, stop it and copy again into an empty store";
        return Err(CliError::command(format!(
            "app {}: {difference}: {hint}",
            app.ident
        )));
    }
    Ok(copied)
}

fn app_error(app: &App, error: CopyError) -> CliError {
    CliError::command(format!("app {}: {error}", app.ident))
}
