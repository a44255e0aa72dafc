use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::*;
use crate::core::model::{TokenKey, TokenKeyMaterial};

/// A private key of RSA that signs nothing but these tokens: PKCS#8, DER.
const RSA: &str = "\
    MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCt21XEI8Xw1jqCxjBCxGQoqf8vV9dHMwxA5jsUIlnL9Wcl\
    SKspVxiL5mIdWG917wTG1eIV42vHFTp5TwGWDacQSmiqgdgOS2ewJVGRV2gRnDsEY3XG0Zy0Y66QAjbb09cnUaX01FnhISEl\
    W1cCrJPMd/06290oc+7agUFpnnf5Vw0Czki2Qv1GcIMY2C+hF0tQfc0Egimkv4Xcp20J0yeJFQm0knGxtlERi2cHXT/R4CWe\
    a1UcgRc7XzBcxmD/0N0qE2/QbcvsDW9Mx/NakWCJkC9/qZwpHjfK7oZ9CI/BmzIMxVud4ZEqJaIc5CaumvHbBASY4OnefZCg\
    eFxRwoeTAgMBAAECggEABbngIMYm2lBL/AuoAkLyo445y+biPcOWJzsN/hNFjtylyYoTrRhjxBPR7nJ/tUwqhZv8xsjHP3bZ\
    Bq7N+BG6C2TP/rGpGotsPlZ0Uculr1LMdNALzIER3rUbxj10bhgTkYV0aFRoI2ySaWcRPhLOCWF4Uyxzo8Xxu3ufWmmwPOON\
    seEd+ZGAc5JqXhzDPjQektIY3DhbrVl4JkXL7o18ZYKHPl00Rhs0mBiIJ3BbfRn5sAQ/RpUJYiK5azQ3604eLMkXppX4YYeX\
    lCPbw4Pxd8UC7Lsnh4PP/zjBlbuAEou6yWnO9AmC4hmXNfQIQ9+Fo5pUpDqVWCwEyfaB15C67QKBgQDVAcxsUUDmuLz0Um7e\
    1C6if+8UwWjIyqCkDImHvNW6dXnYQxGdYFEp1tgZXB06aTxVY/97Zwl3SpW10hamwvs+vrCwQba9ua2Bpqlrzvwa8AGI7VWg\
    Q/NFQ3uaPiMN1jvO8TidqmfAqDILPN8yYuwRrKUMA/mkDxR2w43p/YAbNQKBgQDQ8p6b+Of+WabBiG1OUFW9R8paxFkjc5Ki\
    /C7zMeY+4c2CV4kso4dYiBKRzwHDpkHfxBC688FHrluWqJ3sOaC5plujyKMiaxGyvGx2L2fZh3kaADPP7viZkwqyEsRSiGxz\
    /cUIsB1f4gV2E6Qmam0M/1ltVlCU4v71N6tu8L6opwKBgQCpVm2yqwICqlkljycvJNYSP8zM3lm0T0pYQNNRQvFS87OzFta5\
    G2pK7c8Mkit2VVUuuXnRG//tgzDzxBpX5uigYC7NYOCrgiKK0PkdiQbpT2aY+b051OtgZB6uZ7msdWVExoZw6ZjkE5L9Vh5G\
    y1fLUUpA/CQJpidpp1t56xteBQKBgQC9ENxuG7KoVyzp7+2gMFb0t9IlgYd66afk7LX6/srtWVqgt157Utk0RaQv5ZUeGQGA\
    XaQZ1lis6NsdHyQOzTJe6mX/dJwQl7ti9NZbtpeMoOX2nfpEC2NNa10BNrQITkN8TUMNknZx/U2dwzYEQMa+PQwJQFIX9rJm\
    5uGruBF8/wKBgH/e4mLh3/T5YYkjVkFFMK05BVm44K1Fm+HLKNxIo3d0Ps5EfE+A0ZufEGpP+46ptrLzLdj8wpmZJoak9aK1\
    PB2K1NWEKKJAOaKIi5s/aHG1JmrNvpc0bB5rqdN9N9H5L4rZnF6alqEVbcqd4N2jM0KtUQLsTvqLc7He8VJVnYk0";

const CLAIMS: &str = r#"{"sub":"ann","exp":2000,"channels":["private-a"]}"#;

