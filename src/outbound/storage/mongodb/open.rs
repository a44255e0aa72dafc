//! Opening a MongoDB database: reaching it, making its indexes, taking over what the original stored.

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{
    Acknowledgment, ClientOptions, DatabaseOptions, IndexOptions, ReadPreference,
    SelectionCriteria, ServerAddress,
};
use mongodb::{Client, Collection, IndexModel};

use super::MongoStore;
use super::collections::Collections;
use super::fault::DUPLICATE;
use crate::core::model::Secret;
use crate::core::ports::Stores;
use crate::outbound::storage::OpenError;

// Codes: <https://www.mongodb.com/docs/manual/reference/error-codes/>.
const NOT_PERMITTED: i32 = 13;
const WRONG_CREDENTIALS: i32 = 18;
const SAME_INDEX_OTHERWISE: [i32; 2] = [85, 86];

/// Which MongoDB database, and how to use it.
#[derive(Debug, Clone)]
pub struct MongoOptions {
    /// `mongodb://USER:PASSWORD@HOST:PORT/…` or `mongodb+srv://…`, with options as the manual's "Connection Strings"
    /// lists them. Writes wait for a majority and its journal unless it says otherwise.
    pub url: Secret,
    /// The database.
    pub database: String,
    /// How long a call may take, waiting for a connection included.
    pub timeout: Duration,
    /// Connections at most, unless the URL says otherwise; at least one.
    pub pool: u32,
}

/// Reaches a database, makes the indexes that are missing, and gives what the original stored its serials and beginnings.
/// Several nodes may do it at once.
///
/// # Errors
///
/// The URL cannot be read, or asks for writes that nobody acknowledges; the server cannot be reached in time or refuses
/// the user; an index cannot be made.
pub async fn open(options: MongoOptions) -> Result<Stores, OpenError> {
    let unread =
        |why: String| OpenError::new(format_args!("the MongoDB URL cannot be read: {why}"));
    let url = options.url.expose();
    let parsed = tokio::time::timeout(options.timeout, ClientOptions::parse(url)).await;
    let parsed = parsed.map_err(|_| unread("its host is not found in time".to_owned()))?;
    let mut client = parsed.map_err(|error| unread(shown(&error, url)))?;
    complete(&mut client, &options).map_err(unread)?;
    let store = connect(client, &options).await?;
    drop(store.sweep());
    Ok(Stores::from_adapter(Arc::new(store)))
}

