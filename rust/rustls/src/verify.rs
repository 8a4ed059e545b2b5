//! Who judges the peer's chain: webpki, a callback of the caller, or nobody; what is found goes to the slot.
//!
//! That the peer holds the key of its certificate is verified whatever the policy.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme,
};

use crate::slot;

/// What came of a chain.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// The peer's certificates in DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// The stapled OCSP response, empty if there is none.
    pub ocsp: Vec<u8>,
    /// Whether anybody judged the chain.
    pub judged: bool,
    /// Whether it was accepted, or nobody judged.
    pub accepted: bool,
}

/// A caller's verifier: it gets the chain and the name, and says whether it accepts.
pub type Callback = Box<dyn Fn(&[Vec<u8>], Option<&str>) -> bool + Send + Sync>;

/// The verifier of one configuration, on either side.
pub struct Judge {
    /// Judges a server's chain and name.
    pub server: Option<Arc<WebPkiServerVerifier>>,
    /// Judges a client's chain.
    pub client: Option<Arc<dyn ClientCertVerifier>>,
    /// Whether a client must have a certificate.
    pub mandatory: bool,
    /// What signatures can be verified.
    pub algorithms: WebPkiSupportedAlgorithms,
    /// The signature schemes that are wanted, preferred first; empty for all.
    pub schemes: Vec<SignatureScheme>,
    /// Certificates that no chain may hold.
    pub distrusted: HashSet<Vec<u8>>,
    /// Asked beside or instead of webpki.
    pub callback: Option<Callback>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Judge").field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}

impl Judge {
    fn settle(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: Option<&str>,
        ocsp: &[u8],
        judgement: Option<Result<(), Error>>,
    ) -> Result<(), Error> {
        let chain: Vec<Vec<u8>> = std::iter::once(leaf).chain(rest).map(|one| one.to_vec()).collect();
        let judged = judgement.is_some() || self.callback.is_some();
        let mut outcome = judgement.unwrap_or(Ok(()));
        if judged && outcome.is_ok() && chain.iter().any(|one| self.distrusted.contains(one)) {
            outcome = Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        if let Some(callback) = &self.callback {
            if outcome.is_ok() && !callback(&chain, name) {
                outcome = Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
            }
        }
        let verified = Verified { chain, ocsp: ocsp.to_vec(), judged, accepted: outcome.is_ok() };
        slot::with(|slot| slot.verified = Some(verified));
        outcome
    }

    fn wanted(&self) -> Vec<SignatureScheme> {
        let all = self.algorithms.supported_schemes();
        if self.schemes.is_empty() {
            return all;
        }
        self.schemes.iter().copied().filter(|scheme| all.contains(scheme)).collect()
    }

    /// Note the scheme of a signature; refuse one that was not offered.
    fn note(&self, signed: &DigitallySignedStruct) -> Result<(), Error> {
        slot::with(|slot| slot.scheme = Some(signed.scheme.into()));
        if self.schemes.is_empty() || self.schemes.contains(&signed.scheme) {
            return Ok(());
        }
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judgement = self.server.as_ref().map(|verifier| {
            verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map(|_| ())
        });
        let name = server_name.to_str();
        self.settle(end_entity, intermediates, Some(&name), ocsp_response, judgement)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(dss)?;
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(dss)?;
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.wanted()
    }
}

impl ClientCertVerifier for Judge {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.client.as_ref().map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let judgement = self
            .client
            .as_ref()
            .map(|verifier| verifier.verify_client_cert(end_entity, intermediates, now).map(|_| ()));
        let name = slot::with(|slot| slot.server_name.clone());
        self.settle(end_entity, intermediates, name.as_deref(), &[], judgement)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(dss)?;
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(dss)?;
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.wanted()
    }
}

/// A client's certificate, or none; notes that a server asked for one.
#[derive(Debug)]
pub(crate) struct Shown(pub(crate) Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let names = root_hint_subjects.iter().map(|name| name.to_vec()).collect();
        slot::with(|slot| slot.requested = Some(names));
        self.0.clone().filter(|shown| shown.key.choose_scheme(sigschemes).is_some())
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
