//! A certificate with its chain and key.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::slot;

/// What one side shows of itself, in DER.
#[derive(Debug, Default)]
pub struct Identity {
    /// The certificates, its own first.
    pub chain: Vec<Vec<u8>>,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: Vec<u8>,
    /// A stapled OCSP response; empty for none.
    pub ocsp: Vec<u8>,
}

impl Identity {
    /// In rustls's form; signs with `schemes` only, if there are any. The error says why it cannot be used.
    pub fn certified(
        &self,
        provider: &CryptoProvider,
        schemes: &[SignatureScheme],
    ) -> Result<Arc<CertifiedKey>, String> {
        let key = PrivateKeyDer::try_from(self.key.clone()).map_err(str::to_owned)?;
        let chain = self.chain.iter().cloned().map(CertificateDer::from).collect();
        let mut made = CertifiedKey::from_der(chain, key, provider).map_err(|error| error.to_string())?;
        if !self.ocsp.is_empty() {
            made.ocsp = Some(self.ocsp.clone());
        }
        if !schemes.is_empty() {
            made.key = Arc::new(Limited { inner: made.key, schemes: schemes.to_vec() });
        }
        Ok(Arc::new(made))
    }
}

/// A key that signs with some schemes only.
#[derive(Debug)]
struct Limited {
    inner: Arc<dyn SigningKey>,
    schemes: Vec<SignatureScheme>,
}

impl SigningKey for Limited {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let both: Vec<_> = offered.iter().copied().filter(|scheme| self.schemes.contains(scheme)).collect();
        self.inner.choose_scheme(&both)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
}

/// A server's certificate, for every name; notes the name that the client asks for.
#[derive(Debug)]
pub(crate) struct Served(pub(crate) Arc<CertifiedKey>);

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        slot::with(|slot| slot.server_name = hello.server_name().map(str::to_owned));
        Some(self.0.clone())
    }
}
