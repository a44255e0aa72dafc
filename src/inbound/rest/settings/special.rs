//! The settings that are like no other.

use std::collections::BTreeMap;
use std::time::Duration;

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::Type;
use serde_json::{Map, Number, Value, json};

use super::Editable;
use super::address::ORIGIN;
use super::kinds::Special;
use super::webhook::{self, WebhookShape, is_prefix};
use crate::core::model::{OverCapacity, origin};
use crate::inbound::rest::schema::{inline, number, plain, whole};

/// The most entries of a list.
const MOST: usize = 100;

/// The longest time for signing in, in seconds.
const LONGEST_SIGNIN: f64 = 86_400.0;

pub(super) struct Name;

impl Special for Name {
    fn schema(&self) -> MetaSchema {
        // One character at least that is neither a space nor a control character.
        let pattern = "^[^\\x00-\\x1f\\x7f]*[^\\s\\x00-\\x1f\\x7f][^\\x00-\\x1f\\x7f]*$";
        MetaSchema {
            min_length: Some(1),
            max_length: Some(200),
            pattern: Some(pattern.into()),
            ..plain("string", "")
        }
    }

    fn get(&self, from: &Editable) -> Value {
        from.name.as_str().into()
    }

    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        let fits = |name: &&str| {
            !name.trim().is_empty()
                && name.chars().count() <= 200
                && !name.chars().any(char::is_control)
        };
        to.name = value
            .as_str()
            .filter(fits)
            .ok_or(" must be a string of 1 to 200 printable characters, not all spaces")?
            .into();
        Ok(())
    }

    fn reset(&self, _: &mut Editable, _: Editable) -> Option<()> {
        None
    }

    fn resets(&self) -> bool {
        false
    }
}

pub(super) struct PreviousSecret;

impl Special for PreviousSecret {
    fn schema(&self) -> MetaSchema {
        MetaSchema {
            nullable: true,
            ..plain("string", "")
        }
    }

    fn change_schema(&self) -> MetaSchema {
        // An empty string. An enum of it alone would make generated clients send it with every change.
        MetaSchema {
            max_length: Some(0),
            ..self.schema()
        }
    }

    fn get(&self, from: &Editable) -> Value {
        from.previous_secret
            .as_ref()
            .map(|secret| secret.expose())
            .into()
    }

    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        if value != "" {
            return Err(
                " can only be set to \"\" or reset, which revokes it; a rotation sets it".into(),
            );
        }
        to.previous_secret = None;
        Ok(())
    }

    fn reset(&self, to: &mut Editable, _: Editable) -> Option<()> {
        to.previous_secret = None;
        Some(())
    }
}

pub(super) struct SigninTimeout;

impl Special for SigninTimeout {
    fn schema(&self) -> MetaSchema {
        MetaSchema {
            minimum: Some(1.0),
            maximum: Some(LONGEST_SIGNIN),
            ..number("")
        }
    }

    fn get(&self, from: &Editable) -> Value {
        let timeout = from.settings.signin_timeout;
        if timeout.subsec_nanos() == 0 {
            return timeout.as_secs().into();
        }
        Number::from_f64(timeout.as_secs_f64()).into()
    }

    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        let seconds = value
            .as_f64()
            .filter(|seconds| (1.0..=LONGEST_SIGNIN).contains(seconds));
        let seconds = seconds
            .ok_or_else(|| format!(" must be a number of seconds from 1 to {LONGEST_SIGNIN}"))?;
        // Stores keep whole milliseconds.
        to.settings.signin_timeout = Duration::from_millis((seconds * 1000.0).round() as u64);
        Ok(())
    }

    fn reset(&self, to: &mut Editable, fresh: Editable) -> Option<()> {
        to.settings.signin_timeout = fresh.settings.signin_timeout;
        Some(())
    }
}

pub(super) struct AllowedOrigins;

impl Special for AllowedOrigins {
    fn schema(&self) -> MetaSchema {
        let item = MetaSchema {
            pattern: Some(ORIGIN.into()),
            example: Some("https://shop.example".into()),
            ..plain(
                "string",
                "An origin (scheme, host and port); `https://*.shop.example` or `*.shop.example` for all subdomains; `null`; `file://`; `*` for any.",
            )
        };
        MetaSchema {
            items: Some(Box::new(inline(item))),
            max_items: Some(MOST),
            ..plain("array", "")
        }
    }

