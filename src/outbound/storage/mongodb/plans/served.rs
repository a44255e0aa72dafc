//! Which index can serve a question: one that begins with what the question fixes, and goes on with what it sorts by.

use mongodb::bson::{Bson, Document};

/// What a command looks for.
#[derive(Debug)]
pub(super) struct Find {
    /// Where.
    pub collection: String,
    /// What fits.
    pub filter: Document,
    /// In which order.
    pub sort: Document,
    /// The command with nothing but that.
    pub statement: Document,
}

/// What a recorded command looks for: nothing, one thing, or several.
pub(super) fn finds(command: &Document) -> Vec<Find> {
    let Some((name, Bson::String(collection))) = command.iter().next() else {
        return Vec::new();
    };
    let find = |filter: Document, statement: Document| {
        let sort = command.get_document("sort").cloned().unwrap_or_default();
        Find {
            collection: collection.clone(),
            filter,
            sort,
            statement,
        }
    };
    let part = |member: &str| command.get_document(member).cloned().unwrap_or_default();
    // Of a change of many, MongoDB explains one at a time.
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
        "find" => vec![find(part("filter"), bare(command))],
        "findAndModify" | "findandmodify" | "count" | "distinct" => {
            vec![find(part("query"), bare(command))]
        }
        "aggregate" => {
            let first = command
                .get_array("pipeline")
                .ok()
                .and_then(|steps| steps.first()?.as_document()?.get_document("$match").ok());
            vec![find(first.cloned().unwrap_or_default(), bare(command))]
        }
        "update" => each("updates").map(one).collect(),
        "delete" => each("deletes").map(one).collect(),
        _ => Vec::new(),
    }
}

/// Without what belongs to the session, or to writing.
fn bare(command: &Document) -> Document {
    const LEFT_OUT: [&str; 7] = [
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
        .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// These sort what one user has, which was found through an index.
const SORTED: [(&str, &str); 1] = [("subscription", "id")];

pub(super) fn is_served(find: &Find, indexes: &[Document]) -> bool {
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
    let of_a_user = |key: &str| {
        find.filter.contains_key("user_id") && SORTED.contains(&(&find.collection, key))
    };
    indexes.iter().any(|index| {
        let keys: Vec<&str> = index.keys().map(String::as_str).collect();
        let begun = keys.iter().take_while(|key| fixed(key)).count();
        let next = keys.get(begun).copied();
        let sorted =
            keys[begun..].starts_with(&sort) || sort.iter().all(|key| of_a_user(key)) && begun > 1;
        let bounded = begun > 0
            || next.is_some_and(|key| find.filter.contains_key(key) || find.sort.contains_key(key));
        sorted && bounded
    })
}

/// Whether a condition names the values, rather than a range of them.
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
        finds(&command).iter().all(|find| is_served(find, &indexes))
    }

    #[test]
    fn an_index_serves_what_begins_like_it() {
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
    fn an_order_that_no_index_has_is_not_served() {
        assert!(served(doc! { "instance": "a" }, doc! { "id": -1 }));
        assert!(!served(doc! { "instance": "a" }, doc! { "serial": -1 }));
        assert!(!served(
            doc! { "instance": "a", "channel": { "$gt": "b" } },
            doc! { "serial": -1 }
        ));
    }
}
