//! Pieces of the document's schemas, for types that are read and written as text.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::Value;

/// The pattern of a name without control characters, in the syntax that PCRE, RE2, ECMAScript, Python, Java and Ruby share. U+0080 to
/// U+009F, which it allows, cannot be expressed there; the description of the document excludes them.
pub(super) const PRINTABLE: &str = "^[^\\x00-\\x1f\\x7f]*$";

/// The pattern of an ident.
pub(super) const IDENT: &str = "^[A-Za-z0-9_-]{1,64}$";

/// The pattern of a key or secret.
pub(super) const CREDENTIAL: &str = "^[!-~]{1,256}$";

/// Marks a closed object; the document replaces it by `additionalProperties: false`.
pub(super) const CLOSED: &str = "closed";

/// An inline schema.
pub(super) fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}

/// A schema of a type (`""`: any) with a description.
pub(super) fn plain(ty: &'static str, description: &'static str) -> MetaSchema {
    MetaSchema {
        description: Some(description),
        ..MetaSchema::new(ty)
    }
}

/// An app's identifier.
pub(super) fn ident(description: &'static str) -> MetaSchema {
    MetaSchema {
        min_length: Some(1),
        max_length: Some(64),
        pattern: Some(IDENT.into()),
        ..plain("string", description)
    }
}

/// An app's key or secret.
pub(super) fn credential(description: &'static str) -> MetaSchema {
    MetaSchema {
        min_length: Some(1),
        max_length: Some(256),
        pattern: Some(CREDENTIAL.into()),
        ..plain("string", description)
    }
}

/// A whole number from `least`; the format bounds it to 63 bits.
pub(super) fn whole(description: &'static str, least: f64) -> MetaSchema {
    MetaSchema {
        format: Some("int64"),
        minimum: Some(least),
        ..plain("integer", description)
    }
}

/// A number with a fraction.
pub(super) fn number(description: &'static str) -> MetaSchema {
    MetaSchema {
        format: Some("double"),
        ..plain("number", description)
    }
}

/// A text of `least` to `most` characters without control characters.
pub(super) fn name(description: &'static str, least: usize, most: usize) -> MetaSchema {
    MetaSchema {
        min_length: Some(least),
        max_length: Some(most),
        pattern: Some(PRINTABLE.into()),
        ..plain("string", description)
    }
}

/// Refuses additional members.
pub(super) fn closed() -> Option<Box<MetaSchemaRef>> {
    Some(Box::new(inline(MetaSchema {
        format: Some(CLOSED),
        ..MetaSchema::ANY
    })))
}

/// Allows additional members of any type.
pub(super) fn open() -> Option<Box<MetaSchemaRef>> {
    Some(Box::new(inline(MetaSchema::ANY)))
}

/// Adds an example.
pub(super) fn example(schema: MetaSchema, example: impl Into<Value>) -> MetaSchema {
    MetaSchema {
        example: Some(example.into()),
        ..schema
    }
}

/// A named schema of the document as a type without values: handlers parse and write such bodies as
/// text. `#[derive(Object)]` cannot express members of several types, forms beside JSON, and members
/// whose order is kept.
///
/// ```ignore
/// shape! {
///     /// The counts of a channel.
///     CountsShape as "PusherCounts" = |_| plain("object", "The requested attributes.")
/// }
/// // becomes `enum CountsShape {}` with `impl Type for CountsShape`, whose `name()` is
/// // "PusherCounts" and whose `register()` adds the schema to the document.
/// ```
macro_rules! shape {
    ($(#[$about:meta])* $name:ident as $title:literal = $schema:expr) => {
        $(#[$about])*
        pub(crate) enum $name {}

        impl poem_openapi::types::Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }

            fn schema_ref() -> poem_openapi::registry::MetaSchemaRef {
                poem_openapi::registry::MetaSchemaRef::Reference($title.into())
            }

            fn register(registry: &mut poem_openapi::registry::Registry) {
                registry.create_schema::<Self, _>($title.into(), $schema);
            }

            fn as_raw_value(&self) -> Option<&Self> {
                match *self {}
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                match *self {}
            }
        }
    };
}

/// A named schema of an object with one member, a list: `list_shape! { EventList as "EventList",
/// "events", EventShape, "The events." }` is `shape!` with `{"events": [EventShape]}`.
macro_rules! list_shape {
    ($(#[$about:meta])* $name:ident as $title:literal, $member:literal, $item:ty, $description:literal) => {
        $crate::inbound::rest::schema::shape! {
            $(#[$about])*
            $name as $title = |registry| {
                use $crate::inbound::rest::schema::{inline, plain};
                <$item>::register(registry);
                let items = poem_openapi::registry::MetaSchema {
                    items: Some(Box::new(<$item>::schema_ref())),
                    ..plain("array", $description)
                };
                poem_openapi::registry::MetaSchema {
                    required: vec![$member],
                    properties: vec![($member, inline(items))],
                    ..plain("object", $description)
                }
            }
        }
    };
}

pub(super) use {list_shape, shape};
