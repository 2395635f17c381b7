//! Whom sources let in, and whether a stranger could keep the others out.

use super::finding::{Finding, Report};
use crate::commands::Failure;
use crate::config::plan::{Plan, SourcePlan};
use crate::intake::http_server::auth::{AuthSettings, KeySource, Way, try_keys};
use std::net::SocketAddr;
use tokio::runtime::Runtime;

pub(super) fn check(plan: &Plan, runtime: &Runtime, report: &mut Report) -> Result<(), Failure> {
    for source in &plan.sources {
        let SourcePlan::HttpServer { address, settings, .. } = &source.plan else { continue };
        let check = format!("sources.{}.auth", source.name);
        report.add(who(check.clone(), *address, &settings.auth))?;
        for way in &settings.auth.ways {
            if let Way::Jwt(jwt) = way
                && matches!(jwt.keys, KeySource::Url { .. })
            {
                report.add(keys(check.clone(), runtime.block_on(try_keys(&jwt.keys))))?;
            }
        }
    }
    Ok(())
}

fn who(check: String, address: SocketAddr, auth: &AuthSettings) -> Finding {
    let is_near = address.ip().is_loopback();
    if auth.is_open() {
        let remedy = "set `auth`; or `path_secret` or `permit_origin` for senders that can show nothing";
        return match is_near {
            true => Finding::ok(check, "whoever can send to this machine's own address may push"),
            false => Finding::warning(check, format!("whoever can send to {address} may push"), remedy),
        };
    }
    if is_near && auth.trusted_proxies.is_empty() && (!auth.ways.is_empty() || auth.path_secret.is_some()) {
        return Finding::warning(
            check,
            "all who come through a proxy on this machine count as one sender: who shows wrong credentials keeps all out",
            "set `trusted_proxies: [127.0.0.1, \"::1\"]` if there is one that sets X-Forwarded-For",
        );
    }
    let is_brief = auth.ways.iter().any(|way| matches!(way, Way::Oauth2(oauth2) if oauth2.signing_key.is_none()));
    let found = if is_brief { "not everybody may push; tokens end with the process" } else { "not everybody may push" };
    Finding::ok(check, found)
}

fn keys(check: String, fetched: Result<(), String>) -> Finding {
    match fetched {
        Ok(()) => Finding::ok(check, "the keys of the issuer can be fetched"),
        Err(reason) => {
            let remedy = "correct `jwks_url`, or let this machine reach it: tokens wait for the keys";
            Finding::error(check, format!("the keys of the issuer cannot be fetched: {reason}"), remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    fn status(address: &str, auth: &AuthSettings) -> Status {
        who(String::new(), address.parse().expect("an address"), auth).status()
    }

    #[test]
    fn who_may_push_is_told_by_what_is_asked_and_from_where() {
        let open = AuthSettings::default();
        assert_eq!((status("127.0.0.1:1", &open), status("0.0.0.0:1", &open)), (Status::Ok, Status::Warning));
        let network = vec!["10.0.0.0/8".parse().expect("a network")];
        let permitted = AuthSettings { permit_origin: network.clone(), ..AuthSettings::default() };
        assert_eq!((status("127.0.0.1:1", &permitted), status("0.0.0.0:1", &permitted)), (Status::Ok, Status::Ok));
        let secret = crate::secret::SecretSource::Text(crate::secret::Secret::new("w"));
        let path_secret =
            crate::intake::http_server::auth::Rotating { option: "path_secret", current: secret, previous: None };
        let mut asked = AuthSettings { path_secret: Some(path_secret), ..AuthSettings::default() };
        assert_eq!((status("127.0.0.1:1", &asked), status("0.0.0.0:1", &asked)), (Status::Warning, Status::Ok));
        asked.trusted_proxies = network;
        assert_eq!(status("127.0.0.1:1", &asked), Status::Ok);
    }
}
