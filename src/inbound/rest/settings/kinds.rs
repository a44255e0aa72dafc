//! The kinds of settings.

use poem_openapi::registry::MetaSchema;
use serde_json::Value;

use super::Editable;
use crate::core::model::Secret;
use crate::inbound::rest::schema::{plain, whole};

/// The most characters that a key, certificate or address for the push services may have.
const LONGEST: usize = 20_000;

/// A setting that is like no other.
pub(super) trait Special: Sync {
    /// Its schema, as answers show it.
    fn schema(&self) -> MetaSchema;

    /// The schema in request bodies.
    fn change_schema(&self) -> MetaSchema {
        self.schema()
    }

    /// The current value.
    fn get(&self, from: &Editable) -> Value;

    /// Sets the value. The error continues the setting's name.
    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String>;

    /// The default, from `fresh`; `None` if it has none.
    fn reset(&self, to: &mut Editable, fresh: Editable) -> Option<()>;

    /// Whether it has a default.
    fn resets(&self) -> bool {
        true
    }
}

/// Checks a text that is not empty. The error continues the setting's name, and shows no part of the text.
pub(super) type Check = fn(&str) -> Result<(), String>;

/// The type of a setting and its place in the app.
pub(super) enum Kind {
    /// Yes or no.
    Flag(fn(&mut Editable) -> &mut bool),
    /// A number from 0 (none); not set: the server's.
    Limit(fn(&mut Editable) -> &mut Option<u64>),
    /// A text, or none.
    Text(fn(&mut Editable) -> &mut Option<String>, Check),
    /// A text that no log may show, or none.
    Hidden(fn(&mut Editable) -> &mut Option<Secret>, Check),
    /// Like no other.
    Special(&'static dyn Special),
}

impl Kind {
    pub(super) fn get(&self, from: &mut Editable) -> Value {
        match self {
            Self::Flag(field) => (*field(from)).into(),
            Self::Limit(field) => (*field(from)).into(),
            Self::Text(field, _) => field(from).clone().into(),
            Self::Hidden(field, _) => field(from).as_ref().map(Secret::expose).into(),
            Self::Special(special) => special.get(from),
        }
    }

    pub(super) fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        match self {
            Self::Flag(field) => *field(to) = value.as_bool().ok_or(" must be true or false")?,
            Self::Limit(field) => {
                let fits = value
                    .as_u64()
                    .filter(|number| i64::try_from(*number).is_ok());
                *field(to) = Some(fits.ok_or(" must be an integer from 0 (no limit) to 9223372036854775807; reset it for the server's limit")?);
            }
            Self::Text(field, check) => *field(to) = text(value, *check)?.map(String::from),
            Self::Hidden(field, check) => *field(to) = text(value, *check)?.map(Secret::new),
            Self::Special(special) => special.set(to, value)?,
        }
        Ok(())
    }

    pub(super) fn reset(&self, to: &mut Editable) -> Result<(), String> {
        match self {
            Self::Flag(field) => *field(to) = *field(&mut Editable::default()),
            Self::Limit(field) => *field(to) = None,
            Self::Text(field, _) => *field(to) = None,
            Self::Hidden(field, _) => *field(to) = None,
            Self::Special(special) => special
                .reset(to, Editable::default())
                .ok_or(" has no default: set a value")?,
        }
        Ok(())
    }

    pub(super) fn resets(&self) -> bool {
        match self {
            Self::Special(special) => special.resets(),
            _ => true,
        }
    }

    pub(super) fn schema(&self) -> MetaSchema {
        match self {
            Self::Flag(_) => plain("boolean", ""),
            Self::Limit(_) => MetaSchema {
                nullable: true,
                ..whole("", 0.0)
            },
            Self::Text(..) | Self::Hidden(..) => {
                let pattern = Some("^[^\\x00]*$".into());
                MetaSchema {
                    nullable: true,
                    max_length: Some(LONGEST),
                    pattern,
                    ..plain("string", "")
                }
            }
            Self::Special(special) => special.schema(),
        }
    }

    pub(super) fn change_schema(&self) -> MetaSchema {
        match self {
            Self::Special(special) => special.change_schema(),
            _ => self.schema(),
        }
    }
}

/// An empty text is none.
fn text(value: &Value, check: Check) -> Result<Option<&str>, String> {
    let text = value
        .as_str()
        .filter(|text| !text.contains('\0') && text.chars().count() <= LONGEST)
        .ok_or_else(|| format!(" must be a string of at most {LONGEST} characters without NUL"))?;
    if text.is_empty() {
        return Ok(None);
    }
    check(text).map(|()| Some(text))
}
