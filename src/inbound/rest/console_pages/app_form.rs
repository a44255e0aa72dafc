//! The form of an app's settings, from the table that the API and its document are made from.

use maud::{Markup, html};
use poem_openapi::registry::MetaSchema;
use serde_json::Value;

use crate::inbound::rest::settings::{Editable, SETTINGS, Setting};

/// The groups of the form: their title, and the beginnings of the names in them. What is in none is under the first.
const GROUPS: [(&str, &[&str]); 5] = [
    ("General", &[]),
    (
        "Clients",
        &[
            "client_",
            "signed_",
            "subscription_",
            "require_",
            "signin_",
            "tls_",
            "allowed_",
            "over_",
            "replay",
        ],
    ),
    ("Web hooks", &["webhooks"]),
    ("Notifications", &["apn_", "vapid_", "smtp_"]),
    ("Limits", &["max_"]),
];

/// Settings that the page changes by buttons of their own.
const ELSEWHERE: [&str; 1] = ["previous_secret"];

/// How a setting is entered.
enum Input {
    Flag,
    Number,
    Choice(Vec<Value>),
    Line,
    /// Not shown once it is set.
    Hidden,
    /// One item a line.
    Lines,
    Json,
}

impl Input {
    fn of(setting: &Setting, schema: &MetaSchema) -> Self {
        let choices: Vec<_> = schema
            .enum_items
            .iter()
            .filter(|item| !item.is_null())
            .cloned()
            .collect();
        match schema.ty {
            _ if setting.is_hidden() => Self::Hidden,
            _ if !choices.is_empty() => Self::Choice(choices),
            "boolean" => Self::Flag,
            "integer" | "number" => Self::Number,
            "string" => Self::Line,
            "array" if setting.name == "allowed_origins" => Self::Lines,
            _ => Self::Json,
        }
    }

    /// The name by which the page's script reads and writes the value.
    fn kind(&self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Number => "number",
            Self::Choice(_) => "choice",
            Self::Line => "line",
            Self::Hidden => "hidden",
            Self::Lines => "lines",
            Self::Json => "json",
        }
    }
}

/// The whole form.
pub(super) fn settings_form() -> Markup {
    let mut fresh = Editable::default();
    html! {
        form id="settings" {
            @for (index, (title, _)) in GROUPS.iter().enumerate() {
                details open[index == 0] {
                    summary { h3 { (title) } }
                    @for setting in SETTINGS.iter().filter(|setting| group(setting.name) == index && !ELSEWHERE.contains(&setting.name)) {
                        (field(setting, &setting.get(&mut fresh)))
                    }
                }
            }
            div class="actions sticky" {
                span id="changes" class="quiet" role="status" {}
                button type="button" id="revert" class="plain" { "Discard changes" }
                button id="save" { "Save settings" }
            }
        }
    }
}

fn group(name: &str) -> usize {
    let fits =
        |(_, beginnings): &(&str, &[&str])| beginnings.iter().any(|begin| name.starts_with(begin));
    GROUPS.iter().position(fits).unwrap_or(0)
}

fn field(setting: &Setting, default: &Value) -> Markup {
    let schema = setting.change_schema();
    let input = Input::of(setting, &schema);
    let (id, about) = (
        format!("set-{}", setting.name),
        format!("about-{}", setting.name),
    );
    let default_text = default.to_string();
    html! {
        div class="setting" data-setting=(setting.name) data-kind=(input.kind()) data-default=(default_text)
            data-administrator=[setting.administrator.then_some("yes")] {
            div class="setting-name" {
                label for=(id) { code { (setting.name) } }
                span class="badge" data-changed hidden { "changed" }
            }
            @match &input {
                Input::Flag => input type="checkbox" id=(id) aria-describedby=(about);,
                Input::Number => input type="number" id=(id) aria-describedby=(about) min="0" step="1" placeholder=(shown_default(default));,
                Input::Choice(choices) => select id=(id) aria-describedby=(about) {
                    @for choice in choices { option value=(choice) { (text_of(choice)) } }
                },
                Input::Line => input id=(id) aria-describedby=(about) autocomplete="off" maxlength=[schema.max_length];,
                Input::Hidden => textarea id=(id) aria-describedby=(about) rows="1" autocomplete="off" spellcheck="false" {},
                Input::Lines => textarea id=(id) aria-describedby=(about) rows="2" spellcheck="false" placeholder="one a line" {},
                Input::Json => textarea id=(id) class="code" aria-describedby=(about) rows="3" spellcheck="false" {},
            }
            div class="quiet about" id=(about) { (prose(setting.about)) }
            @if setting.resets() {
                button type="button" class="plain small" data-reset aria-label={ "Reset to default: " (setting.name) } { "Reset to default" }
            }
        }
    }
}

/// A limit without a value is the server's.
fn shown_default(default: &Value) -> String {
    match default {
        Value::Null => "the server's limit".into(),
        value => text_of(value),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A description of the document: Markdown, of which it uses only code.
fn prose(about: &str) -> Markup {
    html! {
        @for (index, part) in about.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_field_with_its_description() {
        let form = settings_form().into_string();
        for setting in &SETTINGS {
            let is_there = form.contains(&format!("data-setting=\"{}\"", setting.name));
            assert_eq!(
                is_there,
                !ELSEWHERE.contains(&setting.name),
                "{}",
                setting.name
            );
        }
        assert_eq!(form.matches("data-kind=\"hidden\"").count(), 4);
        assert!(form.contains("data-default=\"4004\""));
        assert!(form.contains("<code>max_connections</code>"));
    }
}
