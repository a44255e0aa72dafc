//! Opening a MongoDB database: connects, creates indexes and adopts the original's data.

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{
    Acknowledgment, ClientOptions, DatabaseOptions, IndexOptions, ReadPreference,
    SelectionCriteria, ServerAddress,
};
use mongodb::{Client, Collection, Database, IndexModel};

use super::MongoStore;
use super::archive::address_field;
use super::collections::Collections;
use super::error::{DUPLICATE, is_temporary, is_temporary_failure};
use super::events::MANY;
use crate::core::model::{Secret, TargetKind};
use crate::core::ports::Stores;
use crate::outbound::storage::{OpenError, OpenFailure};

// Codes: <https://www.mongodb.com/docs/manual/reference/error-codes/>.
const NOT_PERMITTED: i32 = 13;
const WRONG_CREDENTIALS: i32 = 18;
const INDEX_CONFLICT: [i32; 2] = [85, 86];

/// FerretDB 1 inserts this many documents at once. After an error an ordered insert goes on with the next of them.
const FERRETDB_BATCH: usize = 100;

/// Configuration of a MongoDB store.
#[derive(Debug, Clone)]
pub struct MongoOptions {
    /// `mongodb://USER:PASSWORD@HOST:PORT/…` or `mongodb+srv://…`, with the options of the manual's "Connection Strings". The
    /// default write concern is a journaled majority.
    pub url: Secret,
    /// The name of the database.
    pub database: String,
    /// Limit of each call, including the wait for a connection.
    pub timeout: Duration,
    /// Maximum number of connections unless the URL sets it; 0 counts as 1.
    pub pool: u32,
}

/// Connects to a database, creates missing indexes, and adopts the original's subscriptions. Several nodes may do so at once.
///
/// # Errors
///
/// The URL is malformed or requests unacknowledged writes; the server cannot be reached in time or rejects the user; an
/// index cannot be created.
pub async fn open(options: MongoOptions) -> Result<Stores, OpenError> {
    let url_error = |why: String| {
        let reason = format!("cannot be read: {why}");
        OpenError::new("the MongoDB URL", reason.into())
    };
    let url = options.url.expose();
    let parsed = tokio::time::timeout(options.timeout, ClientOptions::parse(url)).await;
    let parsed = parsed.map_err(|_| url_error("its host was not resolved in time".to_owned()))?;
    let mut client = parsed.map_err(|error| {
        let reason = format!("cannot be read: {}", without_password(&error, url));
        let temporary = is_temporary(&error);
        OpenError::new("the MongoDB URL", OpenFailure { reason, temporary })
    })?;
    apply_defaults(&mut client, &options).map_err(url_error)?;
    let store = connect(client, &options).await?;
    drop(store.start_cleanup());
    Ok(Stores::from_adapter(Arc::new(store)))
}

