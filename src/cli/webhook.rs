//! `pushi webhook`: lists the webhook queue and delivery log, and replays failed deliveries.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::app_selector::AppSelector;
use super::context::{load_settings, with_service};
use super::error::CliError;
use super::output::OutputArgs;
use crate::core::error::StorageError;
use crate::core::model::{Attempt, Delivery, QueuedAddress, Timestamp};
use crate::core::service::WebhookLog;

/// List webhook deliveries and replay failed ones
///
/// Works directly on the store, whether or not a server is running; a running server sends replayed
/// events within a second. Works on the only app in the store, or on the one selected with --app-id
/// or --app-key.
#[derive(clap::Args)]
pub(super) struct WebhookArgs {
    #[command(subcommand)]
    command: WebhookCommand,
}

#[derive(clap::Subcommand)]
enum WebhookCommand {
    List(ListArgs),
    Replay(ReplayArgs),
}

/// List queued, delivered and failed webhooks, newest first
///
/// Successful deliveries are kept for a day, failed ones for a week.
#[derive(clap::Args)]
struct ListArgs {
    /// Maximum number of deliveries
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// List only deliveries older than this one
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Queue the events of a failed delivery again
#[derive(clap::Args)]
struct ReplayArgs {
    /// Id of the delivery, as shown by pushi webhook list
    id: u64,
    #[command(flatten)]
    output: OutputArgs,
}

impl WebhookArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        match self.command {
            WebhookCommand::List(list) => list.run().await,
            WebhookCommand::Replay(replay) => replay.run().await,
        }
    }
}

impl ListArgs {
    async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.output.raw)?;
        let selector = AppSelector::of(&self.output.raw);
        let log = with_service(&settings, async |service| {
            let app = selector.find(&service).await?;
            service
                .webhook_log(&app.ident, self.before, self.limit)
                .await
                .map_err(CliError::command)
        });
        let log = log.await?;
        Ok(self.output.format(&as_json(&log), |_| as_text(&log)))
    }
}

impl ReplayArgs {
    async fn run(self) -> Result<String, CliError> {
        let Self { id, output } = self;
        let settings = load_settings(&output.raw)?;
        let selector = AppSelector::of(&output.raw);
        let replay = with_service(&settings, async |service| {
            let app = selector.find(&service).await?;
            service
                .replay_webhook(&app.ident, id)
                .await
                .map_err(|error| match error {
                    StorageError::NotFound => CliError::Command(format!(
                        "there is no failed delivery {id}: see pushi webhook list"
                    )),
                    other => CliError::command(other),
                })
        });
        let count = replay.await?;
        let result = json!({"result": "success", "notices": count});
        Ok(output.format(&result, |_| format!("{count} events queued")))
    }
}

fn as_json(log: &WebhookLog) -> Value {
    let waiting = |waiting: &QueuedAddress| {
        json!({
            "address": *waiting.address,
            "notices": waiting.events,
            "attempts": waiting.attempts,
            "due": waiting.due.seconds(),
            "status": waiting.last.status,
            "problem": waiting.last.problem,
        })
    };
    let delivery = |delivery: &Delivery| {
        json!({
            "id": delivery.id,
            "address": *delivery.address,
            "time": delivery.at.seconds(),
            "notices": delivery.events,
            "attempts": delivery.attempts,
            "outcome": delivery.outcome(),
            "status": delivery.last.status,
            "problem": delivery.last.problem,
        })
    };
    json!({
        "waiting": log.waiting.iter().map(waiting).collect::<Vec<_>>(),
        "deliveries": log.deliveries.iter().map(delivery).collect::<Vec<_>>(),
    })
}

fn as_text(log: &WebhookLog) -> String {
    let waiting = |entry: &QueuedAddress| {
        let (due, attempts) = (format_time(entry.due), entry.attempts);
        format!(
            "-         {due}  {:<9}  {:>7}  {attempts:>8}  {}  {}",
            "queued",
            entry.events,
            entry.address,
            problem(&entry.last)
        )
    };
    let delivery = |entry: &Delivery| {
        let (at, events, attempts) = (format_time(entry.at), entry.events, entry.attempts);
        let problem = if entry.given_up {
            problem(&entry.last)
        } else {
            String::new()
        };
        format!(
            "{:<8}  {at}  {:<9}  {events:>7}  {attempts:>8}  {}  {problem}",
            entry.id,
            entry.outcome(),
            entry.address
        )
    };
    let header = format!(
        "{:<8}  {:<20}  {:<9}  {:>7}  {:>8}  {}",
        "id", "time", "status", "events", "attempts", "address"
    );
    let lines = log
        .waiting
        .iter()
        .map(waiting)
        .chain(log.deliveries.iter().map(delivery));
    let lines = std::iter::once(header)
        .chain(lines)
        .map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// The reason of a failed attempt, without control characters.
fn problem(attempt: &Attempt) -> String {
    attempt
        .problem
        .as_deref()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

fn format_time(time: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let date = OffsetDateTime::from_unix_timestamp(time.micros().div_euclid(1_000_000)).ok();
    date.and_then(|date| date.format(format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> WebhookLog {
        let (at, address) = (
            Timestamp::from_micros(1_795_337_092_270_000),
            "https://shop.example/hook".into(),
        );
        let problem = Attempt {
            status: Some(503),
            problem: Some("answered\u{1b} 503".into()),
        };
        let failed = Delivery {
            id: 7,
            address,
            at,
            events: 2,
            attempts: 40,
            last: problem.clone(),
            given_up: true,
        };
        let last = Attempt {
            status: Some(200),
            problem: None,
        };
        let done = Delivery {
            id: 6,
            attempts: 1,
            given_up: false,
            last,
            ..failed.clone()
        };
        let waiting = QueuedAddress {
            address: "http://b/".into(),
            events: 1,
            attempts: 3,
            due: at,
            last: problem,
        };
        WebhookLog {
            waiting: vec![waiting],
            deliveries: vec![failed, done],
        }
    }

    #[test]
    fn the_log_is_printed_as_a_table() {
        let expected = "\
id        time                  status      events  attempts  address
-         2026-11-22T08:44:52Z  queued           1         3  http://b/  answered 503
7         2026-11-22T08:44:52Z  given_up         2        40  https://shop.example/hook  answered 503
6         2026-11-22T08:44:52Z  delivered        2         1  https://shop.example/hook";
        assert_eq!(as_text(&log()), expected);
    }

    #[test]
    fn the_log_is_printed_as_json() {
        let shown = as_json(&log());
        assert_eq!(shown["deliveries"][0]["outcome"], "given_up");
        assert_eq!(
            (
                &shown["deliveries"][1]["status"],
                &shown["deliveries"][1]["problem"]
            ),
            (&json!(200), &Value::Null)
        );
        assert_eq!(
            (
                &shown["waiting"][0]["address"],
                &shown["waiting"][0]["attempts"]
            ),
            (&json!("http://b/"), &json!(3))
        );
    }
}
