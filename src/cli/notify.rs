//! `pushi notify`: lists notifications, replays them and sends tests.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::app_selector::{find_app, list_apps};
use super::context::{load_settings, with_service};
use super::error::CliError;
use super::output::OutputArgs;
use crate::core::error::StorageError;
use crate::core::model::{
    App, LoggedNotification, NotificationFilter, NotificationState, Secret, TargetKind, Timestamp,
};
use crate::core::service::{NOTIFICATION_KINDS, NotificationTest, Service};

/// List notifications of targets, replay them and send tests
///
/// Works directly on the store, whether or not a server is running; a running server sends replayed
/// notifications within a second.
#[derive(clap::Args)]
pub(super) struct NotifyArgs {
    #[command(subcommand)]
    command: NotifyCommand,
}

#[derive(clap::Subcommand)]
enum NotifyCommand {
    List(ListArgs),
    Replay(ReplayArgs),
    Test(TestArgs),
}

/// List notifications: those that wait, newest first, then the others, newest first
///
/// Those that were delivered are kept for a day, failed ones for a week.
#[derive(clap::Args)]
struct ListArgs {
    /// List only notifications of this app
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// List only notifications of targets of this kind
    #[arg(long, value_parser = parse_kind)]
    kind: Option<TargetKind>,
    /// List only notifications in this state: waiting, failed or done
    #[arg(long, value_parser = parse_state)]
    state: Option<NotificationState>,
    /// Maximum number of notifications of an app
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    #[command(flatten)]
    output: OutputArgs,
}

/// Try notifications again that wait or have failed
#[derive(clap::Args)]
struct ReplayArgs {
    /// Ids of notifications, as shown by pushi notify list
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Send a test message to a target
#[derive(clap::Args)]
struct TestArgs {
    /// Id of the app
    #[arg(long, value_name = "ID")]
    app: String,
    /// Kind of the target
    #[arg(long, value_parser = parse_kind)]
    kind: TargetKind,
    /// Address of the target
    #[arg(long)]
    target: String,
    #[command(flatten)]
    output: OutputArgs,
}

impl NotifyArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        match self.command {
            NotifyCommand::List(list) => list.run().await,
            NotifyCommand::Replay(replay) => replay.run().await,
            NotifyCommand::Test(test) => test.run().await,
        }
    }
}

impl ListArgs {
    async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.output.raw)?;
        let filter = NotificationFilter {
            kind: self.kind,
            state: self.state,
        };
        let listed = with_service(&settings, async |service| {
            let mut listed = Vec::new();
            for app in apps(&service, self.app.as_deref()).await? {
                let found = service.notifications(&app.ident, filter, self.limit).await;
                let found = found.map_err(CliError::command)?;
                listed.extend(found.iter().map(|one| as_json(&app, one)));
            }
            Ok(Value::Array(listed))
        });
        Ok(self.output.format(&listed.await?, as_text))
    }
}

impl ReplayArgs {
    async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.output.raw)?;
        let ids = &self.ids;
        let replayed = with_service(&settings, async |service| {
            let apps = apps(&service, None).await?;
            for id in ids {
                replay(&service, &apps, id).await?;
            }
            Ok(ids.len())
        });
        let count = replayed.await?;
        let result = json!({"result": "success", "notifications": count});
        Ok(self
            .output
            .format(&result, |_| format!("{count} notifications queued")))
    }
}

impl TestArgs {
    async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.output.raw)?;
        let test = NotificationTest {
            kind: self.kind,
            address: Secret::new(self.target),
        };
        let ident = &self.app;
        let sent = with_service(&settings, async |service| {
            let app = find_app(&service, ident).await?;
            let sent = service.test_notification(&app, &test).await;
            sent.map_err(|error| {
                CliError::Command(format!("the target did not accept the message: {error}"))
            })
        });
        sent.await?;
        let result = json!({"result": "success"});
        Ok(self
            .output
            .format(&result, |_| "the target accepted the message".to_owned()))
    }
}

/// The app with this id, or all apps.
async fn apps(service: &Service, ident: Option<&str>) -> Result<Vec<Arc<App>>, CliError> {
    match ident {
        Some(ident) => Ok(vec![find_app(service, ident).await?]),
        None => Ok(list_apps(service)
            .await?
            .into_iter()
            .map(Arc::new)
            .collect()),
    }
}

async fn replay(service: &Service, apps: &[Arc<App>], id: &str) -> Result<(), CliError> {
    let unknown = || {
        CliError::Command(format!(
            "there is no notification {id} that waits or has failed: see pushi notify list"
        ))
    };
    let (state, number) = LoggedNotification::parse_shown_id(id).ok_or_else(unknown)?;
    for app in apps {
        match service.replay_notification(&app.ident, number, state).await {
            Ok(()) => return Ok(()),
            Err(StorageError::NotFound) => {}
            Err(error) => return Err(CliError::command(error)),
        }
    }
    Err(unknown())
}

fn parse_kind(text: &str) -> Result<TargetKind, String> {
    let kind = TargetKind::from_label(text).filter(|kind| NOTIFICATION_KINDS.contains(kind));
    let labels: Vec<&str> = NOTIFICATION_KINDS.iter().map(|kind| kind.label()).collect();
    kind.ok_or_else(|| format!("must be one of {}", labels.join(", ")))
}

fn parse_state(text: &str) -> Result<NotificationState, String> {
    NotificationState::from_name(text).ok_or_else(|| "must be waiting, failed or done".to_owned())
}

fn as_json(app: &App, one: &LoggedNotification) -> Value {
    let failed = one.last.problem.as_ref();
    json!({
        "id": one.shown_id(),
        "app": app.ident.as_str(),
        "kind": one.kind.label(),
        "channel": one.channel,
        "event": one.event,
        "target": one.shown_target(),
        "state": one.state.name(),
        "attempts": one.attempts,
        "error": failed,
        "next_attempt": one.next_attempt.map(Timestamp::seconds),
        "created": one.created.seconds(),
    })
}

fn as_text(listed: &Value) -> String {
    let text = |one: &Value, member: &str| match &one[member] {
        Value::Null => String::new(),
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        other => other.to_string(),
    };
    let header = format!(
        "{:<8}  {:<20}  {:<8}  {:<8}  {:>8}  {}",
        "id", "created", "state", "kind", "attempts", "app, channel, target, error"
    );
    let line = |one: &Value| {
        let created = format_time(one["created"].as_f64().unwrap_or(0.0));
        let (id, state, kind) = (text(one, "id"), text(one, "state"), text(one, "kind"));
        let rest = ["app", "channel", "target", "error"].map(|member| text(one, member));
        let line = format!(
            "{id:<8}  {created:<20}  {state:<8}  {kind:<8}  {:>8}  {}",
            text(one, "attempts"),
            rest.join("  ")
        );
        line.trim_end().to_owned()
    };
    let lines = listed.as_array().into_iter().flatten().map(line);
    std::iter::once(header)
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

fn format_time(seconds: f64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let date = OffsetDateTime::from_unix_timestamp(seconds as i64).ok();
    date.and_then(|date| date.format(format).ok())
        .unwrap_or_default()
}
