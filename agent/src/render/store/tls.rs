//! Certificates: read once, when the store is opened, so that a wrong path is said at once.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::error::Error;
use super::options::Options;

/// The PEM files that the options name, checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Pems {
    pub(super) ca: Option<Vec<u8>>,
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Pems {
    pub(super) fn read(options: &Options) -> Result<Pems, Error> {
        let ca = options.client_ca.as_deref().map(|path| read("--client-ca-keys", path)).transpose()?;
        let identity = match (&options.client_cert, &options.client_key) {
            (Some(cert), Some(key)) => Some((read("--client-cert", cert)?, read("--client-key", key)?)),
            _ => None,
        };
        let pems = Pems { ca, identity };
        // Says what is wrong with them before the first connection does.
        pems.client_config()?;
        Ok(pems)
    }

    /// For connections that we open ourselves.
    pub(super) fn client_config(&self) -> Result<ClientConfig, Error> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(pem) => {
                for certificate in certificates("--client-ca-keys", pem)? {
                    roots.add(certificate).map_err(|error| wrong("--client-ca-keys", &error))?;
                }
            }
            // Whatever the system has; a certificate there that cannot be read is the system's business.
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("TLS", &error))?
            .with_root_certificates(roots);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => {
                let chain = certificates("--client-cert", cert)?;
                let key =
                    PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong("--client-key", &error))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| wrong("--client-cert", &error))
            }
        }
    }
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::Option { option, why: format!("{}: {error}", path.display()) })
}

fn certificates(option: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| wrong(option, &error))?;
    if found.is_empty() {
        return Err(Error::Option { option, why: "there is no certificate in the file".to_owned() });
    }
    Ok(found)
}

fn wrong(option: &'static str, error: &dyn std::fmt::Display) -> Error {
    Error::Option { option, why: error.to_string() }
}