/// Reaches the database by way of `client`, and makes it what it should be.
pub(super) async fn connect(
    client: ClientOptions,
    options: &MongoOptions,
) -> Result<MongoStore, OpenError> {
    let servers = client
        .hosts
        .iter()
        .map(ServerAddress::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let name = &options.database;
    let refused = |why: String| {
        OpenError::new(format_args!(
            "the MongoDB database {name} on {servers} {why}"
        ))
    };
    let client = Client::with_options(client).map_err(|error| refused(why(&error)))?;
    // What was just written must be read, so nothing is read from secondaries.
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    let database = client.database_with_options(
        name,
        DatabaseOptions::builder()
            .selection_criteria(primary)
            .build(),
    );
    let late = || {
        format!(
            "does not answer within {:?}: is it the right address, and does the server run?",
            options.timeout
        )
    };
    match tokio::time::timeout(options.timeout, database.run_command(doc! { "ping": 1 })).await {
        Err(_) => return Err(refused(late())),
        Ok(Err(error)) if matches!(*error.kind, ErrorKind::ServerSelection { .. }) => {
            return Err(refused(format!(
                "cannot be reached: is it the right address, and does the server run? ({})",
                error.kind
            )));
        }
        Ok(answer) => drop(answer.map_err(|error| refused(why(&error)))?),
    }
    let collections = Collections::of(database);
    for (collection, indexes) in indexes(&collections) {
        collection
            .create_indexes(indexes)
            .await
            .map_err(|error| refused(why(&error)))?;
    }
    for targets in collections.targets() {
        targets
            .create_index(index(doc! { "instance": 1, "id": 1 }, false))
            .await
            .map_err(|error| refused(why(&error)))?;
    }
    let store = MongoStore {
        collections,
        appends: Arc::default(),
        numbered: Arc::default(),
        timeout: options.timeout,
    };
    store
        .adopt(Document::new())
        .await
        .map_err(|error| refused(format!("cannot be used: {}", error.chain())))?;
    Ok(store)
}

/// Fills in what the URL left open.
pub(super) fn complete(client: &mut ClientOptions, options: &MongoOptions) -> Result<(), String> {
    let mut concern = client.write_concern.take().unwrap_or_default();
    if matches!(concern.w, Some(Acknowledgment::Nodes(0))) {
        return Err("with w=0 nothing is acknowledged: leave w out, or ask for more".to_owned());
    }
    concern.w.get_or_insert(Acknowledgment::Majority);
    concern.journal.get_or_insert(true);
    client.write_concern = Some(concern);
    client.app_name.get_or_insert_with(|| "pushi".to_owned());
    client.max_pool_size.get_or_insert(options.pool.max(1));
    client.connect_timeout.get_or_insert(options.timeout);
    // A little earlier than the whole call ends, so that the driver can still say why.
    client
        .server_selection_timeout
        .get_or_insert(options.timeout.mul_f64(0.9));
    Ok(())
}

/// An index whose name says that it is ours. None is on the same keys as one that the original makes, so none can collide with it.
fn index(keys: Document, unique: bool) -> IndexModel {
    let name = format!(
        "pushi_{}",
        keys.keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("_")
    );
    IndexModel::builder()
        .keys(keys)
        .options(
            IndexOptions::builder()
                .name(name)
                .unique(unique.then_some(true))
                .build(),
        )
        .build()
}

/// The indexes of each collection; targets have one of their own.
pub(super) fn indexes(collections: &Collections) -> [(&Collection<Document>, Vec<IndexModel>); 13] {
    let plain = |keys: Document| index(keys, false);
    [
        (
            &collections.apps,
            vec![
                plain(doc! { "ident": 1, "id": 1 }),
                plain(doc! { "key": 1, "id": 1 }),
                plain(doc! { "id": 1, "ident": 1 }),
            ],
        ),
        (
            &collections.events,
            vec![
                plain(doc! { "instance": 1, "channel": 1, "serial": 1 }),
                plain(doc! { "instance": 1, "id": 1 }),
                index(doc! { "mid": 1, "instance": 1 }, true),
                plain(doc! { "timestamp": 1, "id": 1 }),
            ],
        ),
        (
            &collections.subscriptions,
            vec![
                plain(doc! { "instance": 1, "id": 1 }),
                plain(doc! { "instance": 1, "user_id": 1, "event": 1, "id": 1 }),
                plain(doc! { "instance": 1, "event": 1, "id": 1 }),
                plain(doc! { "start": 1, "id": 1 }),
            ],
        ),
        (
            &collections.associations,
            vec![
                plain(doc! { "instance": 1, "user_id": 1, "event_id": 1 }),
                plain(doc! { "mid": 1, "id": 1 }),
            ],
        ),
        (
            &collections.heads,
            vec![plain(doc! { "instance": 1, "app": 1 })],
        ),
        (
            &collections.intervals,
            vec![plain(doc! { "instance": 1, "user_id": 1, "app": 1 })],
        ),
        (
            &collections.cache,
            vec![
                plain(doc! { "instance": 1, "app": 1 }),
                plain(doc! { "expires": 1 }),
            ],
        ),
        (
            &collections.queues,
            vec![
                plain(doc! { "instance": 1, "address": 1 }),
                plain(doc! { "due": 1, "held_until": 1 }),
                plain(doc! { "holder": 1 }),
            ],
        ),
        (
            &collections.notices,
            vec![
                plain(doc! { "queue": 1, "id": 1 }),
                plain(doc! { "queue": 1, "seq": 1 }),
                plain(doc! { "delivery": 1, "id": 1 }),
                plain(doc! { "instance": 1, "app": 1 }),
            ],
        ),
        (
            &collections.marks,
            vec![
                plain(doc! { "app": 1, "channel": 1, "user_id": 1 }),
                plain(doc! { "instance": 1, "app": 1 }),
            ],
        ),
        (
            &collections.deliveries,
            vec![
                plain(doc! { "app": 1, "id": 1 }),
                plain(doc! { "id": 1 }),
                plain(doc! { "given_up": 1, "time": 1 }),
                plain(doc! { "instance": 1, "app": 1 }),
            ],
        ),
        (
            &collections.sessions,
            vec![
                plain(doc! { "instance": 1, "app": 1 }),
                plain(doc! { "expires": 1 }),
            ],
        ),
        (&collections.claims, vec![plain(doc! { "ident": 1 })]),
    ]
}

/// Why a URL cannot be read, without the password that may be in it.
fn shown(error: &Error, url: &str) -> String {
    let text = error.kind.to_string();
    let user = url
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'))
        .map_or("", |(user, _)| user);
    let password = user.split_once(':').map_or("", |(_, password)| password);
    if !password.is_empty() && text.contains(password) {
        "it is malformed".to_owned()
    } else {
        text
    }
}

fn why(error: &Error) -> String {
    let code = match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    };
    match (code, &*error.kind) {
        (Some(NOT_PERMITTED), _) => {
            "does not let this user do what is needed: give it the role readWrite on the database"
                .to_owned()
        }
        (Some(WRONG_CREDENTIALS), _) | (_, ErrorKind::Authentication { .. }) => {
            "does not let this user in: correct the user and the password (and authSource)"
                .to_owned()
        }
        (Some(code), _) if SAME_INDEX_OTHERWISE.contains(&code) => {
            format!(
                "has an index of the same name that differs from what is needed: drop it ({})",
                error.kind
            )
        }
        (Some(DUPLICATE), _) => format!("has several documents where one may be: {}", error.kind),
        (_, ErrorKind::InvalidTlsConfig { message, .. }) => {
            format!("cannot be reached over TLS ({message}): correct the tls options")
        }
        _ => format!("cannot be used: {}", error.kind),
    }
}
