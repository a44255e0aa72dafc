//! The settings of apps, as the console shows their form.

use poem_openapi::types::{Any, ToJSON};
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::security::Caller;
use crate::inbound::rest::settings::{Editable, SETTINGS, Setting};
use crate::inbound::rest::tags::Section;

/// A setting of apps.
#[derive(Debug, Object)]
#[oai(rename = "SettingDescription")]
pub(in crate::inbound::rest) struct DescribedSetting {
    /// The name of the member in an app.
    pub name: String,
    /// What it does, with its default; Markdown.
    pub description: String,
    /// The type of the value in JSON Schema.
    pub value_type: String,
    /// Whether `reset` returns it to its default.
    pub has_default: bool,
    /// The value of an app in which nothing is set.
    pub default: Any<Value>,
    /// Whether only the administrator may change it.
    pub administrator: bool,
    /// The accepted values, where there are few.
    pub values: Vec<Any<Value>>,
}

/// The settings of apps.
#[derive(Debug, Object)]
#[oai(rename = "SettingDescriptions")]
pub(in crate::inbound::rest) struct DescribedSettings {
    /// The settings, in the order of an app's members.
    pub settings: Vec<DescribedSetting>,
}

impl DescribedSetting {
    fn of(setting: &Setting, fresh: &mut Editable) -> Self {
        let schema = setting.change_schema();
        let values = schema.enum_items.into_iter().filter(|one| !one.is_null());
        Self {
            name: setting.name.into(),
            description: setting.about.into(),
            value_type: schema.ty.into(),
            has_default: setting.resets(),
            default: Any(setting.get(fresh)),
            administrator: setting.administrator,
            values: values.map(Any).collect(),
        }
    }
}

/// The route of the settings' descriptions.
pub(in crate::inbound::rest) struct SettingsRoutes;

#[OpenApi(tag = "Section::Console")]
impl SettingsRoutes {
    /// Describe the settings of apps
    ///
    /// Returns every setting with its description, its type and its default.
    #[oai(path = "/settings", method = "get", operation_id = "describeSettings")]
    async fn describe(&self, _caller: Caller) -> Result<JsonAnswer<DescribedSettings>, Problem> {
        let mut fresh = Editable::default();
        let settings = SETTINGS
            .iter()
            .map(|setting| DescribedSetting::of(setting, &mut fresh));
        let described = DescribedSettings {
            settings: settings.collect(),
        };
        Ok(JsonAnswer::text(described.to_json_string()))
    }
}
