//! TLS from files: our own listener, and the collector's client. rustls with ring, TLS 1.3 and whatever the build has
//! beside it.

use crate::exit::{Exit, Failure};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// What a listener shows: this chain, proven with this key.
pub fn server(cert_file: &Path, key_file: &Path) -> Result<ServerConfig, Failure> {
    let chain = certificates(cert_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| unusable(key_file, &error))?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(anyhow::Error::from)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(cert_file, &error))
}

/// A client that trusts the authorities in `ca_file`, or those of the system.
pub fn client(ca_file: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, &error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "this system has no certificate authorities: name a file with some",
        ));
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(anyhow::Error::from)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain: Vec<_> = read.map_err(|error| unusable(path, &error))?;
    if chain.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            format!("{}: no certificate in it", path.display()),
        ));
    }
    Ok(chain)
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, format!("{}: {error}", path.display()))
}
