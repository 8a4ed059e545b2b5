//! Settings of one side, and the configuration of rustls that they make.

use std::sync::Arc;

use rustls::client::{EchMode, Resumption, WebPkiServerVerifier};
use rustls::compress::{CertCompressor, CertDecompressor};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, WebPkiClientVerifier,
};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion};

use crate::compress;
use crate::identity::{Identity, Served};
use crate::provider::{narrowed, Wishes};
use crate::slot::KeyLines;
use crate::verify::{Callback, Judge, Shown};

/// How many sessions a server keeps for clients that come back: each has some hundred octets.
pub const KEPT_SESSIONS: usize = 4096;

/// Whom a side asks for a certificate, and who judges it.
#[derive(Default)]
pub struct Trust {
    /// webpki judges chains against `roots`.
    pub judged: bool,
    /// The trusted certificates, DER.
    pub roots: Vec<Vec<u8>>,
    /// Whether a root that cannot be read is passed over, as one of a system's store is.
    pub lenient: bool,
    /// Certificates that no chain may hold, DER.
    pub distrusted: Vec<Vec<u8>>,
    /// Lists of revoked certificates, DER.
    pub crls: Vec<Vec<u8>>,
    /// Asked beside or instead of webpki.
    pub callback: Option<Callback>,
}

/// A server asks its clients for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// It does not ask.
    #[default]
    No,
    /// A client may have none.
    Optional,
    /// A client must have one.
    Required,
}

/// An encrypted hello (RFC 9849).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ech {
    /// None.
    #[default]
    No,
    /// A pretended one.
    Grease,
    /// One for these configurations: an `ECHConfigList`.
    Configs(Vec<u8>),
}

/// What both sides have.
#[derive(Default)]
pub struct Settings {
    /// The provider's name.
    pub provider: String,
    /// Groups and suites.
    pub wishes: Wishes,
    /// The signature schemes that are wanted, by IANA's number.
    pub schemes: Vec<u16>,
    /// TLS 1.2, TLS 1.3.
    pub versions: (bool, bool),
    /// Application protocols, preferred first.
    pub alpn: Vec<Vec<u8>>,
    /// Whom to trust.
    pub trust: Trust,
    /// What to show.
    pub identity: Option<Identity>,
    /// Certificate compression, preferred first.
    pub compression: Vec<String>,
    /// Whether secrets are written down.
    pub key_log: bool,
    /// Whether a session may give out its keys.
    pub extraction: bool,
}

type Compression = (Vec<&'static dyn CertCompressor>, Vec<&'static dyn CertDecompressor>);

