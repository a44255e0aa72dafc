//! One message through several adapters.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{BoxFuture, FutureExt, join_all};
use serde_json::{Map, Value};

use super::body::DirectBody;
use super::outcome::{Outcome, unknown};
use super::{apn, email, web, web_push};
use crate::core::model::App;
use crate::core::service::{DirectMessage, Service};
use crate::inbound::rest::problem::Problem;

/// The most adapters of a request; there are fewer, but names may be repeated.
const MAX_NAMES: usize = 20;

/// A way to send messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Adapter {
    Apn,
    Email,
    Webhook,
    WebPush,
}

/// The adapters with their names in answers and their other names.
const ADAPTERS: [(Adapter, &str, &str); 4] = [
    (Adapter::Apn, "apn", "apn"),
    (Adapter::Email, "email", "smtp"),
    (Adapter::Webhook, "webhook", "web"),
    (Adapter::WebPush, "web_push", "webpush"),
];

impl Adapter {
    /// From a name, in lower case.
    fn parse(name: &str) -> Option<(Self, &'static str)> {
        ADAPTERS
            .iter()
            .find(|(_, known, alias)| [*known, *alias].contains(&name))
            .map(|(adapter, known, _)| (*adapter, *known))
    }

    /// Reads the adapter's part of a body; `None`: it has no targets.
    fn read<'s>(
        self,
        body: &DirectBody<'_>,
        service: &'s Service,
        app: &'s App,
    ) -> Result<Option<BoxFuture<'s, Outcome>>, Problem> {
        Ok(match self {
            Self::Apn => apn::read_of_several(body, service, app)?
                .map(|request| request.outcome(service, app).boxed()),
            Self::Email => email::read_of_several(body, service, app)?
                .map(|request| request.outcome(service, app).boxed()),
            Self::Webhook => {
                web::read_of_several(body)?.map(|request| request.outcome(service, app).boxed())
            }
            Self::WebPush => web_push::read_of_several(body)?
                .map(|request| request.outcome(service, app).boxed()),
        })
    }

    /// Reads what is queued of the adapter's part of a body.
    fn queued(
        self,
        body: &DirectBody<'_>,
        service: &Service,
        app: &App,
    ) -> Result<Vec<DirectMessage>, Problem> {
        Ok(match self {
            Self::Apn => match apn::read_of_several(body, service, app)? {
                Some(request) => request.queued()?,
                None => Vec::new(),
            },
            Self::Email => match email::read_of_several(body, service, app)? {
                Some(request) => request.queued()?,
                None => Vec::new(),
            },
            Self::Webhook => {
                web::read_of_several(body)?.map_or_else(Vec::new, |request| request.queued())
            }
            Self::WebPush => {
                web_push::read_of_several(body)?.map_or_else(Vec::new, |request| request.queued())
            }
        })
    }
}

/// Reads the names of the adapters of a body, in lower case.
fn names(body: &DirectBody<'_>) -> Result<Vec<String>, Problem> {
    let names = body.targets("adapters")?;
    if names.is_empty() {
        return Err(Problem::bad_request("No adapters specified"));
    }
    if names.len() > MAX_NAMES {
        return Err(Problem::bad_request(format!(
            "adapters has {} entries: there are fewer than {MAX_NAMES} adapters",
            names.len()
        )));
    }
    Ok(names.iter().map(|name| name.to_lowercase()).collect())
}

/// What is queued of a message through several adapters.
pub(super) fn queued(
    service: &Service,
    app: &App,
    body: &DirectBody<'_>,
) -> Result<Vec<DirectMessage>, Problem> {
    let mut named = BTreeSet::new();
    for name in names(body)? {
        let (adapter, _) = Adapter::parse(&name)
            .ok_or_else(|| Problem::bad_request(format!("Unknown adapter: {name}")))?;
        named.insert(adapter);
    }
    let mut messages = Vec::new();
    for (adapter, ..) in ADAPTERS {
        let queued = adapter.queued(body, service, app)?;
        if named.contains(&adapter) {
            messages.extend(queued);
        }
    }
    if messages.is_empty() {
        return Err(Problem::bad_request(
            "there is nothing to queue: no adapter has targets",
        ));
    }
    Ok(messages)
}

/// Sends a message; the results by the adapters' names, in the order of the request. Nothing is sent where a part is not valid.
pub(super) async fn send(
    service: &Service,
    app: &App,
    body: &DirectBody<'_>,
) -> Result<Map<String, Value>, Problem> {
    let names = names(body)?;
    // Also those that are not named: a request with a part that is not valid is refused whatever it names.
    let mut requests = BTreeMap::new();
    for (adapter, ..) in ADAPTERS {
        requests.insert(adapter, adapter.read(body, service, app)?);
    }
    let mut attempts = Vec::new();
    for name in names {
        let Some((adapter, known)) = Adapter::parse(&name) else {
            let outcome = unknown(&name);
            attempts.push(async move { (name, outcome) }.boxed());
            continue;
        };
        if let Some(attempt) = requests.remove(&adapter).flatten() {
            attempts.push(attempt.map(|outcome| (known.to_owned(), outcome)).boxed());
        }
    }
    let results = join_all(attempts).await;
    let member = |(name, outcome)| (name, Value::Object(outcome));
    Ok(results.into_iter().map(member).collect())
}
