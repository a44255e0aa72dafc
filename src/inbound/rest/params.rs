//! Parameter types: their validation, and their schema in the document.

use std::borrow::Cow;

use poem::http::HeaderMap;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::problem::Problem;
use super::schema::{CREDENTIAL, IDENT, PRINTABLE, example, inline, plain, whole};
use crate::core::ports::AddressRange;

/// The accepted values of a kind of parameter.
pub(super) trait Accepts {
    /// The parsed value.
    type Value: Send + Sync;

    /// Its schema.
    fn schema() -> MetaSchema;

    /// Parses it. The error continues the parameter's name: "must be …".
    fn read(text: &str) -> Result<Self::Value, &'static str>;
}

/// A parameter of the kind `K`.
pub(super) struct Param<K: Accepts>(pub K::Value);

impl<K: Accepts> Type for Param<K> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "parameter".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        inline(K::schema())
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<K: Accepts> ParseFromParameter for Param<K> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        K::read(value).map(Self).map_err(ParseError::custom)
    }
}

/// A whole number from 0, within 63 bits, which every store can hold.
pub(super) enum Whole {}

impl Accepts for Whole {
    type Value = u64;

    fn schema() -> MetaSchema {
        example(whole("", 0.0), 10)
    }

    fn read(text: &str) -> Result<u64, &'static str> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if plain {
            text.parse::<u64>()
                .ok()
                .filter(|number| i64::try_from(*number).is_ok())
        } else {
            None
        };
        number.ok_or("must be an integer from 0 to 9223372036854775807")
    }
}

/// Yes or no.
pub(super) enum YesNo {}

impl Accepts for YesNo {
    type Value = bool;

    fn schema() -> MetaSchema {
        // Also 0 and 1: a schema of both would be an enum of strings in generated clients.
        let schema = MetaSchema {
            default: Some(false.into()),
            ..plain("boolean", "")
        };
        example(schema, true)
    }

    fn read(text: &str) -> Result<bool, &'static str> {
        match text {
            // The last form is that of Python clients.
            "1" | "true" | "True" => Ok(true),
            "0" | "false" | "False" => Ok(false),
            _ => Err("must be true or false"),
        }
    }
}