impl Settings {
    fn enabled(&self) -> Vec<&'static SupportedProtocolVersion> {
        let all = [(self.versions.0, &TLS12), (self.versions.1, &TLS13)];
        all.into_iter().filter_map(|(wanted, version)| wanted.then_some(version)).collect()
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.iter().copied().map(SignatureScheme::from).collect()
    }

    fn judge(&mut self, provider: &Arc<CryptoProvider>, mandatory: bool) -> Judge {
        Judge {
            server: None,
            client: None,
            mandatory,
            algorithms: provider.signature_verification_algorithms,
            schemes: self.schemes(),
            distrusted: self.trust.distrusted.drain(..).collect(),
            callback: self.trust.callback.take(),
        }
    }

    fn roots(&mut self) -> Result<Arc<RootCertStore>, String> {
        let mut store = RootCertStore::empty();
        for (index, root) in self.trust.roots.drain(..).enumerate() {
            if let Err(error) = store.add(CertificateDer::from(root)) {
                if !self.trust.lenient {
                    return Err(format!("root {index}: {error}"));
                }
            }
        }
        Ok(Arc::new(store))
    }

    fn compression(&self) -> Result<Compression, String> {
        let mut both = Compression::default();
        for name in &self.compression {
            let (packer, unpacker) = compress::by_name(name).ok_or_else(|| format!("no {name:?}"))?;
            both.0.push(packer);
            both.1.push(unpacker);
        }
        Ok(both)
    }

    fn crls(&mut self) -> Vec<CertificateRevocationListDer<'static>> {
        self.trust.crls.drain(..).map(CertificateRevocationListDer::from).collect()
    }

    /// A client's configuration. The error says which setting cannot be.
    pub fn client(mut self, ech: Ech) -> Result<Arc<ClientConfig>, String> {
        let provider = narrowed(&self.provider, &self.wishes)?;
        let mut judge = self.judge(&provider, false);
        if self.trust.judged {
            let (roots, crls) = (self.roots()?, self.crls());
            let builder =
                WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).with_crls(crls);
            judge.server = Some(
                builder
                    .only_check_end_entity_revocation()
                    .enforce_revocation_expiration()
                    .build()
                    .map_err(words)?,
            );
        }
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = match mode(ech, &self.provider)? {
            Some(mode) => builder.with_ech(mode).map_err(words)?,
            None => builder.with_protocol_versions(&self.enabled()).map_err(words)?,
        };
        let shown = match &self.identity {
            Some(identity) => Some(identity.certified(&provider, &self.schemes())?),
            None => None,
        };
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge))
            .with_client_cert_resolver(Arc::new(Shown(shown)));
        config.alpn_protocols = std::mem::take(&mut self.alpn);
        config.resumption = Resumption::disabled();
        config.enable_secret_extraction = self.extraction;
        (config.cert_compressors, config.cert_decompressors) = self.compression()?;
        if self.key_log {
            config.key_log = Arc::new(KeyLines);
        }
        Ok(Arc::new(config))
    }

    /// A server's configuration: `tickets` are sent after a handshake, and `max_early_data` octets of 0-RTT
    /// are taken with each. With `half_rtt`, what is written after the server's Finished does not wait for the
    /// client's (RFC 8446 section 4.4.4). The error says which setting cannot be.
    pub fn server(
        mut self,
        auth: ClientAuth,
        tickets: Option<usize>,
        max_early_data: u32,
        half_rtt: bool,
    ) -> Result<Arc<ServerConfig>, String> {
        let provider = narrowed(&self.provider, &self.wishes)?;
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(&self.enabled()).map_err(words)?;
        let builder = if auth == ClientAuth::No {
            builder.with_no_client_auth()
        } else {
            let mut judge = self.judge(&provider, auth == ClientAuth::Required);
            if self.trust.judged {
                let (roots, crls) = (self.roots()?, self.crls());
                let builder =
                    WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).with_crls(crls);
                judge.client = Some(
                    builder
                        .only_check_end_entity_revocation()
                        .enforce_revocation_expiration()
                        .build()
                        .map_err(words)?,
                );
            }
            builder.with_client_cert_verifier(Arc::new(judge))
        };
        let identity = self.identity.as_ref().ok_or("a server needs a certificate and its key")?;
        let certified = identity.certified(&provider, &self.schemes())?;
        let mut config = builder.with_cert_resolver(Arc::new(Served(certified)));
        config.alpn_protocols = std::mem::take(&mut self.alpn);
        config.max_early_data_size = max_early_data;
        config.send_half_rtt_data = half_rtt;
        if let Some(count) = tickets {
            config.send_tls13_tickets = count;
        }
        if tickets == Some(0) {
            config.session_storage = Arc::new(NoServerSessionStorage {});
        } else if max_early_data > 0 {
            // A session that is kept here is taken out once: that is what refuses a replay of early data
            // (RFC 8446 section 8.1).
            config.session_storage = ServerSessionMemoryCache::new(KEPT_SESSIONS);
        } else {
            if let Some(ticketer) = ticketer(&self.provider).transpose()? {
                config.ticketer = ticketer;
            }
            config.session_storage = ServerSessionMemoryCache::new(KEPT_SESSIONS);
        }
        config.enable_secret_extraction = self.extraction;
        (config.cert_compressors, config.cert_decompressors) = self.compression()?;
        if self.key_log {
            config.key_log = Arc::new(KeyLines);
        }
        Ok(Arc::new(config))
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What makes tickets that hold the session; None where the provider has nothing to encrypt them with: tickets
/// are names of sessions that the server keeps then.
fn ticketer(provider: &str) -> Option<Result<Arc<dyn ProducesTickets>, String>> {
    match provider {
        #[cfg(feature = "aws-lc")]
        crate::provider::AWS_LC => Some(rustls::crypto::aws_lc_rs::Ticketer::new().map_err(words)),
        _ => None,
    }
}

fn mode(ech: Ech, provider: &str) -> Result<Option<EchMode>, String> {
    if ech == Ech::No {
        return Ok(None);
    }
    match provider {
        #[cfg(feature = "aws-lc")]
        crate::provider::AWS_LC => encrypted(ech),
        _ => Err(format!("{provider} has no HPKE, which an encrypted hello needs")),
    }
}

#[cfg(feature = "aws-lc")]
fn encrypted(ech: Ech) -> Result<Option<EchMode>, String> {
    use rustls::client::{EchConfig, EchGreaseConfig};
    use rustls::crypto::aws_lc_rs::hpke;
    use rustls::crypto::hpke::Hpke;

    match ech {
        Ech::No => Ok(None),
        Ech::Configs(list) => {
            let config = EchConfig::new(list.into(), hpke::ALL_SUPPORTED_SUITES).map_err(words)?;
            Ok(Some(EchMode::Enable(config)))
        }
        Ech::Grease => {
            let suite = hpke::DH_KEM_X25519_HKDF_SHA256_AES_128;
            let (public, _private) = suite.generate_key_pair().map_err(words)?;
            Ok(Some(EchMode::Grease(EchGreaseConfig::new(suite, public))))
        }
    }
}
