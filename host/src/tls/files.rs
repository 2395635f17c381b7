//! Certificates and keys, as they stand in files.

use crate::setting_file::{SettingFile, Unusable};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error, RootCertStore};

/// Who we show that we are.
pub struct Identity {
    /// Our certificate, and those between it and its CA.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// The CAs whose certificates a file holds.
///
/// # Errors
/// When it holds none, or one that cannot be understood.
pub fn roots(file: &SettingFile) -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|_| file.unusable("the file holds a certificate that cannot be understood"))?;
    }
    Ok(roots)
}

/// All certificates of a file; at least one. What else stands in it is passed over.
fn certificates(file: &SettingFile) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let bytes = file.read()?;
    // What the reader says of an error may hold a line of the file.
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>().ok();
    certificates.filter(|certificates| !certificates.is_empty()).ok_or_else(|| {
        file.unusable("the file holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")
    })
}

/// A certificate of ours and its key. Whether the two belong together is not looked at.
///
/// # Errors
/// Everything that is wrong with the two files.
pub fn identity(certificate_file: &SettingFile, key_file: &SettingFile) -> Result<Identity, Vec<Unusable>> {
    // One that has expired is used all the same: whether it is accepted is for the other side to say, and records are taken
    // in meanwhile.
    match (certificates(certificate_file), key(key_file)) {
        (Ok(certificates), Ok(key)) => Ok(Identity { certificates, key }),
        (certificates, key) => Err(certificates.err().into_iter().chain(key.err()).collect()),
    }
}

fn key(file: &SettingFile) -> Result<PrivateKeyDer<'static>, Unusable> {
    let bytes = file.read()?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let is_encrypted = bytes.windows(9).any(|word| word == b"ENCRYPTED");
        file.unusable(if is_encrypted {
            "the key is encrypted; `openssl pkey -in FILE -out NEW` decrypts it"
        } else {
            "the file holds no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"
        })
    })
}

/// The roots that this machine trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
///
/// # Errors
/// When it has none.
pub fn system_roots() -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let problem = "this machine has no certificates of CAs; install them (ca-certificates), or name a file here";
        return Err(Unusable { name: "tls.ca_file".to_owned(), problem: problem.to_owned() });
    }
    Ok(roots)
}

/// What is wrong with a key that does not fit to its certificate.
#[must_use]
pub fn mismatched(key_file: &SettingFile, error: &Error) -> Unusable {
    match error {
        Error::InconsistentKeys(_) => key_file.unusable("the key is not that of the certificate"),
        error => key_file.unusable(&format!("the certificate and its key cannot be used: {error}")),
    }
}
