//! The gate as requests meet it.

mod issuers;
mod token_requests;

use super::*;
use crate::secret::{Secret, SecretSource};
use crate::telemetry::Component;

pub(super) fn rotating(option: &'static str, current: &str, previous: Option<&str>) -> Rotating {
    let text = |text: &str| SecretSource::Text(Secret::new(text));
    Rotating { option, current: text(current), previous: previous.map(text) }
}

pub(super) fn gate(settings: &AuthSettings) -> Gate {
    let counters = Arc::new(Counters::new(&Component::default()));
    Gate::new("tccc", settings, &counters).expect("no files").expect("it lets not everybody in")
}

pub(super) fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header");
    HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, value)])
}

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn basic(text: &str) -> HeaderMap {
    use base64::Engine as _;
    let token = base64::engine::general_purpose::STANDARD.encode(text);
    let value = HeaderValue::from_str(&format!("Basic {token}")).expect("a header");
    HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, value)])
}

fn user(password: Rotating) -> Way {
    Way::Basic(BasicSettings { username: "u".to_owned(), password })
}

#[tokio::test]
async fn a_source_without_ways_and_conditions_has_no_gate() {
    let counters = Arc::new(Counters::new(&Component::default()));
    assert!(Gate::new("tccc", &AuthSettings::default(), &counters).expect("no files").is_none());
}

/// A password that is written takes effect with the first push that shows it, whenever the file was last looked at.
#[tokio::test]
async fn a_new_password_is_good_at_once_and_the_previous_one_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let [current, previous] = ["current", "previous"].map(|name| folder.path().join(name));
    for path in [&current, &previous] {
        std::fs::write(path, "first\n").expect("it is written");
    }
    let password = Rotating {
        option: "password",
        current: SecretSource::File(current.clone()),
        previous: Some(SecretSource::File(previous.clone())),
    };
    let gate = gate(&AuthSettings { ways: vec![user(password)], ..AuthSettings::default() });
    let admits = async |password: &str| gate.admit(&basic(&format!("u:{password}")), ADDRESS).await.is_ok();
    assert!(admits("first").await && !admits("second").await);
    std::fs::write(&current, "second\n").expect("it is written");
    assert!(admits("second").await && admits("first").await);
    // What is broken leaves the last one in use.
    std::fs::write(&current, "").expect("it is written");
    assert!(admits("second").await);
}

#[tokio::test]
async fn too_many_wrong_passwords_lock_an_address_out_and_missing_ones_do_not() {
    let lockout = LockoutSettings { failures_max: 3, ..LockoutSettings::default() };
    let settings =
        AuthSettings { ways: vec![user(rotating("password", "w", None))], lockout, ..AuthSettings::default() };
    let gate = gate(&settings);
    for _ in 0..5 {
        assert!(gate.admit(&HeaderMap::new(), ADDRESS).await.is_err());
        assert!(gate.approach(ADDRESS).is_ok());
    }
    for _ in 0..3 {
        assert!(gate.approach(ADDRESS).is_ok());
        assert!(gate.admit(&basic("u:x"), ADDRESS).await.is_err());
    }
    assert!(matches!(gate.approach(ADDRESS), Err(Refusal::LockedOut { .. })));
}

/// Wherever somebody guesses: at a password, at a client's secret, or at the path's.
#[tokio::test]
async fn guesses_count_wherever_they_are_made() {
    use axum::http::header::CONTENT_TYPE;

    let lockout = LockoutSettings { failures_max: 3, ..LockoutSettings::default() };
    let ways = vec![user(rotating("password", "w", None)), Way::Oauth2(token_requests::settings())];
    let path_secret = Some(rotating("path_secret", "0123456789abcdef", None));
    let gate = gate(&AuthSettings { ways, path_secret, lockout, ..AuthSettings::default() });
    let form = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))]);
    let wrong_client = b"grant_type=client_credentials&client_id=relay&client_secret=x";
    assert!(gate.admit(&basic("u:x"), ADDRESS).await.is_err());
    assert!(matches!(gate.token(&form, wrong_client, ADDRESS).await, TokenAnswer::Refused(_)));
    assert!(gate.approach(ADDRESS).is_ok());
    assert!(gate.serves("/", "/0123456789abcdeF", true, ADDRESS).await.is_some_and(|served| served.is_err()));
    assert!(matches!(gate.approach(ADDRESS), Err(Refusal::LockedOut { .. })));
    assert!(gate.approach("192.0.2.7".parse().expect("an address")).is_ok(), "another address");
}

#[tokio::test]
async fn who_is_elsewhere_is_not_listened_to() {
    let permit_origin = vec!["192.0.2.0/24".parse().expect("a network")];
    let gate = gate(&AuthSettings { permit_origin, ..AuthSettings::default() });
    assert!(matches!(gate.approach(ADDRESS), Err(Refusal::Forbidden { .. })));
    assert!(gate.approach("192.0.2.7".parse().expect("an address")).is_ok());
    assert!(gate.admit(&HeaderMap::new(), ADDRESS).await.is_ok(), "nobody is asked who it is");
}

#[tokio::test]
async fn what_is_asked_for_names_every_way_once() {
    let oauth2 = Way::Oauth2(token_requests::settings());
    let hmac = Way::Hmac(HmacSettings {
        secret: rotating("secret", "sixteen bytes or more", None),
        signature_header: axum::http::HeaderName::from_static("x-signature"),
        timestamp_header: axum::http::HeaderName::from_static("x-timestamp"),
        max_age: Duration::from_secs(300),
    });
    let users = [user(rotating("password", "w", None)), user(rotating("password", "x", None))];
    let ways = users.into_iter().chain([oauth2, hmac]).collect();
    let gate = gate(&AuthSettings { ways, ..AuthSettings::default() });
    let challenges = async |headers: HeaderMap| match gate.admit(&headers, ADDRESS).await.err() {
        Some(Refusal::Unauthorized { challenges }) => {
            challenges.into_iter().map(|it| it.to_str().unwrap_or("").to_owned()).collect()
        }
        _ => Vec::new(),
    };
    let (basic_is, hmac_is) = ("Basic realm=\"callspan\", charset=\"UTF-8\"", "HMAC-SHA256 realm=\"callspan\"");
    for headers in [HeaderMap::new(), basic("u:y"), basic("v:w")] {
        assert_eq!(challenges(headers).await, [basic_is, "Bearer realm=\"callspan\"", hmac_is]);
    }
    let with_token = [basic_is, "Bearer realm=\"callspan\", error=\"invalid_token\"", hmac_is];
    for token in ["", "x", "a.b.c", &"x".repeat(9_000)] {
        // One that is too long is not even looked at.
        let expected = if token.len() > 8_000 { [basic_is, "Bearer realm=\"callspan\"", hmac_is] } else { with_token };
        assert_eq!(challenges(bearer(token)).await, expected, "{}", token.len());
    }
}
