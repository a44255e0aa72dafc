//! `pushi copy`: everything of one store into another.

mod progress;
mod reader;
mod side;
mod tally;
mod transfer;

use std::path::Path;
use std::time::Duration;

use self::progress::Progress;
use self::side::{Side, Trouble};
use self::tally::{KINDS, Tally};
use self::transfer::{all_apps, copy_app, newest_event};
use super::failure::Failure;
use super::workbench::settings;
use crate::config::{Raw, StoreSettings, StoreUrl};
use crate::core::model::{App, Session, Timestamp, TokenHash};
use crate::server::open_stores;

/// How long a call may take at least: a large channel of the original gets all its serials when it is first read.
const PATIENCE: Duration = Duration::from_secs(600);

/// Copy everything from one store into another, and check that it is there
///
/// Apps with their secrets and settings, events with their serials, ids and times, subscriptions with what ended ones keep in
/// inboxes, the last events of cache channels, targets. Sessions and what waits for webhooks stay behind: users of the REST API log
/// in anew. Stop the servers of both stores first: what is written meanwhile may be missing in the copy, and is then told.
///
/// A copy that was stopped can be gone on with: say the same with --resume. At the end both stores are read again, and their counts
/// and checksums are compared. The exit code is 0 only where all of them are the same.
#[derive(clap::Args)]
pub struct Copy {
    /// The store to read: sqlite://PATH, postgres://… or mongodb://…
    #[arg(long, value_name = "URL")]
    from: String,
    /// The store to write, empty unless --resume is given: sqlite://PATH, postgres://… or mongodb://…
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
        let (from, to) = (
            named(&store, "--from", &self.from)?,
            named(&store, "--to", &self.to)?,
        );
        if let StoreUrl::Sqlite { path } = &from.url
            && !Path::new(path).exists()
        {
            return Err(Failure::Start(format!("--from: there is no file {path}")));
        }
        if is_same_place(&from.url, &to.url) {
            return Err(same_store());
        }
        let source = open("--from", &from).await?;
        let outcome = match open("--to", &to).await {
            Ok(target) => {
                let mut progress = Progress::new();
                let outcome = copied(&source, &target, self.resume, &mut progress).await;
                progress.end();
                target.stores.database.close().await;
                outcome
            }
            Err(failure) => Err(failure),
        };
        source.stores.database.close().await;
        outcome
    }
}

/// The settings of the store with a URL of its own.
fn named(settings: &StoreSettings, flag: &str, url: &str) -> Result<StoreSettings, Failure> {
    match StoreUrl::parse(url, "pushi") {
        Some(StoreUrl::SqliteMemory) => Err(Failure::Start(format!(
            "{flag}: a database in memory is gone when the command ends"
        ))),
        Some(url) => Ok(StoreSettings {
            url,
            ..settings.clone()
        }),
        None => Err(Failure::Start(format!(
            "{flag} must be sqlite://PATH, postgres://…, mongodb://… or mongodb+srv://…"
        ))),
    }
}

/// Opens a store twice: the first time tells soon what is wrong with its URL, the second time is for the work.
async fn open(flag: &'static str, settings: &StoreSettings) -> Result<Side, Failure> {
    let refused = |error| Failure::Start(format!("{flag}: {error}"));
    open_stores(settings)
        .await
        .map_err(refused)?
        .database
        .close()
        .await;
    let patient = StoreSettings {
        timeout: settings.timeout.max(PATIENCE),
        ..settings.clone()
    };
    Ok(Side {
        flag,
        stores: open_stores(&patient).await.map_err(refused)?,
    })
}

/// Whether two URLs say the same, or name one file.
fn is_same_place(from: &StoreUrl, to: &StoreUrl) -> bool {
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

/// Whether what is written by way of one URL is seen by way of the other: a server has many names. What is written is a session
/// of an app that is there, which nobody can use, and which is removed at once.
async fn is_same_store(source: &Side, target: &Side, app: &App) -> Result<bool, Failure> {
    let mut hash = [0; 32];
    getrandom::fill(&mut hash).map_err(Failure::start)?;
    let mark = Session {
        hash: TokenHash(hash),
        app: app.ident.clone(),
        expires: Timestamp::default(),
    };
    let of_target = |error| target.trouble(error);
    target.stores.sessions.put(&mark).await.map_err(of_target)?;
    let seen = source.stores.sessions.get(&mark.hash).await;
    target
        .stores
        .sessions
        .end(&mark.hash)
        .await
        .map_err(of_target)?;
    Ok(seen.map_err(|error| source.trouble(error))?.is_some())
}

fn same_store() -> Failure {
    Failure::command("--from and --to are the same store")
}

async fn copied(
    source: &Side,
    target: &Side,
    resume: bool,
    progress: &mut Progress,
) -> Result<String, Failure> {
    if let Some(there) = target
        .stores
        .apps
        .list(0, 1)
        .await
        .map_err(|error| target.trouble(error))?
        .first()
    {
        if !resume {
            let hint = "name an empty one, or say --resume to go on with a copy that was stopped or to add to what is there";
            return Err(Failure::command(format!(
                "the store of --to has apps already: {hint}"
            )));
        }
        if is_same_store(source, target, there).await? {
            return Err(same_store());
        }
    }
    let apps = all_apps(source).await?;
    if apps.is_empty() {
        return Err(Failure::command(
            "the store of --from has no app: does its URL name the right one?",
        ));
    }
    let of_app =
        |app: &App, trouble: Trouble| Failure::command(format!("app {}: {trouble}", app.ident));
    for app in &apps {
        copy_app(source, target, app, progress)
            .await
            .map_err(|trouble| of_app(app, trouble))?;
    }
    let mut counts = [0; KINDS.len()];
    for app in &apps {
        progress.step(
            format!("app {}: comparing", app.ident),
            0,
            newest_event(source, app).await?,
        );
        let tallies = async {
            tokio::try_join!(
                Tally::of(source, app, |number| progress.at(number)),
                Tally::of(target, app, drop)
            )
        };
        let (there, here) = tallies.await.map_err(|trouble| of_app(app, trouble))?;
        if let Some(difference) = there.difference(&here) {
            let hint = "if a server wrote to one of the stores meanwhile, stop it, and copy again into an empty store";
            return Err(Failure::command(format!(
                "app {}: {difference}: {hint}",
                app.ident
            )));
        }
        for (sum, count) in counts.iter_mut().zip(here.counts()) {
            *sum += count;
        }
    }
    let lines = KINDS
        .iter()
        .zip(counts)
        .map(|(kind, count)| format!("{kind:<20} {count:>12}"));
    let last = "each count and checksum is the same in both stores".to_owned();
    Ok(lines.chain([last]).collect::<Vec<_>>().join("\n"))
}
