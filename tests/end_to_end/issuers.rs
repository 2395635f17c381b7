//! Tokens of an issuer whose keys are at a URL: they come late, are replaced, and stay in use while the URL is down.

use callspan_tests::{Issuer, KeyServer, Reply, Request, Service, records, wait_until};

/// From the first push, which comes before the issuer answers, to the last, when the issuer is down again.
#[test]
fn keys_at_a_url_are_fetched_replaced_and_kept_while_it_is_down() {
    let (issuer, server) = (Issuer::new("1"), KeyServer::start());
    let service = service(&server, "jwks_cooldown_secs: 1, jwks_max_age_secs: 1");
    let early = push(&service, &issuer);
    assert_eq!((early.status, early.json()["code"].as_str()), (503, Some("credentials_not_checked")), "{}", early.body);
    assert!(early.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|it| it > 0)));

    server.serve(Some(issuer.keys()));
    wait_until("the keys are fetched", || push(&service, &issuer).status == 200);

    // The key of another name takes the place of the first.
    let next = Issuer::new("2");
    server.serve(Some(next.keys()));
    wait_until("the new key is fetched", || push(&service, &next).status == 200);
    wait_until("the old key is forgotten", || push(&service, &issuer).status == 401);

    let asked = server.asked();
    server.serve(None);
    wait_until("it is tried again", || {
        assert_eq!(push(&service, &next).status, 200, "the last keys stay in use");
        server.asked() > asked + 1
    });
    assert!(service.log().contains("the keys of an issuer cannot be fetched"), "{}", service.log());
}

/// Whoever makes up names of keys causes one request within the cooldown, and is told what everybody is told.
#[test]
fn names_of_keys_that_are_made_up_cause_no_requests() {
    let (issuer, server) = (Issuer::new("1"), KeyServer::start());
    server.serve(Some(issuer.keys()));
    let service = service(&server, "jwks_cooldown_secs: 3600, jwks_max_age_secs: 3600");
    assert_eq!(push(&service, &issuer).status, 200);
    for number in 0..20 {
        assert_eq!(push(&service, &Issuer::new(&format!("made-up-{number}"))).status, 401);
    }
    assert_eq!(server.asked(), 1);
}

fn service(server: &KeyServer, options: &str) -> Service {
    let (issuer, audience, url) = (Issuer::NAME, Issuer::AUDIENCE, server.url());
    let auth = format!("{{ strategy: jwt, issuer: '{issuer}', audience: [{audience}], jwks_url: '{url}', {options} }}");
    let lockout = "lockout: { failures_max: 1000000 }";
    let source =
        format!("sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', {lockout}, auth: {auth} }} }}");
    Service::new().durable().config(&source).start()
}

fn push(service: &Service, issuer: &Issuer) -> Reply {
    let bearer = format!("Bearer {}", issuer.token(60));
    service.send(&Request::push(records::SEED).header("Authorization", &bearer))
}
