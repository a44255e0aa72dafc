//! Tests of query plans. The commands that the adapter sends to the servers of `PUSHI_TEST_MONGO_URL` and
//! `PUSHI_TEST_OTHER_MONGO_URL` are recorded; see `tests/contract`.
//!
//! Each command must be served by one of our indexes, which is checked without the server. Then the server explains the
//! command, and must not scan a collection. The stand-ins for MongoDB cannot do that: one has no `explain`, and the other
//! explains the database beneath it. MongoDB itself must explain every command.

mod indexes;
mod queries;

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::ErrorKind;
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use parking_lot::Mutex;

use self::indexes::{is_served, queries as queries_of};
use super::open::{apply_defaults, connect, indexes};
use super::{MongoOptions, MongoStore};
use crate::core::model::Secret;

/// `CommandNotFound`; codes: <https://www.mongodb.com/docs/manual/reference/error-codes/>.
const NO_SUCH_COMMAND: i32 = 59;

/// A store whose commands are recorded.
struct RecordingStore {
    store: MongoStore,
    commands: Arc<Mutex<Vec<Document>>>,
    database: Database,
}

impl RecordingStore {
    /// Opens a new database; `None` without a server.
    async fn new(variable: &str) -> Option<Self> {
        let Ok(url) = std::env::var(variable) else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{variable} names no server"
            );
            return None;
        };
        let name = format!("pushi_plans_{}", std::process::id());
        let database = Client::with_uri_str(&url).await.unwrap().database(&name);
        database.drop().await.unwrap();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&commands);
        let options = MongoOptions {
            url: Secret::new(&*url),
            database: name,
            timeout: Duration::from_secs(60),
            pool: 4,
        };
        let mut client = ClientOptions::parse(&url).await.unwrap();
        apply_defaults(&mut client, &options).unwrap();
        client.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                record.lock().push(started.command);
            }
        }));
        let store = connect(client, &options).await.unwrap();
        Some(Self {
            store,
            commands,
            database,
        })
    }

    /// Explains a command; `None` if the server is not MongoDB and cannot explain it.
    async fn plan(&self, command: &Document) -> Option<Document> {
        let answer = self
            .database
            .run_command(doc! { "explain": command, "verbosity": "queryPlanner" })
            .await;
        let plan = match answer {
            Err(error) => {
                let refused = matches!(&*error.kind, ErrorKind::Command(refusal) if refusal.code == NO_SUCH_COMMAND);
                assert!(refused, "{command}\n{error}");
                None
            }
            Ok(answer) => winning_plan(&answer),
        };
        if plan.is_none() {
            assert!(!self.is_mongod().await, "MongoDB did not explain {command}");
        }
        plan
    }

    /// Only MongoDB reports its allocator.
    async fn is_mongod(&self) -> bool {
        self.database
            .run_command(doc! { "buildInfo": 1 })
            .await
            .unwrap()
            .contains_key("allocator")
    }
}

/// The winning plan as MongoDB writes it, a tree of stages; `None` if the answer is not of that form.
fn winning_plan(answer: &Document) -> Option<Document> {
    // In an aggregation the first stage contains it.
    let first = answer
        .get_array("stages")
        .ok()
        .and_then(|stages| stages.first()?.as_document()?.get_document("$cursor").ok());
    let plan = first
        .unwrap_or(answer)
        .get_document("queryPlanner")
        .ok()?
        .get_document("winningPlan")
        .ok()?;
    let by_stages = stages(&Bson::Document(plan.clone()))
        .into_iter()
        .any(|stage| stage != "EOF");
    by_stages.then(|| plan.clone())
}

/// The names of all stages of a plan.
fn stages(plan: &Bson) -> Vec<String> {
    match plan {
        Bson::Document(members) => {
            let own = members.get_str("stage").ok().map(str::to_owned);
            own.into_iter()
                .chain(members.values().flat_map(stages))
                .collect()
        }
        Bson::Array(values) => values.iter().flat_map(stages).collect(),
        _ => Vec::new(),
    }
}

async fn check_every_query(variable: &str) {
    let Some(recorded) = RecordingStore::new(variable).await else {
        return;
    };
    let app = queries::fill(&recorded.store).await;
    recorded.commands.lock().clear();
    queries::run(&recorded.store, &app).await;
    let commands = std::mem::take(&mut *recorded.commands.lock());
    let (mut checked, mut explained) = (0, 0);
    for command in commands.iter().flat_map(queries_of) {
        checked += 1;
        let found = indexes(&recorded.store.collections)
            .into_iter()
            .find(|(collection, _)| collection.name() == command.collection);
        let keys: Vec<Document> = found
            .map(|(_, models)| models.into_iter().map(|model| model.keys).collect())
            .unwrap_or_default();
        assert!(is_served(&command, &keys), "{command:#?}\n{keys:#?}");
        if let Some(plan) = recorded.plan(&command.statement).await {
            explained += 1;
            assert!(
                !stages(&Bson::Document(plan.clone())).contains(&"COLLSCAN".to_owned()),
                "{command:#?}\n{plan:#?}"
            );
        }
    }
    recorded.database.drop().await.unwrap();
    assert!(checked >= 40, "only {checked} queries were recorded");
    assert!(
        explained == 0 || explained == checked,
        "{explained} of {checked} were explained"
    );
    if explained == 0 {
        eprintln!(
            "the server of {variable} does not explain queries as MongoDB does: its plans were not checked"
        );
    }
}

#[tokio::test]
async fn every_query_uses_an_index() {
    check_every_query("PUSHI_TEST_MONGO_URL").await;
}

#[tokio::test]
async fn every_query_uses_an_index_on_the_other_server() {
    check_every_query("PUSHI_TEST_OTHER_MONGO_URL").await;
}

/// The formats of MongoDB 4.4 to 8.0.
#[test]
fn a_collection_scan_is_detected() {
    let scan =
        doc! { "stage": "SORT", "inputStage": { "stage": "COLLSCAN", "direction": "forward" } };
    let fetch = doc! { "stage": "FETCH", "inputStage": { "stage": "IXSCAN", "indexName": "pushi_instance_id" } };
    let answer = |plan: &Document| doc! { "queryPlanner": { "winningPlan": plan } };
    let has_scan = |answer: &Document| {
        stages(&Bson::Document(winning_plan(answer).unwrap())).contains(&"COLLSCAN".to_owned())
    };
    assert!(has_scan(&answer(&scan)) && !has_scan(&answer(&fetch)));
    assert!(has_scan(&answer(
        &doc! { "isCached": false, "queryPlan": &scan, "slotBasedPlan": {} }
    )));
    assert!(has_scan(&answer(
        &doc! { "stage": "OR", "inputStages": [&fetch, &scan] }
    )));
    assert!(has_scan(
        &doc! { "stages": [{ "$cursor": answer(&scan) }, { "$group": {} }] }
    ));
    assert_eq!(
        winning_plan(&doc! { "queryPlanner": { "winningPlan": [{ "detail": "SCAN x" }] } }),
        None
    );
    assert_eq!(winning_plan(&answer(&doc! { "stage": "EOF" })), None);
}
