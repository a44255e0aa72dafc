//! The result of an adapter.

use serde_json::{Map, Value, json};

use crate::core::ports::SendFailure;

/// The members of an adapter's result.
pub(super) type Outcome = Map<String, Value>;

/// The result of attempts. `list` names the targets that accepted the message.
pub(super) fn attempted(
    list: &str,
    targets: &[String],
    results: &[Result<(), SendFailure>],
) -> Outcome {
    let (mut accepted, mut failed) = (Vec::new(), Vec::new());
    for (target, result) in targets.iter().zip(results) {
        match result {
            Ok(()) => accepted.push(Value::from(target.as_str())),
            Err(failure) => failed.push(json!({"target": target, "error": failure.reason()})),
        }
    }
    outcome(list, accepted, failed)
}

/// The result where nothing could be attempted.
pub(super) fn not_attempted(list: &str, targets: &[String], error: &str) -> Outcome {
    let failed = targets
        .iter()
        .map(|target| json!({"target": target, "error": error}));
    outcome(list, Vec::new(), failed.collect())
}

/// The result of an adapter that does not exist.
pub(super) fn unknown(adapter: &str) -> Outcome {
    let mut outcome = Outcome::new();
    outcome.insert("success".into(), false.into());
    outcome.insert("error".into(), format!("Unknown adapter: {adapter}").into());
    outcome
}

fn outcome(list: &str, accepted: Vec<Value>, failed: Vec<Value>) -> Outcome {
    let mut outcome = Outcome::new();
    outcome.insert("success".into(), failed.is_empty().into());
    outcome.insert(list.into(), accepted.into());
    if let Some(first) = failed.first() {
        // The original's clients read the reason there.
        outcome.insert("error".into(), first["error"].clone());
        outcome.insert("failed".into(), failed.into());
    }
    outcome
}