/// Connects with the options of `client`, and prepares the database.
pub(super) async fn connect(
    mut client: ClientOptions,
    options: &MongoOptions,
) -> Result<MongoStore, OpenError> {
    let servers = client
        .hosts
        .iter()
        .map(ServerAddress::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let name = &options.database;
    let open_error = |failure: OpenFailure| {
        OpenError::new(
            format_args!("the MongoDB database {name} on {servers}"),
            failure,
        )
    };
    let database_of = |client: ClientOptions| {
        let client = Client::with_options(client).map_err(|error| open_error(explain(&error)))?;
        // Reads must see earlier writes, so they go to the primary.
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let primary = DatabaseOptions::builder().selection_criteria(primary);
        Ok(client.database_with_options(name, primary.build()))
    };
    let mut database = database_of(client.clone())?;
    let timed_out = || {
        OpenFailure::temporary(format!(
            "does not answer within {:?}: is it the right address, and does the server run?",
            options.timeout
        ))
    };
    match tokio::time::timeout(options.timeout, database.run_command(doc! { "ping": 1 })).await {
        Err(_) => return Err(open_error(timed_out())),
        Ok(Err(error)) if matches!(*error.kind, ErrorKind::ServerSelection { .. }) => {
            return Err(open_error(OpenFailure::temporary(format!(
                "cannot be reached: is it the right address, and does the server run? ({})",
                error.kind
            ))));
        }
        Ok(answer) => drop(answer.map_err(|error| open_error(explain(&error)))?),
    }
    let is_ferretdb_1 = is_ferretdb_1(&database, options.timeout).await;
    if is_ferretdb_1 {
        tracing::warn!(
            database = name,
            "FerretDB 1 does not update documents atomically: this node uses one connection, and must be the only one"
        );
        client.max_pool_size = Some(1);
        client.min_pool_size = None;
        database = database_of(client)?;
    }
    let collections = Collections::new(database);
    for (collection, indexes) in indexes(&collections) {
        create_indexes(collection, indexes)
            .await
            .map_err(|error| open_error(explain(&error)))?;
    }
    for (kind, _) in TargetKind::NAMES {
        let of_address = [("instance", 1), (address_field(kind), 1), ("id", 1)];
        let of_address = of_address.map(|(key, order)| (key.to_owned(), Bson::from(order)));
        let mut indexes = vec![
            doc! { "instance": 1, "id": 1 },
            doc! { "instance": 1, "event": 1, "id": 1 },
            Document::from_iter(of_address),
        ];
        if kind == TargetKind::WebPush {
            indexes.push(doc! { "instance": 1, "p256dh": 1 });
        }
        let indexes = indexes.into_iter().map(|keys| index(keys, false));
        create_indexes(&collections.targets_of(kind), indexes)
            .await
            .map_err(|error| open_error(explain(&error)))?;
    }
    let store = MongoStore {
        collections,
        appends: Arc::default(),
        backfill_cache: Arc::default(),
        row_watch: Arc::default(),
        timeout: options.timeout,
        insert_limit: if is_ferretdb_1 { FERRETDB_BATCH } else { MANY },
    };
    store.adopt(Document::new()).await.map_err(|error| {
        open_error(OpenFailure {
            reason: format!("cannot be used: {}", error.chain()),
            temporary: is_temporary_failure(&error),
        })
    })?;
    Ok(store)
}

/// Whether the server is FerretDB 1, which reads a document and writes it back in two steps that another connection can come
/// between: two claims of one queue succeed, and counts are lost. It runs the commands of one connection one after another.
async fn is_ferretdb_1(database: &Database, timeout: Duration) -> bool {
    let info = database.run_command(doc! { "buildInfo": 1 });
    let info = tokio::time::timeout(timeout, info.into_future()).await;
    matches!(info, Ok(Ok(info)) if info.contains_key("ferretdbVersion"))
}

/// Creates missing indexes, each by a command of its own: FerretDB 1.24 drops the connection over a command that names several
/// indexes which exist.
async fn create_indexes(
    collection: &Collection<Document>,
    indexes: impl IntoIterator<Item = IndexModel>,
) -> Result<(), Error> {
    for index in indexes {
        collection.create_index(index).await?;
    }
    Ok(())
}

/// Sets the options that the URL does not set.
pub(super) fn apply_defaults(
    client: &mut ClientOptions,
    options: &MongoOptions,
) -> Result<(), String> {
    let mut concern = client.write_concern.take().unwrap_or_default();
    if matches!(concern.w, Some(Acknowledgment::Nodes(0))) {
        return Err("w=0 disables acknowledgements: remove it, or set a higher value".to_owned());
    }
    concern.w.get_or_insert(Acknowledgment::Majority);
    concern.journal.get_or_insert(true);
    client.write_concern = Some(concern);
    client.app_name.get_or_insert_with(|| "pushi".to_owned());
    client.max_pool_size.get_or_insert(options.pool.max(1));
    client.connect_timeout.get_or_insert(options.timeout);
    // Shorter than the time-out of the call, so that the driver can report the cause.
    client
        .server_selection_timeout
        .get_or_insert(options.timeout.mul_f64(0.9));
    Ok(())
}

/// Builds an index with our prefix. Its keys differ from all of the original's indexes, so it cannot conflict with them.
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

/// An index of the documents that have one of the keys.
fn sparse(keys: Document) -> IndexModel {
    let mut index = index(keys, false);
    if let Some(options) = &mut index.options {
        options.sparse = Some(true);
    }
    index
}

/// The indexes of each collection except the targets.
pub(super) fn indexes(collections: &Collections) -> [(&Collection<Document>, Vec<IndexModel>); 15] {
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
                sparse(doc! { "due.app": 1, "due.id": 1 }),
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
                plain(doc! { "target": 1, "due": 1, "held_until": 1 }),
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
                plain(doc! { "instance": 1, "app": 1, "seq": 1 }),
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
                plain(doc! { "app": 1, "target": 1, "id": 1 }),
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
        (&collections.rows, vec![plain(doc! { "app": 1 })]),
        (
            &collections.rejected_rows,
            vec![plain(doc! { "failed": 1 })],
        ),
        (&collections.claims, vec![plain(doc! { "ident": 1 })]),
    ]
}

/// Formats an error about a URL, without the password that it may contain.
fn without_password(error: &Error, url: &str) -> String {
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

fn explain(error: &Error) -> OpenFailure {
    OpenFailure {
        reason: reason(error),
        temporary: is_temporary(error),
    }
}

fn reason(error: &Error) -> String {
    let code = match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    };
    match (code, &*error.kind) {
        (Some(NOT_PERMITTED), _) => {
            "denies this user: give it the role readWrite on the database".to_owned()
        }
        (Some(WRONG_CREDENTIALS), _) | (_, ErrorKind::Authentication { .. }) => {
            "rejects the user: correct the user, the password and authSource".to_owned()
        }
        (Some(code), _) if INDEX_CONFLICT.contains(&code) => {
            format!(
                "has a different index of the same name: drop it ({})",
                error.kind
            )
        }
        (Some(DUPLICATE), _) => format!("has duplicate values in a unique index: {}", error.kind),
        (_, ErrorKind::InvalidTlsConfig { message, .. }) => {
            format!("cannot be reached over TLS ({message}): correct the tls options")
        }
        _ => format!("cannot be used: {}", error.kind),
    }
}
