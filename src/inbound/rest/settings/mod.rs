//! An app's settings: one row a member, for reading, writing and the document.

mod address;
mod credentials;
mod kinds;
mod reset;
mod special;
mod table;
mod token_keys;
mod webhook;

pub(in crate::inbound::rest) use address::{WEB_ADDRESS, is_web_address};
pub(super) use reset::{RESET, schema as reset_schema};
pub(super) use table::SETTINGS;
pub(super) use webhook::WebhookShape;

use poem_openapi::registry::MetaSchema;
use serde_json::Value;

use super::body::BodyMembers;
use super::problem::Problem;
use crate::core::model::{App, AppSettings, PushCredentials, Secret};
use kinds::Kind;

/// The settings of an app.
#[derive(Debug, Clone, Default)]
pub(super) struct Editable {
    /// Display name; empty until set.
    pub name: String,
    /// Description for people.
    pub description: Option<String>,
    /// Can only be dropped.
    pub previous_secret: Option<Secret>,
    /// For the push services.
    pub push: PushCredentials,
    /// The settings of the protocol page.
    pub settings: AppSettings,
}

impl Editable {
    /// The current settings of an app.
    pub(super) fn of(app: &App) -> Self {
        Self {
            name: app.name.clone(),
            description: app.description.clone(),
            previous_secret: app.previous_secret.clone(),
            push: app.push.clone(),
            settings: app.settings.clone(),
        }
    }

    /// Applies the settings to the app.
    pub(super) fn give_to(self, app: &mut App) {
        app.name = self.name;
        app.description = self.description;
        app.previous_secret = self.previous_secret;
        app.push = self.push;
        app.settings = self.settings;
    }
}

/// One member of an app that can be set.
pub(super) struct Setting {
    /// Its name in bodies and answers.
    pub name: &'static str,
    /// For the document.
    pub about: &'static str,
    /// The type and the place of the value.
    kind: Kind,
    /// Sessions may not change it.
    pub administrator: bool,
}

impl Setting {
    /// The row of a member.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// The value in answers.
    pub(super) fn get(&self, from: &mut Editable) -> Value {
        self.kind.get(from)
    }

    /// Whether its value must not be shown where others can see it.
    pub(super) fn is_hidden(&self) -> bool {
        matches!(self.kind, Kind::Hidden(..))
    }

    /// Whether it has a default.
    pub(super) fn resets(&self) -> bool {
        self.kind.resets()
    }

    /// Refuses callers that may not change it.
    fn check_permission(&self, administrator: bool) -> Result<(), Problem> {
        if self.administrator && !administrator {
            return Err(Problem::forbidden(format!(
                "{} can be set only by the administrator, not by a session",
                self.name
            )));
        }
        Ok(())
    }

    /// Prefixes an error of the kind with the name.
    fn named(&self, changed: Result<(), String>) -> Result<(), Problem> {
        changed.map_err(|must| Problem::bad_request(format!("{}{must}", self.name)))
    }

    /// The value that a form or a query gives as text: objects are JSON, and so may lists be, or items with commas between them.
    pub(super) fn value_of_text(&self, text: &str) -> Value {
        match (self.kind.change_schema().ty, text) {
            ("string", text) => text.into(),
            ("boolean", "1" | "true" | "on") => true.into(),
            ("boolean", "0" | "false" | "off") => false.into(),
            (_, "") => Value::Null,
            ("array", text) if !text.starts_with('[') && text != "null" => {
                text.split(',').map(str::trim).collect()
            }
            (_, text) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        }
    }

    /// Its schema, as answers show it.
    pub(super) fn schema(&self) -> MetaSchema {
        MetaSchema {
            description: Some(self.about),
            ..self.kind.schema()
        }
    }

    /// The schema in request bodies: null stands for an omitted member. The schema omits the default itself, or generated clients
    /// would send it with every change.
    pub(super) fn change_schema(&self) -> MetaSchema {
        let mut schema = MetaSchema {
            description: Some(self.about),
            nullable: true,
            ..self.kind.change_schema()
        };
        // A list of values must name null, too (OpenAPI 3.0.3, proposal 2019-10-31 on nullable).
        if !schema.enum_items.is_empty() && !schema.enum_items.contains(&Value::Null) {
            schema.enum_items.push(Value::Null);
        }
        schema
    }
}

/// Applies every member of a body that is a setting, in order; null counts as omitted. `administrator`: the caller has the
/// administrator's token.
pub(super) fn apply(
    members: &BodyMembers,
    to: &mut Editable,
    administrator: bool,
) -> Result<(), Problem> {
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let Some(setting) = Setting::find(name) else {
            continue;
        };
        setting.check_permission(administrator)?;
        setting.named(setting.kind.set(to, value))?;
    }
    Ok(())
}

/// Applies a change: the settings that are set, and those that [`RESET`] names.
pub(super) fn change(
    members: &BodyMembers,
    to: &mut Editable,
    administrator: bool,
) -> Result<(), Problem> {
    let resets = reset::read(members)?;
    apply(members, to, administrator)?;
    for setting in resets {
        setting.check_permission(administrator)?;
        setting.named(setting.kind.reset(to))?;
    }
    Ok(())
}
