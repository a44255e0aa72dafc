use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn covers(patterns: &[&str], channel: &str) -> bool {
    let channel = ChannelName::trusted(channel);
    ChannelPatterns::new(strings(patterns)).covers(&channel)
}

/// At 1,000 s, with a token that expires at `expires`.
fn grant(expires: i64, change: impl Fn(&mut TokenClaims)) -> Result<TokenGrant, TokenError> {
    let mut claims = TokenClaims {
        user: Some("ann".to_owned()),
        expires: Some(at(expires)),
        ..TokenClaims::default()
    };
    change(&mut claims);
    TokenGrant::new(claims, &App::sample("shop"), at(1000), DAY)
}

#[test]
fn a_name_covers_itself_and_a_prefix_its_own_kind() {
    for (pattern, covered) in [
        ("private-a", "private-a"),
        ("private-a*", "private-a"),
        ("private-a*", "private-ab"),
        ("private-*", "private-encrypted-a"),
        ("presence-room-*", "presence-room-1"),
        ("room-*", "room-1"),
        ("*", "news"),
        ("*", "private-a"),
        ("*", "presence-a"),
        ("personal-ann", "personal-ann"),
        ("peer-room:a&b", "peer-room:a&b"),
        ("a*b", "a*b"),
        ("peer-*", "peer-review"),
    ] {
        assert!(covers(&[pattern], covered), "{pattern} {covered}");
        assert!(covers(&["x", pattern], covered), "{pattern} {covered}");
    }
    for (pattern, other) in [
        ("private-a", "private-ab"),
        ("private-a", "private-A"),
        ("private-a*", "private-b"),
        ("private-a*", "private-A"),
        ("private-a*", "presence-a"),
        ("private-a*", "a"),
        ("a*", "private-a"),
        ("p*", "private-a"),
        ("p*", "presence-a"),
        ("private*", "private-a"),
        ("pr*", "personal-ann"),
        ("", "private-a"),
        ("*", "personal-ann"),
        ("personal-*", "personal-ann"),
        ("personal-a*", "personal-ann"),
        ("personal-ann*", "personal-ann"),
        ("*", "peer-room:a&b"),
        ("peer-*", "peer-room:a&b"),
        ("peer-room:*", "peer-room:a&b"),
        ("*", "#server-to-user-ann"),
        ("#server-to-user-*", "#server-to-user-ann"),
        ("#server-to-user-ann", "#server-to-user-ann"),
        ("*b", "ab"),
        ("a*b", "axb"),
        ("private-?", "private-a"),
    ] {
        assert!(!covers(&[pattern], other), "{pattern} {other}");
    }
    assert!(!covers(&[], "private-a"));
}

#[test]
fn a_token_covers_the_channels_of_its_own_user() {
    let grant = grant(2000, |_| {}).unwrap();
    let covered = |name| grant.covers(&ChannelName::trusted(name));
    assert!(covered("personal-ann") && covered("#server-to-user-ann"));
    assert!(!covered("personal-anna") && !covered("personal-an"));
    assert!(!covered("#server-to-user-bob") && !covered("private-ann"));
}

#[test]
fn the_times_of_a_token_have_a_leeway_of_30_seconds() {
    assert_eq!(grant(2000, |_| {}).unwrap().expires(), at(2000));
    assert_eq!(grant(1000, |_| {}).unwrap().expires(), at(1030));
    assert_eq!(grant(971, |_| {}).unwrap().expires(), at(1001));
    assert_eq!(grant(970, |_| {}), Err(TokenError::Expired));
    assert!(grant(1000 + 86_400 + 30, |_| {}).is_ok());
    let late = grant(1000 + 86_400 + 31, |_| {});
    assert_eq!(late, Err(TokenError::TooLate(86_400)));
    assert!(grant(2000, |claims| claims.issued = Some(at(1030))).is_ok());
    let issued = grant(2000, |claims| claims.issued = Some(at(1031)));
    assert_eq!(issued, Err(TokenError::NotYet("iat")));
    let begins = grant(2000, |claims| claims.not_before = Some(at(1031)));
    assert_eq!(begins, Err(TokenError::NotYet("nbf")));
    let endless = grant(2000, |claims| claims.expires = None);
    assert_eq!(endless, Err(TokenError::Missing("exp")));
}

#[test]
fn a_token_for_another_app_or_audience_is_refused() {
    for name in ["shop", "key"] {
        assert!(grant(2000, |claims| claims.app = Some(name.to_owned())).is_ok());
        let audiences = strings(&["other", name]);
        assert!(grant(2000, |claims| claims.audiences = Some(audiences.clone())).is_ok());
    }
    for name in ["", "Shop", "sho", "1"] {
        let app = grant(2000, |claims| claims.app = Some(name.to_owned()));
        assert_eq!(app, Err(TokenError::OtherApp), "{name}");
        let audience = grant(2000, |claims| claims.audiences = Some(strings(&[name])));
        assert_eq!(audience, Err(TokenError::OtherAudience), "{name}");
    }
    let none = grant(2000, |claims| claims.audiences = Some(Vec::new()));
    assert_eq!(none, Err(TokenError::OtherAudience));
}

#[test]
fn a_user_that_cannot_be_one_is_refused() {
    for user in ["", "a\nb", &"x".repeat(129)] {
        let granted = grant(2000, |claims| claims.user = Some(user.to_owned()));
        assert!(matches!(granted, Err(TokenError::Claim("sub", _))));
    }
}

#[test]
fn a_member_has_the_info_and_may_be_a_peer() {
    let grant = grant(2000, |claims| {
        claims.member_data = Some(r#"{"user_id":"ann","user_info":1}"#.to_owned());
    })
    .unwrap();
    let data = |peer| grant.member(peer).unwrap().data;
    assert_eq!(&*data(false), r#"{"user_id":"ann","user_info":1}"#);
    assert_eq!(
        &*data(true),
        r#"{"peer":true,"user_id":"ann","user_info":1}"#
    );
}

#[test]
fn debug_shows_no_channels() {
    let grant = grant(2000, |claims| {
        claims.channels = strings(&["private-secret"])
    })
    .unwrap();
    assert!(!format!("{grant:?}").contains("secret"));
}
