//! What clients ask for, and what they are told (RFC 6749, sections 4.4, 5.1 and 5.2).

use super::*;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};

pub(in super::super) fn settings() -> Oauth2Settings {
    let client_secret = rotating("client_secret", "s=c&r t", Some("before"));
    Oauth2Settings {
        token_path: "/oauth/token".to_owned(),
        token_lifetime: Duration::from_secs(60),
        signing_key: None,
        clients: vec![ClientSettings { client_id: "relay".to_owned(), client_secret }],
    }
}

fn form() -> HeaderMap {
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
    HeaderMap::from_iter([(CONTENT_TYPE, kind)])
}

fn with_user(text: &str) -> HeaderMap {
    let mut headers = form();
    headers.extend(basic(text).into_iter().filter_map(|(name, value)| Some((name?, value))));
    headers
}

async fn ask(gate: &Gate, headers: &HeaderMap, body: &str) -> (u16, serde_json::Value, HeaderMap) {
    let answer = gate.token(headers, body.as_bytes(), ADDRESS).await.into_response();
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, 10_000).await.expect("it is in memory");
    assert_eq!(head.headers[CACHE_CONTROL], "no-store");
    (head.status.as_u16(), serde_json::from_slice(&body).expect("JSON"), head.headers)
}

fn gate_with_clients() -> Gate {
    gate(&AuthSettings { ways: vec![Way::Oauth2(settings())], ..AuthSettings::default() })
}

#[tokio::test]
async fn a_client_gets_a_token_that_lets_its_pushes_in() {
    let gate = gate_with_clients();
    let in_form = "grant_type=client_credentials&client_id=relay&client_secret=s%3Dc%26r+t";
    for (headers, body) in [
        (form(), in_form.to_owned()),
        (form(), format!("{in_form}&scope=push")),
        (form(), format!("{in_form}&scope=&unknown=1")),
        (form(), in_form.replace("s%3Dc%26r+t", "before")),
        (with_user("relay:s=c&r t"), "grant_type=client_credentials".to_owned()),
        (with_user("relay:s%3Dc%26r+t"), "grant_type=client_credentials".to_owned()),
    ] {
        let (status, answer, _) = ask(&gate, &headers, &body).await;
        assert_eq!(status, 200, "{body}: {answer}");
        assert_eq!(
            (&answer["token_type"], &answer["expires_in"], &answer["scope"]),
            (&"Bearer".into(), &60.into(), &"push".into())
        );
        let token = answer["access_token"].as_str().expect("a text");
        assert!(gate.admit(&bearer(token), ADDRESS).await.is_ok());
    }
    assert!(gate.gives_tokens_at("/oauth/token") && !gate.gives_tokens_at("/"));
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_words_of_the_protocol() {
    let gate = gate_with_clients();
    let client = "client_id=relay&client_secret=before";
    let grant = "grant_type=client_credentials";
    let mut bearer_too = form();
    bearer_too.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    for (headers, body, status, error) in [
        (HeaderMap::new(), format!("{grant}&{client}"), 400, "invalid_request"),
        (form(), client.to_owned(), 400, "invalid_request"),
        (form(), format!("{grant}&{grant}&{client}"), 400, "invalid_request"),
        (form(), format!("{grant}&{client}&client_secret=before"), 400, "invalid_request"),
        (with_user("relay:before"), format!("{grant}&{client}"), 400, "invalid_request"),
        (with_user("relay:before"), format!("{grant}&client_id=relay"), 400, "invalid_request"),
        (form(), format!("grant_type=password&{client}"), 400, "unsupported_grant_type"),
        (form(), format!("{grant}&{client}&scope=push+pull"), 400, "invalid_scope"),
        (form(), grant.to_owned(), 401, "invalid_client"),
        (form(), format!("{grant}&client_id=relay"), 401, "invalid_client"),
        (form(), format!("{grant}&client_id=relay&client_secret=wrong"), 401, "invalid_client"),
        (form(), format!("{grant}&client_id=other&client_secret=before"), 401, "invalid_client"),
        (form(), "grant_type=password&client_id=relay&client_secret=wrong".to_owned(), 401, "invalid_client"),
        (with_user("relay:wrong"), grant.to_owned(), 401, "invalid_client"),
        (with_user("no-colon"), grant.to_owned(), 401, "invalid_client"),
        (bearer_too, grant.to_owned(), 401, "invalid_client"),
    ] {
        let (answered, answer, headers) = ask(&gate, &headers, &body).await;
        assert_eq!((answered, answer["error"].as_str()), (status, Some(error)), "{body}: {answer}");
        assert_eq!(headers.contains_key(WWW_AUTHENTICATE), status == 401, "{body}");
    }
}