enum Signer {
    Secret(&'static str),
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

fn rsa() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(&BASE64.decode(RSA.as_bytes()).unwrap()).unwrap()
}

fn p256() -> EcdsaKeyPair {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap()
}

fn ed25519(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

impl Signer {
    fn public(&self) -> TokenKeyMaterial {
        match self {
            Self::Secret(_) => unreachable!(),
            Self::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                TokenKeyMaterial::rsa(&public.n, &public.e).unwrap()
            }
            Self::P256(key) => {
                let point = key.public_key().as_ref();
                TokenKeyMaterial::p256(&point[1..33], &point[33..]).unwrap()
            }
            Self::Ed25519(key) => TokenKeyMaterial::ed25519(key.public_key().as_ref()).unwrap(),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Secret(secret) => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
                ring::hmac::sign(&key, message).as_ref().to_vec()
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Self::P256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    fn token(&self, header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = BASE64URL_NOPAD.encode(&self.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

fn app(keys: &[(Option<&str>, &Signer)]) -> App {
    let mut app = App::sample("shop");
    app.settings.token_keys = keys
        .iter()
        .map(|(id, signer)| TokenKey {
            id: id.map(str::to_owned),
            material: signer.public(),
        })
        .collect();
    app
}

fn header(algorithm: &str) -> String {
    json!({"typ": "JWT", "alg": algorithm}).to_string()
}

fn read(token: &str, app: &App) -> Result<(), TokenError> {
    JwtTokens::new().read(token, app).map(|claims| {
        assert_eq!(claims.user.as_deref(), Some("ann"));
    })
}

#[test]
fn every_kind_of_key_verifies_its_own_algorithm() {
    for (algorithm, signer) in [
        ("RS256", Signer::Rsa(rsa())),
        ("ES256", Signer::P256(p256())),
        ("EdDSA", Signer::Ed25519(ed25519(1))),
    ] {
        let app = app(&[(Some("one"), &signer)]);
        let token = signer.token(&header(algorithm), CLAIMS);
        assert_eq!(read(&token, &app), Ok(()), "{algorithm}");
        let without = App::sample("shop");
        assert_eq!(read(&token, &without), Err(TokenError::NoKey));
        // One character of the claims differs.
        let other = CLAIMS.replace("private-a", "private-b");
        let signature = token.rsplit('.').next().unwrap();
        let signed = signer.token(&header(algorithm), &other);
        let forged = format!("{}.{signature}", signed.rsplit_once('.').unwrap().0);
        assert_eq!(read(&forged, &app), Err(TokenError::Signature));
        for wrong in ["HS256", "none", "RS256", "ES256", "EdDSA", "RS512", "PS256"] {
            if wrong != algorithm {
                let token = signer.token(&header(wrong), CLAIMS);
                assert!(read(&token, &app).is_err(), "{algorithm} as {wrong}");
            }
        }
    }
}

#[test]
fn a_public_key_is_never_a_secret() {
    for signer in [
        Signer::Rsa(rsa()),
        Signer::P256(p256()),
        Signer::Ed25519(ed25519(1)),
    ] {
        let app = app(&[(None, &signer)]);
        let bytes = match signer.public() {
            TokenKeyMaterial::Rsa { n, .. } => n,
            TokenKeyMaterial::Ed25519(x) => x.to_vec(),
            point => point.point(),
        };
        let message = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header("HS256").as_bytes()),
            BASE64URL_NOPAD.encode(CLAIMS.as_bytes())
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &bytes);
        let tag = ring::hmac::sign(&key, message.as_bytes());
        let token = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
        assert_eq!(read(&token, &app), Err(TokenError::Signature));
    }
}

#[test]
fn a_kid_selects_the_key_and_without_one_all_are_tried() {
    let (one, two) = (Signer::Ed25519(ed25519(1)), Signer::Ed25519(ed25519(2)));
    let app = app(&[(Some("one"), &one), (Some("two"), &two)]);
    let named = |kid: &str| json!({"alg": "EdDSA", "kid": kid}).to_string();
    assert_eq!(read(&two.token(&named("two"), CLAIMS), &app), Ok(()));
    assert_eq!(read(&two.token(&header("EdDSA"), CLAIMS), &app), Ok(()));
    let wrong = read(&two.token(&named("one"), CLAIMS), &app);
    assert_eq!(wrong, Err(TokenError::Signature));
    let unknown = read(&two.token(&named("three"), CLAIMS), &app);
    assert_eq!(unknown, Err(TokenError::NoKey));
}

#[test]
fn both_secrets_verify_during_a_rotation() {
    let (new, old) = (Signer::Secret("secret"), Signer::Secret("previous"));
    let mut app = App::sample("shop");
    let token = old.token(&header("HS256"), CLAIMS);
    assert_eq!(read(&token, &app), Err(TokenError::Signature));
    app.previous_secret = Some(Secret::new("previous"));
    assert_eq!(read(&token, &app), Ok(()));
    assert_eq!(read(&new.token(&header("HS256"), CLAIMS), &app), Ok(()));
}

#[test]
fn headers_that_are_not_plain_are_refused() {
    let secret = Signer::Secret("secret");
    let app = App::sample("shop");
    for (header, error) in [
        (r#"{"alg":"none"}"#, TokenError::Algorithm),
        (r#"{"alg":"None"}"#, TokenError::Algorithm),
        (r#"{"alg":"hs256"}"#, TokenError::Algorithm),
        (r#"{"alg":"HS512"}"#, TokenError::Algorithm),
        (
            r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
            TokenError::Header("crit"),
        ),
        (
            r#"{"alg":"HS256","b64":true,"crit":["b64"]}"#,
            TokenError::Header("crit"),
        ),
        (r#"{"alg":"HS256","crit":[]}"#, TokenError::Header("crit")),
        (r#"{"alg":"HS256","zip":"DEF"}"#, TokenError::Header("zip")),
        (
            r#"{"alg":"HS256","enc":"A128GCM"}"#,
            TokenError::Header("enc"),
        ),
        (r#"{"alg":"HS256","b64":false}"#, TokenError::Header("b64")),
        (r#"{"alg":"HS256","alg":"none"}"#, TokenError::Malformed),
        (r#"{"alg":["HS256"]}"#, TokenError::Malformed),
        (r#"{"alg":null}"#, TokenError::Malformed),
        (r#"{"alg":"HS256","kid":7}"#, TokenError::Malformed),
        ("{}", TokenError::Malformed),
        (
            r#"["HS256",null,null,null,null,null]"#,
            TokenError::Malformed,
        ),
        ("", TokenError::Malformed),
    ] {
        let token = secret.token(header, CLAIMS);
        assert_eq!(read(&token, &app), Err(error), "{header}");
    }
    let signed = secret.token(&header("HS256"), CLAIMS);
    let (message, signature) = signed.rsplit_once('.').unwrap();
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{message}."),
        message.to_owned(),
        format!("{signed}."),
        format!("{signed}=="),
        format!(" {signed}"),
        format!("{signed}.{signature}"),
        format!("{message}.{signature}AA"),
        format!("{message}.{}", &signature[..20]),
    ] {
        assert!(read(&token, &app).is_err(), "{token}");
    }
}

#[test]
fn claims_of_wrong_types_are_named() {
    let secret = Signer::Secret("secret");
    let app = App::sample("shop");
    let with = |name: &str, value: Value| {
        let mut claims = json!({"sub": "ann", "exp": 2000});
        claims[name] = value;
        secret.token(&header("HS256"), &claims.to_string())
    };
    for (name, value) in [
        ("sub", json!(7)),
        ("sub", json!(["ann"])),
        ("exp", json!("2000")),
        ("exp", json!({})),
        ("iat", json!(true)),
        ("nbf", json!([])),
        ("channels", json!("private-a")),
        ("channels", json!([7])),
        ("channels", json!({"private-a": true})),
        ("publish", json!("*")),
        ("publish", json!([null])),
        ("app", json!(["shop"])),
        ("aud", json!(7)),
    ] {
        match read(&with(name, value.clone()), &app) {
            Err(TokenError::Claim(named, _)) => assert_eq!(named, name),
            other => panic!("{name} {value}: {other:?}"),
        }
    }
    let read = |text: &str| JwtTokens::new().read(&secret.token(&header("HS256"), text), &app);
    for malformed in [
        r#"{"sub":"ann","sub":"bob","exp":2000}"#,
        r#"{"exp":2000,"channels":[],"channels":["*"]}"#,
        "7",
        r#"["ann",2000,null,null,[],null,null,null,null]"#,
        "null",
        r#"{"sub":"ann""#,
    ] {
        assert_eq!(
            read(malformed).err(),
            Some(TokenError::Malformed),
            "{malformed}"
        );
    }
    let claims = read(r#"{"sub":"a\"b","exp":2000.5,"info":{"name": "Ann"},"sid":7,"aud":"x"}"#);
    let claims = claims.unwrap();
    let data = r#"{"user_id":"a\"b","user_info":{"name": "Ann"}}"#;
    assert_eq!(claims.member_data.as_deref(), Some(data));
    assert_eq!(claims.expires, Some(Timestamp::from_seconds(2000.5)));
    assert_eq!(claims.audiences, Some(vec!["x".to_owned()]));
}

#[test]
fn a_token_that_was_signed_here_is_read_again() {
    let info = RawValue::from_string(r#"{"name":"Ann"}"#.to_owned()).unwrap();
    let channels = ["private-a".to_owned()];
    let token = NewToken {
        user: Some("ann"),
        channels: &channels,
        publish: None,
        info: Some(&info),
        app: "shop",
        issued: Timestamp::from_micros(1_000_999_999),
        ttl: Duration::from_secs(60),
    };
    let token = JwtTokens::new()
        .sign(&token, &Secret::new("secret"))
        .unwrap();
    let claims = JwtTokens::new().read(&token, &App::sample("shop")).unwrap();
    assert_eq!(claims.app.as_deref(), Some("shop"));
    assert_eq!(claims.issued, Some(Timestamp::from_seconds(1000.0)));
    assert_eq!(claims.expires, Some(Timestamp::from_seconds(1060.0)));
    assert_eq!((claims.channels, claims.publish), (channels.to_vec(), None));
}
