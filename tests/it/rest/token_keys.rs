//! The setting `token_keys`: what is refused, and why.

use poem::http::Method;
use serde_json::{Value, json};

use crate::rest::start;

/// The base point of P-256.
fn ec() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"})
}

fn okp() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn rsa() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": format!("w{}Q", "cHB".repeat(113) + "c")})
}

fn with(mut key: Value, name: &str, value: impl Into<Value>) -> Value {
    key[name] = value.into();
    key
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused_with_its_place() {
    let api = start().await;
    for (keys, reason) in [
        (json!("x"), "a JSON Web Key Set"),
        (json!([ec()]), "a JSON Web Key Set"),
        (ec(), "a JSON Web Key Set"),
        (json!({"keys": vec![okp(); 17]}), "at most 16"),
        (json!({"keys": ["x"]}), ".keys[0] must be an object"),
        (json!({"keys": [okp(), {}]}), ".keys[1].kty"),
        (
            json!({"keys": [with(okp(), "kty", "DSA")]}),
            ".kty must be RSA, EC or OKP",
        ),
        (
            json!({"keys": [with(okp(), "kty", 7)]}),
            ".kty must be a string",
        ),
        (
            json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
            ".kty must not be oct",
        ),
        (
            json!({"keys": [with(ec(), "d", "AQ")]}),
            ".d is a part of a private key",
        ),
        (
            json!({"keys": [with(rsa(), "qi", "AQ")]}),
            ".qi is a part of a private key",
        ),
        (
            json!({"keys": [with(ec(), "crv", "P-384")]}),
            ".crv must be P-256",
        ),
        (
            json!({"keys": [with(okp(), "crv", "X25519")]}),
            ".crv must be Ed25519",
        ),
        (
            json!({"keys": [with(ec(), "x", "AQ")]}),
            ".x must have 32 bytes",
        ),
        (
            json!({"keys": [with(ec(), "y", ec()["x"].clone())]}),
            ".x and .y must be a point",
        ),
        (
            json!({"keys": [with(okp(), "x", "+/+/")]}),
            ".x must be a number in base64url",
        ),
        (
            json!({"keys": [with(rsa(), "n", "AQAB")]}),
            ".n must be an odd number of 2048",
        ),
        (
            json!({"keys": [with(rsa(), "e", "AQ")]}),
            ".e must be an odd number",
        ),
        (
            json!({"keys": [with(ec(), "alg", "HS256")]}),
            ".alg must be ES256",
        ),
        (
            json!({"keys": [with(rsa(), "alg", "RS512")]}),
            ".alg must be RS256",
        ),
        (
            json!({"keys": [with(ec(), "use", "enc")]}),
            ".use must be sig",
        ),
        (
            json!({"keys": [with(ec(), "key_ops", json!(["sign"]))]}),
            ".key_ops",
        ),
        (json!({"keys": [with(ec(), "kid", "")]}), ".kid must be"),
        (
            json!({"keys": [with(ec(), "kid", "x".repeat(201))]}),
            ".kid must be",
        ),
        (
            json!({"keys": [with(ec(), "kid", "a"), with(okp(), "kid", "a")]}),
            ".keys[1].kid",
        ),
    ] {
        let reply = api
            .session(Method::PUT, "/apps/shop")
            .json(&json!({"token_keys": keys}))
            .send()
            .await;
        let message = reply.problem(400);
        assert!(
            message.starts_with("token_keys") && message.contains(reason),
            "{reason}: {message}"
        );
    }
    let kept = api.session(Method::GET, "/apps/shop").send().await.json();
    assert_eq!(kept["token_keys"], json!({"keys": []}));
}

#[tokio::test]
async fn keys_are_kept_without_what_is_not_used() {
    let api = start().await;
    let given = json!({"keys": [with(with(ec(), "key_ops", json!(["verify"])), "x5t", "AQ"), rsa(), with(okp(), "alg", "Ed25519")], "more": 1});
    let reply = api
        .session(Method::PUT, "/apps/shop")
        .json(&json!({"token_keys": given}))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let kept = &reply.json()["token_keys"]["keys"];
    assert_eq!(kept[0], with(with(ec(), "alg", "ES256"), "use", "sig"));
    assert_eq!(
        (&kept[1]["n"], &kept[1]["alg"]),
        (&rsa()["n"], &json!("RS256"))
    );
    assert_eq!(kept[2]["alg"], "EdDSA");
    let reset = json!({"reset": ["token_keys"]});
    let reply = api
        .session(Method::PUT, "/apps/shop")
        .json(&reset)
        .send()
        .await;
    assert_eq!(reply.json()["token_keys"], json!({"keys": []}));
}
