//! The setting `token_keys`: a JSON Web Key Set (RFC 7517) of public keys.

use data_encoding::BASE64URL_NOPAD;
use poem_openapi::registry::MetaSchema;
use serde_json::{Map, Value, json};

use super::Editable;
use super::kinds::Special;
use crate::core::model::{MAX_TOKEN_KEY_ID, MAX_TOKEN_KEYS, TokenKey, TokenKeyMaterial};
use crate::inbound::rest::schema::{example, inline, open, plain};

/// Members that only private keys have (RFC 7518, section 6).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The types of keys.
const TYPES: [&str; 3] = ["RSA", "EC", "OKP"];

pub(super) struct TokenKeysSetting;

impl Special for TokenKeysSetting {
    fn schema(&self) -> MetaSchema {
        let text = |about| inline(plain("string", about));
        let id = MetaSchema {
            min_length: Some(1),
            max_length: Some(MAX_TOKEN_KEY_ID),
            ..plain("string", "The identifier by which a token selects the key.")
        };
        let kind = MetaSchema {
            enum_items: TYPES.iter().map(|name| Value::from(*name)).collect(),
            ..plain("string", "RSA (RS256), EC (ES256) or OKP (EdDSA).")
        };
        let key = MetaSchema {
            required: vec!["kty"],
            properties: vec![
                ("kty", inline(kind)),
                ("kid", inline(id)),
                ("alg", text("RS256, ES256 or EdDSA, as `kty` says.")),
                ("use", text("`sig`.")),
                ("crv", text("The curve: P-256 of EC, Ed25519 of OKP.")),
                (
                    "n",
                    text("The modulus of RSA, 2048 to 8192 bits: base64url."),
                ),
                ("e", text("The exponent of RSA: base64url.")),
                (
                    "x",
                    text("The coordinate of EC, or the key of OKP: base64url."),
                ),
                ("y", text("The other coordinate of EC: base64url.")),
            ],
            additional_properties: open(),
            ..plain("object", "A public key as a JSON Web Key (RFC 7517).")
        };
        let keys = MetaSchema {
            items: Some(Box::new(inline(key))),
            max_items: Some(MAX_TOKEN_KEYS),
            ..plain("array", "The keys.")
        };
        let schema = MetaSchema {
            required: vec!["keys"],
            properties: vec![("keys", inline(keys))],
            additional_properties: open(),
            ..plain("object", "")
        };
        example(schema, json!({"keys": []}))
    }

    fn get(&self, from: &Editable) -> Value {
        let keys: Vec<_> = from.settings.token_keys.iter().map(show).collect();
        json!({ "keys": keys })
    }

    fn set(&self, to: &mut Editable, value: &Value) -> Result<(), String> {
        let list = value
            .get("keys")
            .and_then(Value::as_array)
            .filter(|list| list.len() <= MAX_TOKEN_KEYS)
            .ok_or_else(|| {
                format!(" must be a JSON Web Key Set: an object with keys, a list of at most {MAX_TOKEN_KEYS} public keys")
            })?;
        let mut keys: Vec<TokenKey> = Vec::with_capacity(list.len());
        for (place, value) in list.iter().enumerate() {
            let key = read(value).map_err(|must| format!(".keys[{place}]{must}"))?;
            if key.id.is_some() && keys.iter().any(|other| other.id == key.id) {
                return Err(format!(
                    ".keys[{place}].kid is that of another key: use each kid once"
                ));
            }
            keys.push(key);
        }
        to.settings.token_keys = keys;
        Ok(())
    }

    fn reset(&self, to: &mut Editable, fresh: Editable) -> Option<()> {
        to.settings.token_keys = fresh.settings.token_keys;
        Some(())
    }
}

/// Reads a key. The error continues its place, and shows no part of it.
fn read(value: &Value) -> Result<TokenKey, String> {
    let members = value
        .as_object()
        .ok_or(" must be an object, a JSON Web Key")?;
    if let Some(name) = PRIVATE.iter().find(|name| members.contains_key(**name)) {
        return Err(format!(
            ".{name} is a part of a private key: send the public key only"
        ));
    }
    let material = match text(members, "kty")? {
        Some("RSA") => TokenKeyMaterial::rsa(&number(members, "n")?, &number(members, "e")?),
        Some("EC") => {
            check_curve(members, "P-256")?;
            TokenKeyMaterial::p256(&number(members, "x")?, &number(members, "y")?)
        }
        Some("OKP") => {
            check_curve(members, "Ed25519")?;
            TokenKeyMaterial::ed25519(&number(members, "x")?)
        }
        Some("oct") => {
            return Err(".kty must not be oct: a symmetric key is no public key; tokens of HS256 are signed with the app's secret".to_owned());
        }
        _ => return Err(".kty must be RSA, EC or OKP".to_owned()),
    };
    let material = material.map_err(|error| error.to_string())?;
    check_purpose(members, &material)?;
    let id = text(members, "kid")?;
    if id.is_some_and(|id| id.is_empty() || id.chars().count() > MAX_TOKEN_KEY_ID) {
        return Err(format!(
            ".kid must be a string of 1 to {MAX_TOKEN_KEY_ID} characters"
        ));
    }
    Ok(TokenKey {
        id: id.map(str::to_owned),
        material,
    })
}

/// Checks the members that restrict a key to an algorithm or a purpose.
fn check_purpose(members: &Map<String, Value>, material: &TokenKeyMaterial) -> Result<(), String> {
    let algorithm = material.algorithm();
    let is_own = |named| named == algorithm || (algorithm, named) == ("EdDSA", "Ed25519");
    if text(members, "alg")?.is_some_and(|named| !is_own(named)) {
        return Err(format!(".alg must be {algorithm} with this kty, or absent"));
    }
    if text(members, "use")?.is_some_and(|named| named != "sig") {
        return Err(".use must be sig, or absent".to_owned());
    }
    match members.get("key_ops") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(list)) if list.iter().any(|name| name == "verify") => Ok(()),
        Some(_) => Err(".key_ops must be a list with verify, or absent".to_owned()),
    }
}

fn check_curve(members: &Map<String, Value>, curve: &str) -> Result<(), String> {
    match text(members, "crv")? {
        Some(named) if named == curve => Ok(()),
        _ => Err(format!(".crv must be {curve} with this kty")),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!(".{name} must be a string")),
    }
}

fn number(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let decoded = text(members, name)?
        .map(|text| text.trim_end_matches('='))
        .and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
    decoded.ok_or_else(|| format!(".{name} must be a number in base64url"))
}

fn show(key: &TokenKey) -> Value {
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let mut shown = match &key.material {
        TokenKeyMaterial::Rsa { n, e } => json!({"kty": "RSA", "n": encode(n), "e": encode(e)}),
        TokenKeyMaterial::P256 { x, y } => {
            json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
        }
        TokenKeyMaterial::Ed25519(x) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(x)}),
    };
    shown["alg"] = key.material.algorithm().into();
    shown["use"] = "sig".into();
    if let Some(id) = &key.id {
        shown["kid"] = id.as_str().into();
    }
    shown
}
