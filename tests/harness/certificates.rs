//! Certificates for TLS, made as a test runs: a CA, and what it issues, as files in PEM.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::Path;

/// A CA with a name and a key of its own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One of this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes its certificate to `NAME.crt`.
    pub fn write(&self, folder: &Path, name: &str) {
        write(folder, &format!("{name}.crt"), &self.0.pem());
    }

    /// Issues a certificate for this host or client, and writes it to `NAME.crt` and its key to `NAME.key`.
    pub fn issue(&self, host: &str, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        write(folder, &format!("{name}.crt"), &certificate.pem());
        write(folder, &format!("{name}.key"), &key.serialize_pem());
    }
}

/// At once, as everybody should who replaces a file that others read.
fn write(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!("{name}.new"));
    std::fs::write(&new, text).expect("the folder is ours");
    std::fs::rename(new, folder.join(name)).expect("the folder is ours");
}
