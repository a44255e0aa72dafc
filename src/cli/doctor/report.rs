//! What the checks found.

use serde_json::{Value, json};

/// The results, in the order of the checks.
#[derive(Default)]
pub(super) struct Report(Vec<Check>);

struct Check {
    name: &'static str,
    state: State,
    message: String,
    /// What to do.
    fix: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl State {
    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Report {
    fn add(&mut self, name: &'static str, state: State, message: String, fix: Option<String>) {
        self.0.push(Check {
            name,
            state,
            message,
            fix,
        });
    }

    pub(super) fn pass(&mut self, name: &'static str, message: String) {
        self.add(name, State::Ok, message, None);
    }

    pub(super) fn skip(&mut self, name: &'static str, message: &str) {
        self.add(name, State::Skipped, message.to_owned(), None);
    }

    pub(super) fn warn(&mut self, name: &'static str, message: String, fix: impl Into<String>) {
        self.add(name, State::Warning, message, Some(fix.into()));
    }

    pub(super) fn fail(&mut self, name: &'static str, message: String, fix: impl Into<String>) {
        self.add(name, State::Failed, message, Some(fix.into()));
    }

    pub(super) fn has_failed(&self) -> bool {
        self.0.iter().any(|check| check.state == State::Failed)
    }

    pub(super) fn json(&self) -> Value {
        let checks = self.0.iter().map(|check| {
            json!({
                "check": check.name,
                "state": check.state.label(),
                "message": check.message,
                "fix": check.fix,
            })
        });
        json!({
            "result": if self.has_failed() { "failed" } else { "success" },
            "checks": checks.collect::<Vec<_>>(),
        })
    }

    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.0 {
            lines.push(format!(
                "{:8} {:10} {}",
                check.state.label(),
                check.name,
                check.message
            ));
            lines.extend(check.fix.iter().map(|fix| format!("{:20}fix: {fix}", "")));
        }
        lines.join("\n")
    }
}
