//! `pushi webhook`: what became of what webhooks were to be told.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::chosen::Chosen;
use super::failure::Failure;
use super::workbench::{settings, work};
use crate::config::Raw;
use crate::core::error::StorageError;
use crate::core::model::{Attempt, Delivery, QueuedAddress, Timestamp};
use crate::core::service::WebhookLog;

/// See what webhooks were told, and tell again what was given up
///
/// It works on the store itself, whether a server runs or not; a running server tells what is replayed within a second. The app is
/// the only one in the store, or the one that --app-id or --app-key says.
#[derive(clap::Args)]
pub struct Webhooks {
    #[command(subcommand)]
    command: WebhookCommand,
}

#[derive(clap::Subcommand)]
enum WebhookCommand {
    List(List),
    Replay(Replay),
}

/// List what waits, and what was delivered or given up, newest first
///
/// What was delivered is listed for a day, what was given up for a week.
#[derive(clap::Args)]
struct List {
    /// How many deliveries
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only deliveries older than this one
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
    #[command(flatten)]
    form: Form,
}

/// Tell again what was given up
#[derive(clap::Args)]
struct Replay {
    /// The delivery's id, as list shows it
    id: u64,
    #[command(flatten)]
    form: Form,
}

/// What both take.
#[derive(clap::Args)]
struct Form {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    raw: Raw,
}

impl Webhooks {
    pub async fn run(self) -> Result<String, Failure> {
        match self.command {
            WebhookCommand::List(List {
                limit,
                before,
                form,
            }) => {
                let (settings, chosen) = (settings(&form.raw)?, Chosen::of(&form.raw));
                let log = work(&settings, async |service| {
                    let app = chosen.app(&service).await?;
                    service
                        .webhook_log(&app.ident, before, limit)
                        .await
                        .map_err(Failure::command)
                });
                let log = log.await?;
                Ok(if form.json {
                    as_json(&log).to_string()
                } else {
                    as_text(&log)
                })
            }
            WebhookCommand::Replay(Replay { id, form }) => {
                let (settings, chosen) = (settings(&form.raw)?, Chosen::of(&form.raw));
                let replayed = work(&settings, async |service| {
                    let app = chosen.app(&service).await?;
                    service
                        .replay_webhook(&app.ident, id)
                        .await
                        .map_err(|error| match error {
                            StorageError::NotFound => Failure::Command(format!(
                                "{id} is no delivery that was given up: see pushi webhook list"
                            )),
                            other => Failure::command(other),
                        })
                });
                let count = replayed.await?;
                Ok(if form.json {
                    json!({"result": "success", "notices": count}).to_string()
                } else {
                    format!("{count} wait again")
                })
            }
        }
    }
}

fn as_json(log: &WebhookLog) -> Value {
    let waiting = |waiting: &QueuedAddress| {
        json!({
            "address": *waiting.address,
            "notices": waiting.notices,
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
            "notices": delivery.notices,
            "attempts": delivery.attempts,
            "outcome": outcome(delivery),
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
        let (due, attempts) = (date(entry.due), entry.attempts);
        format!(
            "-         {due}  {:<9}  {:>7}  {attempts:>8}  {}  {}",
            "waits",
            entry.notices,
            entry.address,
            why(&entry.last)
        )
    };
    let delivery = |entry: &Delivery| {
        let (at, notices, attempts) = (date(entry.at), entry.notices, entry.attempts);
        let why = if entry.given_up {
            why(&entry.last)
        } else {
            String::new()
        };
        format!(
            "{:<8}  {at}  {:<9}  {notices:>7}  {attempts:>8}  {}  {why}",
            entry.id,
            outcome(entry),
            entry.address
        )
    };
    let head = format!(
        "{:<8}  {:<20}  {:<9}  notices  attempts  address",
        "id", "when", ""
    );
    let lines = log
        .waiting
        .iter()
        .map(waiting)
        .chain(log.deliveries.iter().map(delivery));
    let lines = std::iter::once(head)
        .chain(lines)
        .map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn outcome(delivery: &Delivery) -> &'static str {
    if delivery.given_up {
        "given_up"
    } else {
        "delivered"
    }
}

fn why(attempt: &Attempt) -> String {
    attempt
        .problem
        .as_deref()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

fn date(time: Timestamp) -> String {
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
            notices: 2,
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
            notices: 1,
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
    fn the_log_is_a_table() {
        let expected = "\
id        when                             notices  attempts  address
-         2026-11-22T08:44:52Z  waits            1         3  http://b/  answered 503
7         2026-11-22T08:44:52Z  given_up         2        40  https://shop.example/hook  answered 503
6         2026-11-22T08:44:52Z  delivered        2         1  https://shop.example/hook";
        assert_eq!(as_text(&log()), expected);
    }

    #[test]
    fn the_log_is_json_too() {
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
