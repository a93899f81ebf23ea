//! Certificates for TLS in tests: an authority of our own, a server for this machine, and clients.
//!
//! Invariant: they exist as PEM files in a folder that only its owner may enter, and are gone with the last clone. Two
//! `Certificates` do not trust each other.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

use crate::or_fail;

/// A certificate with its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// See the module. Clones share the files.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Files>);

#[derive(Debug)]
struct Files {
    issuer: CertifiedIssuer<'static, KeyPair>,
    server: Identity,
    client: Identity,
    folder: TempDir,
}

impl Certificates {
    /// A new authority, with a server certificate for `localhost` and 127.0.0.1 and a client certificate `client`.
    ///
    /// # Panics
    /// When the files cannot be written.
    #[expect(clippy::new_without_default, reason = "it writes files, which a default would hide")]
    pub fn new() -> Self {
        or_fail(Self::create())
    }

    /// The certificate of the authority.
    pub fn authority(&self) -> PathBuf {
        self.0.folder.path().join("authority.pem")
    }

    /// What a server on this machine shows.
    pub fn server(&self) -> &Identity {
        &self.0.server
    }

    /// What a client shows whose name does not matter.
    pub fn client(&self) -> &Identity {
        &self.0.client
    }

    /// A client certificate whose common name is `name`, which Postgres can compare with a role.
    pub fn client_named(&self, name: &str) -> Identity {
        or_fail(issue(
            self.0.folder.path(),
            &self.0.issuer,
            name,
            &[],
            ExtendedKeyUsagePurpose::ClientAuth,
        ))
    }

    fn create() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sigil-certificates-").tempdir()?;
        let mut params = named("sigil test authority", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        std::fs::write(folder.path().join("authority.pem"), issuer.pem())?;
        let hosts = ["localhost", "127.0.0.1"];
        let (path, server) = (folder.path(), ExtendedKeyUsagePurpose::ServerAuth);
        let server = issue(path, &issuer, "server", &hosts, server)?;
        let client = issue(path, &issuer, "client", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self(Arc::new(Files {
            issuer,
            server,
            client,
            folder,
        })))
    }
}

fn named(name: &str, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn issue(
    folder: &Path,
    issuer: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    hosts: &[&str],
    purpose: ExtendedKeyUsagePurpose,
) -> Result<Identity> {
    let mut params = named(name, hosts)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    let identity = Identity {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key.pem")),
    };
    std::fs::write(&identity.certificate, certificate.pem())?;
    write_secret(&identity.key, &key.serialize_pem())?;
    Ok(identity)
}

/// A file that only its owner may read.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
