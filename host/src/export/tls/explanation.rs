//! What it means that no TLS connection came about, and what is to be done. The libraries' own words name neither.

use rustls::{CertificateError, Error as TlsError};
use std::error::Error;
use std::io;

/// So do failures begin that a backend tells us of, also where a library has kept the words alone.
const ALERT: &str = "received fatal alert: ";

/// None where something else than TLS has failed. `words` are those of the error and of all that lies below it.
pub(in crate::export) fn explanation(error: &dyn Error, words: &str) -> Option<String> {
    match tls_error(error) {
        Some(TlsError::AlertReceived(alert)) => Some(of_alert(&format!("{alert:?}"))),
        Some(TlsError::InvalidCertificate(problem)) => Some(of_certificate(problem)),
        Some(TlsError::PeerIncompatible(problem)) => Some(format!(
            "the backend and callspan have no version or cipher of TLS in common ({problem:?}); see tls.min_version"
        )),
        Some(TlsError::InvalidMessage(_)) => {
            Some("the backend does not speak TLS at this address; it may be one for http://".to_owned())
        }
        Some(error) => Some(format!("TLS failed: {error}")),
        None => {
            let (_, alert) = words.split_once(ALERT)?;
            Some(of_alert(alert.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default()))
        }
    }
}

/// The first error of rustls below this one.
fn tls_error(error: &dyn Error) -> Option<&TlsError> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of an I/O error is not what it holds, but the source of that.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

fn of_certificate(problem: &CertificateError) -> String {
    use CertificateError as Problem;
    match problem {
        Problem::UnknownIssuer | Problem::BadSignature => "the backend's certificate is signed by no CA that is \
            trusted here; set tls.ca_file to the certificate of its CA"
            .to_owned(),
        Problem::Expired | Problem::ExpiredContext { .. } => {
            "the backend's certificate has expired; it has to be renewed there".to_owned()
        }
        Problem::NotValidYet | Problem::NotValidYetContext { .. } => {
            "the backend's certificate is not valid yet; compare the clocks of both machines".to_owned()
        }
        Problem::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().take(3).map(|name| bare(name)).collect();
            let expected = expected.to_str();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!(
                "the backend's certificate is not for {expected}, but for {names}; set tls.server_name to a name that it is for"
            )
        }
        Problem::NotValidForName => {
            "the backend's certificate is for another name; set tls.server_name to one that it is for".to_owned()
        }
        problem => format!("the backend's certificate cannot be accepted: {problem}"),
    }
}

/// `DnsName("otlp.example")` without what stands around the name.
fn bare(name: &str) -> &str {
    let name = name.split_once('(').map_or(name, |(_, name)| name.trim_end_matches(')'));
    name.trim_matches('"')
}

/// By the name of the alert (RFC 8446, section 6.2).
fn of_alert(alert: &str) -> String {
    match alert {
        "CertificateRequired" => "the backend wants a client certificate; set tls.crt_file and tls.key_file".to_owned(),
        "BadCertificate"
        | "UnsupportedCertificate"
        | "CertificateRevoked"
        | "CertificateExpired"
        | "CertificateUnknown"
        | "UnknownCA"
        | "UnknownCa"
        | "AccessDenied"
        | "DecryptError" => format!(
            "the backend refused the client certificate ({alert}); see tls.crt_file, and which CAs the backend trusts"
        ),
        "HandshakeFailure" => format!(
            "the backend broke TLS off ({alert}); it may want a client certificate (tls.crt_file) or another cipher"
        ),
        "ProtocolVersion" => {
            "the backend speaks no version of TLS that is allowed here; see tls.min_version".to_owned()
        }
        "NoApplicationProtocol" => {
            "the backend does not speak this protocol at this address; see `protocol`".to_owned()
        }
        "UnrecognisedName" | "UnrecognizedName" => {
            "the backend knows no such name; set tls.server_name to one that it is for".to_owned()
        }
        alert => format!("the backend broke TLS off ({alert})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::AlertDescription;
    use rustls::pki_types::ServerName;

    #[derive(Debug, thiserror::Error)]
    #[error("connection error")]
    struct Above(#[source] io::Error);

    fn explained(error: TlsError) -> String {
        // As the libraries wrap it.
        let error = Above(io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error)));
        explanation(&error, "").expect("it is one of TLS")
    }

    #[test]
    fn each_failure_says_which_option_mends_it() {
        let name = ServerName::try_from("otlp.example").expect("a name");
        let presented = vec!["DnsName(\"tempo.example\")".to_owned(), "IpAddress(10.0.0.1)".to_owned()];
        for (error, expected) in [
            (TlsError::InvalidCertificate(CertificateError::UnknownIssuer), "tls.ca_file"),
            (TlsError::InvalidCertificate(CertificateError::Expired), "renewed there"),
            (TlsError::InvalidCertificate(CertificateError::NotValidYet), "clocks"),
            (
                TlsError::InvalidCertificate(CertificateError::NotValidForNameContext { expected: name, presented }),
                "not for otlp.example, but for tempo.example, 10.0.0.1; set tls.server_name",
            ),
            (TlsError::AlertReceived(AlertDescription::CertificateRequired), "tls.crt_file and tls.key_file"),
            (TlsError::AlertReceived(AlertDescription::UnknownCA), "refused the client certificate (UnknownCA)"),
            (TlsError::AlertReceived(AlertDescription::CertificateExpired), "refused the client certificate"),
            (TlsError::AlertReceived(AlertDescription::HandshakeFailure), "tls.crt_file"),
            (TlsError::AlertReceived(AlertDescription::ProtocolVersion), "tls.min_version"),
            (TlsError::AlertReceived(AlertDescription::UnrecognisedName), "tls.server_name"),
            (TlsError::AlertReceived(AlertDescription::InternalError), "broke TLS off (InternalError)"),
        ] {
            let words = explained(error);
            assert!(words.contains(expected), "{words}");
        }
    }

    #[test]
    fn an_alert_is_told_by_its_words_where_they_are_all_that_is_left() {
        let words = "transport error: connection error: received fatal alert: CertificateRequired";
        let error = Above(io::Error::other("words"));
        assert!(explanation(&error, words).is_some_and(|words| words.contains("wants a client certificate")));
        assert_eq!(explanation(&error, "connection refused"), None);
    }
}
