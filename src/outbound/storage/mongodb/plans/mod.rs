//! Checks how MongoDB finds what each question of a client asks for. Nothing is listed here: what the adapter sends is
//! recorded on its way to the server of `PUSHI_TEST_MONGO_URL`, and of `PUSHI_TEST_OTHER_MONGO_URL`; see `tests/contract`.
//!
//! Each command must have an index of ours that serves it, which needs no server to know. Then the server explains it,
//! and must not look through a whole collection. What only stands in for MongoDB cannot tell: one has no `explain`, and
//! the other one's tells of another database underneath. Of MongoDB itself neither is taken for an answer.

mod asked;
mod served;

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::ErrorKind;
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use parking_lot::Mutex;

use self::served::{finds, is_served};
use super::open::{complete, connect, indexes};
use super::{MongoOptions, MongoStore};
use crate::core::model::Secret;

/// `CommandNotFound`; codes: <https://www.mongodb.com/docs/manual/reference/error-codes/>.
const NO_SUCH_COMMAND: i32 = 59;

/// A store whose commands are recorded.
struct Recorded {
    store: MongoStore,
    commands: Arc<Mutex<Vec<Document>>>,
    database: Database,
}

impl Recorded {
    /// On a new database; `None` without a server.
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
        complete(&mut client, &options).unwrap();
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

    /// How the server means to find what a command asks for; `None`: it is not MongoDB, and cannot tell.
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

    /// Others do not say with which allocator they were built.
    async fn is_mongod(&self) -> bool {
        self.database
            .run_command(doc! { "buildInfo": 1 })
            .await
            .unwrap()
            .contains_key("allocator")
    }
}

/// In the form that MongoDB gives it: a tree of stages. A server that has nothing of that form is no MongoDB.
fn winning_plan(answer: &Document) -> Option<Document> {
    // An aggregation says it of its first step.
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

/// All stages of a plan.
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

async fn every_question_is_answered_by_an_index(variable: &str) {
    let Some(recorded) = Recorded::new(variable).await else {
        return;
    };
    let app = asked::fill(&recorded.store).await;
    recorded.commands.lock().clear();
    asked::ask(&recorded.store, &app).await;
    let commands = std::mem::take(&mut *recorded.commands.lock());
    let (mut questions, mut explained) = (0, 0);
    for command in commands.iter().flat_map(finds) {
        questions += 1;
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
    assert!(questions >= 40, "{questions}: not all was recorded");
    assert!(
        explained == 0 || explained == questions,
        "{explained} of {questions} were explained"
    );
    if explained == 0 {
        eprintln!(
            "the server of {variable} does not explain as MongoDB does: its plans were not looked at"
        );
    }
}

#[tokio::test]
async fn every_question_has_its_index() {
    every_question_is_answered_by_an_index("PUSHI_TEST_MONGO_URL").await;
}

#[tokio::test]
async fn every_question_has_its_index_on_the_other_server() {
    every_question_is_answered_by_an_index("PUSHI_TEST_OTHER_MONGO_URL").await;
}

/// As MongoDB 4.4 to 8.0 write plans.
#[test]
fn a_collection_scan_is_told() {
    let scan =
        doc! { "stage": "SORT", "inputStage": { "stage": "COLLSCAN", "direction": "forward" } };
    let fetch = doc! { "stage": "FETCH", "inputStage": { "stage": "IXSCAN", "indexName": "pushi_instance_id" } };
    let answer = |plan: &Document| doc! { "queryPlanner": { "winningPlan": plan } };
    let told = |answer: &Document| {
        stages(&Bson::Document(winning_plan(answer).unwrap())).contains(&"COLLSCAN".to_owned())
    };
    assert!(told(&answer(&scan)) && !told(&answer(&fetch)));
    assert!(told(&answer(
        &doc! { "isCached": false, "queryPlan": &scan, "slotBasedPlan": {} }
    )));
    assert!(told(&answer(
        &doc! { "stage": "OR", "inputStages": [&fetch, &scan] }
    )));
    assert!(told(
        &doc! { "stages": [{ "$cursor": answer(&scan) }, { "$group": {} }] }
    ));
    assert_eq!(
        winning_plan(&doc! { "queryPlanner": { "winningPlan": [{ "detail": "SCAN x" }] } }),
        None
    );
    assert_eq!(winning_plan(&answer(&doc! { "stage": "EOF" })), None);
}
