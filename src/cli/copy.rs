//! `pushi copy`: everything of one store into another.

mod tally;
mod transfer;

use std::path::Path;

use self::tally::{KINDS, Tally};
use self::transfer::{Transfer, all_apps};
use super::failure::Failure;
use super::workbench::settings;
use crate::config::{Raw, StoreSettings, StoreUrl};
use crate::core::error::StorageError;
use crate::outbound::storage::Stores;
use crate::server::open_stores;

/// Copy everything from one store into another, and check that it is there
///
/// Apps with their secrets and settings, events with their serials, ids and times, subscriptions with what ended ones keep in
/// inboxes, the last events of cache channels, targets. Sessions and what waits for webhooks stay behind. Stop the servers of
/// both stores first: what is written meanwhile may be missing, and is then told.
#[derive(clap::Args)]
pub struct Copy {
    /// The store to read: sqlite://PATH, postgres://… or mongodb://…
    #[arg(long, value_name = "URL")]
    from: String,
    /// The store to write
    #[arg(long, value_name = "URL")]
    to: String,
    /// Write also where apps are: goes on with a copy that was stopped, and adds to what is there
    #[arg(long, visible_alias = "into-existing")]
    resume: bool,
    #[command(flatten)]
    raw: Raw,
}

impl Copy {
    pub async fn run(self) -> Result<String, Failure> {
        let store = settings(&self.raw)?.store;
        let (from, to) = (named(&store, "--from", &self.from)?, named(&store, "--to", &self.to)?);
        if from.url == to.url {
            return Err(Failure::command("--from and --to are the same store"));
        }
        if let StoreUrl::Sqlite { path } = &from.url
            && !Path::new(path).exists()
        {
            return Err(Failure::Start(format!("--from: there is no file {path}")));
        }
        let source = open("--from", &from).await?;
        let outcome = match open("--to", &to).await {
            Ok(target) => {
                let outcome = copied(&source, &target, self.resume).await;
                target.database.close().await;
                outcome
            }
            Err(failure) => Err(failure),
        };
        source.database.close().await;
        outcome
    }
}

/// The settings of the store with a URL of its own.
fn named(settings: &StoreSettings, flag: &str, url: &str) -> Result<StoreSettings, Failure> {
    match StoreUrl::parse(url, "pushi") {
        Some(StoreUrl::SqliteMemory) => Err(Failure::Start(format!("{flag}: a database in memory is gone when the command ends"))),
        Some(url) => Ok(StoreSettings { url, ..settings.clone() }),
        None => Err(Failure::Start(format!("{flag} must be sqlite://PATH, postgres://…, mongodb://… or mongodb+srv://…"))),
    }
}

async fn open(flag: &str, settings: &StoreSettings) -> Result<Stores, Failure> {
    open_stores(settings).await.map_err(|error| Failure::Start(format!("{flag}: {error}")))
}

async fn copied(source: &Stores, target: &Stores, resume: bool) -> Result<String, Failure> {
    if !resume && !target.apps.list(0, 1).await.map_err(failed)?.is_empty() {
        let hint = "name an empty one, or say --resume to go on with a copy that was stopped or to add to what is there";
        return Err(Failure::command(format!("the store of --to has apps already: {hint}")));
    }
    let apps = all_apps(source).await.map_err(failed)?;
    let transfer = Transfer::new(source, target, &apps).await.map_err(failed)?;
    for app in &apps {
        transfer.app(app).await.map_err(|error| Failure::command(format!("app {}: {}", app.ident, told(&error))))?;
    }
    transfer.finish();
    let mut counts = [0; KINDS.len()];
    for app in &apps {
        let (there, here) = (Tally::of(source, app).await.map_err(failed)?, Tally::of(target, app).await.map_err(failed)?);
        if let Some(difference) = there.difference(&here) {
            let hint = "did a server write to one of the stores meanwhile?";
            return Err(Failure::command(format!("app {}: {difference} ({hint})", app.ident)));
        }
        for (sum, count) in counts.iter_mut().zip(here.counts()) {
            *sum += count;
        }
    }
    let lines = KINDS.iter().zip(counts).map(|(kind, count)| format!("{kind:<20} {count:>12}"));
    let last = "each count and checksum is the same in both stores".to_owned();
    Ok(lines.chain([last]).collect::<Vec<_>>().join("\n"))
}

fn failed(error: StorageError) -> Failure {
    Failure::command(told(&error))
}

fn told(error: &StorageError) -> String {
    match error {
        StorageError::Conflict(what) => format!("something else with the same {what} is there already"),
        other => other.chain(),
    }
}