/// Strings are accepted as they are: their limits are configured, and the operations check them.
macro_rules! text {
    ($(#[$about:meta])* $name:ident, $least:literal, $most:literal, $pattern:expr, $example:literal) => {
        $(#[$about])*
        pub(crate) enum $name {}

        impl Accepts for $name {
            type Value = String;

            fn schema() -> MetaSchema {
                let pattern = Some(String::from($pattern));
                let schema = MetaSchema { min_length: Some($least), max_length: Some($most), pattern, ..plain("string", "") };
                example(schema, $example)
            }

            fn read(text: &str) -> Result<String, &'static str> {
                Ok(text.into())
            }
        }
    };
}

text! {
    /// A channel's name.
    Channel, 1, 200, PRINTABLE, "news"
}
text! {
    /// A channel's name to list by; empty: any.
    AnyChannel, 0, 200, PRINTABLE, "news"
}
/// Strings whose limits are the document's: no setting changes them.
macro_rules! bounded_text {
    ($(#[$about:meta])* $name:ident, $least:literal, $most:literal, $example:literal) => {
        $(#[$about])*
        pub(crate) enum $name {}

        impl Accepts for $name {
            type Value = String;

            fn schema() -> MetaSchema {
                let pattern = Some(PRINTABLE.into());
                let schema = MetaSchema { min_length: Some($least), max_length: Some($most), pattern, ..plain("string", "") };
                example(schema, $example)
            }

            fn read(text: &str) -> Result<String, &'static str> {
                let length = text.chars().count();
                if ($least..=$most).contains(&length) && !text.contains(char::is_control) {
                    return Ok(text.into());
                }
                Err(concat!("must have ", $least, " to ", $most, " characters, without control characters"))
            }
        }
    };
}

bounded_text! {
    /// The beginning of channels' names; empty: any.
    ChannelPrefix, 0, 200, "presence-"
}
bounded_text! {
    /// The name of an event to list by; empty: any.
    AnyEventName, 0, 200, "message"
}
bounded_text! {
    /// The id of a user to list connections by; empty: any.
    AnyUserId, 0, 128, "ann"
}
bounded_text! {
    /// The address of a web hook.
    WebUrl, 1, 2000, "https://shop.example/hook"
}
bounded_text! {
    /// The address of a web hook to list by; empty: any.
    AnyWebUrl, 0, 2000, "https://shop.example/hook"
}
bounded_text! {
    /// The address of a browser's push service.
    Endpoint, 1, 2000, "https://push.example/v1/4f1c"
}
bounded_text! {
    /// The address of a browser's push service to list by; empty: any.
    AnyEndpoint, 0, 2000, "https://push.example/v1/4f1c"
}
bounded_text! {
    /// An e-mail address.
    Email, 1, 254, "ann@shop.example"
}
bounded_text! {
    /// An e-mail address to list by; empty: any.
    AnyEmail, 0, 254, "ann@shop.example"
}
bounded_text! {
    /// The token of an Apple device.
    Token, 1, 200, "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
}
bounded_text! {
    /// The token of an Apple device to list by; empty: any.
    AnyToken, 0, 200, "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
}
bounded_text! {
    /// A token of a user.
    UserToken, 1, 8192, "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"
}
bounded_text! {
    /// A signature for a target and a channel.
    TargetAuth, 0, 400, "c9f0f895fb98ab91:2f0c"
}
text! {
    /// A user's id.
    User, 1, 128, PRINTABLE, "ann"
}
text! {
    /// A user's id to list by; empty: any.
    AnyUser, 0, 128, PRINTABLE, "ann"
}
text! {
    /// An app's ident.
    Ident, 1, 64, IDENT, "8f14e45fceea167a"
}
text! {
    /// An app's key or secret.
    Credential, 1, 256, CREDENTIAL, "c9f0f895fb98ab91"
}
text! {
    /// A socket's id.
    Socket, 3, 37, "^(0|[1-9][0-9]{0,17})\\.(0|[1-9][0-9]{0,17})$", "4711.90210"
}

/// An IP address, or a network; empty: any.
pub(super) enum AnyAddress {}

impl Accepts for AnyAddress {
    type Value = Option<AddressRange>;

    fn schema() -> MetaSchema {
        let schema = MetaSchema {
            max_length: Some(43),
            ..plain("string", "")
        };
        example(schema, "10.0.0.0/8")
    }

    fn read(text: &str) -> Result<Self::Value, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        AddressRange::parse(text)
            .map(Some)
            .ok_or("must be an IP address, or a network such as 10.0.0.0/8")
    }
}

/// The caller's name for a publish, from the header `Idempotency-Key`.
pub(super) struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    const NAME: &'static str = "idempotency-key";
    const MOST: usize = 255;

    fn read(headers: &HeaderMap) -> Result<Option<String>, Problem> {
        let Some(value) = headers.get(Self::NAME) else {
            return Ok(None);
        };
        // Taken wrongly, the same publish would be stored twice: better refused.
        let fits = |text: &&str| {
            (1..=Self::MOST).contains(&text.len())
                && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        };
        match value.to_str().ok().filter(fits) {
            Some(text) => Ok(Some(text.into())),
            None => Err(Problem::bad_request(
                "Idempotency-Key must be 1 to 255 printable ASCII characters",
            )),
        }
    }
}

impl<'a> ApiExtractor<'a> for IdempotencyKey {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        let pattern = Some("^[!-~]([ -~]*[!-~])?$".into());
        let schema = MetaSchema {
            min_length: Some(1),
            max_length: Some(Self::MOST),
            pattern,
            ..plain("string", "")
        };
        Some(inline(example(schema, "order-17")))
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(Self::read(request.headers())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_fit_into_63_bits() {
        assert_eq!(Whole::read("0"), Ok(0));
        assert_eq!(Whole::read("9223372036854775807"), Ok(i64::MAX as u64));
        for text in [
            "",
            "-1",
            "+1",
            "1.5",
            "1e3",
            " 1",
            "9223372036854775808",
            "99999999999999999999999",
            "٣",
        ] {
            assert!(Whole::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_taken_is_refused_rather_than_ignored() {
        let read = |bytes: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(
                IdempotencyKey::NAME,
                poem::http::HeaderValue::from_bytes(bytes)?,
            );
            Ok::<_, poem::http::header::InvalidHeaderValue>(IdempotencyKey::read(&headers).ok())
        };
        assert!(matches!(read(b"order-17"), Ok(Some(Some(_)))));
        for refused in [&b""[..], b"a\tb", "schlüssel".as_bytes(), &[b'x'; 256]] {
            assert!(matches!(read(refused), Ok(None)));
        }
        assert!(matches!(IdempotencyKey::read(&HeaderMap::new()), Ok(None)));
    }
}
