use super::*;
use crate::core::model::Timestamp;

const KEY: &str = "278d425bdf160c739803";

pub(super) fn app() -> App {
    App {
        key: KEY.to_owned(),
        secret: secret(),
        previous_secret: Some(Secret::new("before")),
        ..App::sample("3")
    }
}

fn secret() -> Secret {
    Secret::new("7ad3773142a6692b25b8")
}

const SOCKET: SocketId = SocketId {
    process: 1234,
    counter: 1234,
};

/// The vectors of the Pusher page; the first one is the Pushi form, too.
#[test]
fn signs_as_documented() {
    let auth = |channel, data| channel_auth(KEY, &secret(), "1234.1234", channel, data);
    assert_eq!(
        auth("private-foobar", None),
        format!("{KEY}:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4")
    );
    let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
    let hex = "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80";
    assert_eq!(auth("presence-foobar", Some(data)), format!("{KEY}:{hex}"));
    let user = user_auth(KEY, &secret(), "1234.1234", r#"{"id":"12345"}"#);
    assert_eq!(
        user,
        format!("{KEY}:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba")
    );
    let query = [
        ("auth_key", KEY),
        ("auth_timestamp", "1353088179"),
        ("auth_version", "1.0"),
        ("body_md5", BODY_MD5),
    ];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        request(&query).signature(&secret()),
        "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
    );
}

const BODY: &str = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
const BODY_MD5: &str = "ec365a775a4cd0599faeb73354201b6f";
const NOW: Timestamp = Timestamp::from_micros(1_353_088_179_000_000);

fn request(query: &[(String, String)]) -> SignedRequest<'_> {
    SignedRequest {
        method: "POST",
        path: "/apps/3/events",
        query,
        has_body: false,
    }
}

/// A request with these parameters, signed with `secret` as its last one.
fn checked(
    secret: &Secret,
    body: &str,
    changed: &[(&str, Option<&str>)],
) -> Result<(), RequestError> {
    let mut query = vec![
        ("auth_key", KEY),
        ("auth_timestamp", "1353088179"),
        ("auth_version", "1.0"),
        ("body_md5", BODY_MD5),
    ];
    query.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    query.extend(
        changed
            .iter()
            .filter_map(|(name, value)| Some((*name, (*value)?))),
    );
    let mut query: Vec<(String, String)> = query
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let signature = request(&query).signature(secret);
    query.push(("auth_signature".to_owned(), signature));
    let request = request(&query);
    request.check(&app(), NOW)?;
    request.check_body(body.as_bytes())
}

#[test]
fn a_request_is_good_with_either_secret_and_parameters_in_any_case() {
    assert_eq!(checked(&secret(), BODY, &[]), Ok(()));
    assert_eq!(checked(&Secret::new("before"), BODY, &[]), Ok(()));
    assert_eq!(
        checked(&secret(), BODY, &[("Info", Some("user_count,a b&c"))]),
        Ok(())
    );
    assert_eq!(
        checked(
            &secret(),
            BODY,
            &[("auth_key", None), ("Auth_Key", Some(KEY))]
        ),
        Ok(())
    );
}

#[test]
fn each_invalid_part_of_a_request_is_reported() {
    use RequestError as E;
    let with = |name, value| checked(&secret(), BODY, &[(name, value)]);
    for name in ["auth_key", "auth_timestamp", "auth_version", "body_md5"] {
        assert_eq!(with(name, None), Err(E::Missing(name)));
    }
    assert_eq!(with("auth_key", Some("other")), Err(E::Key));
    assert_eq!(with("auth_version", Some("1.1")), Err(E::Version));
    assert_eq!(with("auth_timestamp", Some("now")), Err(E::TimestampForm));
    for (timestamp, expected) in [
        ("1353088779", Ok(())),
        ("1353088780", Err(E::Timestamp)),
        ("1353087579", Ok(())),
        ("1353087578", Err(E::Timestamp)),
        ("9223372036854775807", Err(E::Timestamp)),
        ("-9223372036854775808", Err(E::Timestamp)),
    ] {
        assert_eq!(
            with("auth_timestamp", Some(timestamp)),
            expected,
            "{timestamp}"
        );
    }
    assert_eq!(checked(&secret(), "{}", &[]), Err(E::BodyMd5));
    assert_eq!(
        checked(&Secret::new("another"), BODY, &[]),
        Err(E::Signature)
    );
}

#[test]
fn a_request_without_a_body_needs_no_md5_and_may_have_that_of_an_empty_body() {
    assert_eq!(checked(&secret(), "", &[("body_md5", None)]), Ok(()));
    assert_eq!(
        checked(
            &secret(),
            "",
            &[("body_md5", Some("d41d8cd98f00b204e9800998ecf8427e"))]
        ),
        Ok(())
    );
    assert_eq!(checked(&secret(), "", &[]), Err(RequestError::BodyMd5));
}

#[test]
fn a_sign_in_is_checked_over_its_user_data() {
    let data = r#"{"id":"12345"}"#;
    let check = |auth: Option<&str>| check_user_auth(&app(), auth, SOCKET, data);
    assert_eq!(
        check(Some(&user_auth(KEY, &secret(), "1234.1234", data))),
        Ok(())
    );
    assert_eq!(
        check(Some(&user_auth(
            KEY,
            &Secret::new("before"),
            "1234.1234",
            data
        ))),
        Ok(())
    );
    assert_eq!(
        check(Some(&user_auth(KEY, &secret(), "1234.1235", data))),
        Err(SignatureError::WrongUser)
    );
    assert_eq!(
        check(Some(&user_auth(KEY, &secret(), "1234.1234", "{}"))),
        Err(SignatureError::WrongUser)
    );
    assert_eq!(
        check(Some(&user_auth("other", &secret(), "1234.1234", data))),
        Err(SignatureError::Malformed)
    );
    assert_eq!(check(Some("")), Err(SignatureError::MissingUser));
    assert_eq!(check(None), Err(SignatureError::MissingUser));
}

#[test]
fn a_webhook_is_signed_over_its_body() {
    // Made with `openssl dgst -sha256 -hmac`.
    let hex = "e84ad185684cff3a96d27bc8ba07b8be14b7479c43784ab14d8a256d25638f76";
    assert_eq!(
        webhook_signature(&secret(), r#"{"time_ms":1,"events":[]}"#),
        hex
    );
}

#[test]
fn derived_mids_keep_their_parts_apart() {
    assert_eq!(derived_mid(&["a", "b"]), derived_mid(&["a", "b"]));
    assert_ne!(derived_mid(&["ab", "c"]), derived_mid(&["a", "bc"]));
}