    fn get(&self, from: &Editable) -> Value {
        from.settings.allowed_origins.clone().into()
    }

    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        let must = " must be a list of at most 100 origins such as https://shop.example (no path), https://*.shop.example, *.shop.example, null, file:// or *";
        let list = value
            .as_array()
            .filter(|list| list.len() <= MOST)
            .ok_or(must)?;
        let mut origins: Vec<String> = Vec::with_capacity(list.len());
        for item in list {
            let origin = item.as_str().and_then(origin::normalize).ok_or(must)?;
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        to.settings.allowed_origins = origins;
        Ok(())
    }

    fn reset(&self, to: &mut Editable, fresh: Editable) -> Option<()> {
        to.settings.allowed_origins = fresh.settings.allowed_origins;
        Some(())
    }
}

pub(super) struct OverCapacityCode;

impl Special for OverCapacityCode {
    fn schema(&self) -> MetaSchema {
        // Not an enum: generators make no usable type of an enum of numbers.
        MetaSchema {
            format: Some("int32"),
            ..plain("integer", "")
        }
    }

    fn get(&self, from: &Editable) -> Value {
        from.settings.over_capacity.code().into()
    }

    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        to.settings.over_capacity = value
            .as_u64()
            .and_then(OverCapacity::from_code)
            .ok_or(" must be 4004 or 4100")?;
        Ok(())
    }

    fn reset(&self, to: &mut Editable, fresh: Editable) -> Option<()> {
        to.settings.over_capacity = fresh.settings.over_capacity;
        Some(())
    }
}

pub(super) struct ReplaySetting;

impl Special for ReplaySetting {
    fn schema(&self) -> MetaSchema {
        let count = MetaSchema {
            maximum: Some(f64::from(u32::MAX)),
            ..whole("Number of events.", 1.0)
        };
        MetaSchema {
            additional_properties: Some(Box::new(inline(count))),
            max_properties: Some(MOST),
            example: Some(json!({"room-": 50})),
            ..plain("object", "")
        }
    }

    fn get(&self, from: &Editable) -> Value {
        let entries = from
            .settings
            .replay
            .iter()
            .map(|(prefix, count)| (prefix.clone(), Value::from(*count)));
        entries.collect::<Map<_, _>>().into()
    }

    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        let must = || {
            format!(
                " must be an object of at most {MOST} channel prefixes, each with a number of events from 1"
            )
        };
        let members = value
            .as_object()
            .filter(|members| members.len() <= MOST)
            .ok_or_else(must)?;
        let mut replay = BTreeMap::new();
        for (prefix, count) in members {
            let count = count
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
                .filter(|count| *count > 0)
                .ok_or_else(must)?;
            // JSON Schema of this version cannot constrain member names. An unused prefix has no effect.
            if is_prefix(prefix) {
                replay.insert(prefix.clone(), count);
            }
        }
        to.settings.replay = replay;
        Ok(())
    }

    fn reset(&self, to: &mut Editable, fresh: Editable) -> Option<()> {
        to.settings.replay = fresh.settings.replay;
        Some(())
    }
}

pub(super) struct WebhooksSetting;

impl Special for WebhooksSetting {
    fn schema(&self) -> MetaSchema {
        MetaSchema {
            items: Some(Box::new(WebhookShape::schema_ref())),
            max_items: Some(MOST),
            ..plain("array", "")
        }
    }

    fn get(&self, from: &Editable) -> Value {
        from.settings
            .webhooks
            .iter()
            .map(webhook::show)
            .collect::<Vec<_>>()
            .into()
    }

    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        let list = value
            .as_array()
            .filter(|list| list.len() <= MOST)
            .ok_or(" must be a list of at most 100 webhooks")?;
        let read = |(place, item)| webhook::read(item).map_err(|must| format!("[{place}]{must}"));
        to.settings.webhooks = list
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    fn reset(&self, to: &mut Editable, fresh: Editable) -> Option<()> {
        to.settings.webhooks = fresh.settings.webhooks;
        Some(())
    }
}
