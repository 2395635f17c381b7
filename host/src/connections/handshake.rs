//! Why a sender and a listener did not come to terms on TLS, in few words: what an operator can do something about.

use rustls::Error;
use std::io;

/// Each has a word for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It took too long.
    Slow,
    /// The other side went away.
    BrokenOff,
    /// What came is no TLS, as where somebody speaks plain HTTP.
    NotTls,
    /// Both speak TLS, and have no version, no cipher or no protocol in common.
    Incompatible,
    /// The sender shows no certificate, and has to.
    NoCertificate,
    /// The sender's certificate is not one that is accepted.
    WrongCertificate,
    /// The sender does not want to go on, as when it does not trust our certificate.
    Declined,
    Other,
}

impl Failure {
    /// What an error of the handshake means.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => Self::of_tls(error),
            None if error.kind() == io::ErrorKind::InvalidData => Self::Other,
            None => Self::BrokenOff,
        }
    }

    fn of_tls(error: &Error) -> Self {
        match error {
            Error::InvalidMessage(_) => Self::NotTls,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Self::Incompatible,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(_) => Self::WrongCertificate,
            Error::AlertReceived(_) => Self::Declined,
            _ => Self::Other,
        }
    }

    /// As metrics call it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Slow => "timeout",
            Self::BrokenOff => "broken_off",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::NoCertificate => "no_certificate",
            Self::WrongCertificate => "wrong_certificate",
            Self::Declined => "declined",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

    #[test]
    fn each_error_is_of_one_class() {
        let of_tls = |error: Error| Failure::of(&io::Error::new(io::ErrorKind::InvalidData, error)).reason();
        assert_eq!(of_tls(Error::InvalidMessage(InvalidMessage::InvalidContentType)), "not_tls");
        assert_eq!(of_tls(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)), "incompatible");
        assert_eq!(of_tls(Error::NoApplicationProtocol), "incompatible");
        assert_eq!(of_tls(Error::NoCertificatesPresented), "no_certificate");
        assert_eq!(of_tls(Error::InvalidCertificate(CertificateError::UnknownIssuer)), "wrong_certificate");
        assert_eq!(of_tls(Error::AlertReceived(AlertDescription::UnknownCA)), "declined");
        assert_eq!(of_tls(Error::DecryptError), "other");
        assert_eq!(Failure::of(&io::ErrorKind::UnexpectedEof.into()).reason(), "broken_off");
        assert_eq!(Failure::of(&io::ErrorKind::ConnectionReset.into()).reason(), "broken_off");
    }
}
