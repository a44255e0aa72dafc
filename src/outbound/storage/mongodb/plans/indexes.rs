//! The check whether an index serves a query: it must begin with the fields that the filter fixes, followed by the fields of
//! the sort order.

use mongodb::bson::{Bson, Document};

/// A query of a recorded command.
#[derive(Debug)]
pub(super) struct RecordedQuery {
    pub collection: String,
    pub filter: Document,
    pub sort: Document,
    /// The command, for `explain`.
    pub statement: Document,
}

/// The queries of a recorded command: none, one or several.
pub(super) fn queries(command: &Document) -> Vec<RecordedQuery> {
    let Some((name, Bson::String(collection))) = command.iter().next() else {
        return Vec::new();
    };
    let find = |filter: Document, statement: Document| {
        let sort = command.get_document("sort").cloned().unwrap_or_default();
        RecordedQuery {
            collection: collection.clone(),
            filter,
            sort,
            statement,
        }
    };
    let part = |member: &str| command.get_document(member).cloned().unwrap_or_default();
    // MongoDB explains one update of a command at a time.
    let each = |member: &'static str| {
        let changes = command
            .get_array(member)
            .into_iter()
            .flatten()
            .filter_map(Bson::as_document)
            .cloned();
        changes.map(move |change| {
            (
                change.get_document("q").cloned().unwrap_or_default(),
                (member, change),
            )
        })
    };
    let one = |(filter, (member, change)): (Document, (&str, Document))| {
        let mut statement = Document::new();
        statement.insert(name, collection);
        statement.insert(member, vec![change]);
        find(filter, statement)
    };
    match name.as_str() {
        "find" => vec![find(part("filter"), without_session(command))],
        "findAndModify" | "findandmodify" | "count" | "distinct" => {
            vec![find(part("query"), without_session(command))]
        }
        "aggregate" => {
            let first = command
                .get_array("pipeline")
                .ok()
                .and_then(|steps| steps.first()?.as_document()?.get_document("$match").ok());
            vec![find(
                first.cloned().unwrap_or_default(),
                without_session(command),
            )]
        }
        "update" => each("updates").map(one).collect(),
        "delete" => each("deletes").map(one).collect(),
        _ => Vec::new(),
    }
}

/// Removes the fields of the session and of the write concern, which `explain` rejects.
fn without_session(command: &Document) -> Document {
    const SESSION_FIELDS: [&str; 7] = [
        "$db",
        "lsid",
        "$clusterTime",
        "$readPreference",
        "txnNumber",
        "writeConcern",
        "readConcern",
    ];
    command
        .iter()
        .filter(|(name, _)| !SESSION_FIELDS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Sorts of the documents of one user, which were found through an index.
const USER_SORTS: [(&str, &str); 1] = [("subscription", "id")];

pub(super) fn is_served(find: &RecordedQuery, indexes: &[Document]) -> bool {
    if find.filter.get("_id").is_some_and(is_fixed) {
        return true;
    }
    let fixed = |key: &str| find.filter.get(key).is_some_and(is_fixed);
    let sort: Vec<&str> = find
        .sort
        .keys()
        .map(String::as_str)
        .filter(|key| !fixed(key))
        .collect();
    let sorts_one_user = |key: &str| {
        find.filter.contains_key("user_id") && USER_SORTS.contains(&(&find.collection, key))
    };
    indexes.iter().any(|index| {
        let keys: Vec<&str> = index.keys().map(String::as_str).collect();
        let prefix = keys.iter().take_while(|key| fixed(key)).count();
        let next = keys.get(prefix).copied();
        let sorted = keys[prefix..].starts_with(&sort)
            || sort.iter().all(|key| sorts_one_user(key)) && prefix > 1;
        let bounded = prefix > 0
            || next.is_some_and(|key| find.filter.contains_key(key) || find.sort.contains_key(key));
        sorted && bounded
    })
}

/// Whether a condition names values, not a range.
fn is_fixed(condition: &Bson) -> bool {
    match condition {
        Bson::Document(operators) => match operators.keys().next() {
            Some(operator) if operator.starts_with('$') => operators
                .keys()
                .any(|operator| ["$in", "$eq"].contains(&operator.as_str())),
            _ => true,
        },
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    fn served(filter: Document, sort: Document) -> bool {
        let indexes = [
            doc! { "instance": 1, "channel": 1, "serial": 1 },
            doc! { "instance": 1, "id": 1 },
        ];
        let command = doc! { "find": "pushievent", "filter": filter, "sort": sort };
        queries(&command)
            .iter()
            .all(|find| is_served(find, &indexes))
    }

    #[test]
    fn an_index_serves_queries_on_its_prefix() {
        assert!(served(
            doc! { "instance": "a", "channel": "b", "serial": { "$gt": 1 } },
            doc! { "serial": -1 }
        ));
        assert!(served(
            doc! { "instance": "a", "channel": { "$in": ["b", "c"] } },
            doc! {}
        ));
        assert!(served(doc! { "_id": "a" }, doc! { "time": 1 }));
        assert!(!served(doc! { "_id": { "$gt": "a" } }, doc! {}));
        assert!(!served(doc! { "channel": "b", "serial": 1 }, doc! {}));
        assert!(!served(doc! {}, doc! {}));
    }

    #[test]
    fn an_order_without_an_index_is_not_served() {
        assert!(served(doc! { "instance": "a" }, doc! { "id": -1 }));
        assert!(!served(doc! { "instance": "a" }, doc! { "serial": -1 }));
        assert!(!served(
            doc! { "instance": "a", "channel": { "$gt": "b" } },
            doc! { "serial": -1 }
        ));
    }
}
