//! A provider over libcrux: TLS 1.3 with code that was extracted from proofs (HACL*, and Rust that hax checks).
//!
//! Experimental, and never in the wheel. It has what libcrux calls verified, and nothing else: X25519, P-256 and
//! ML-KEM-768 for the key exchange, ChaCha20-Poly1305 for records, SHA-2 with HMAC and HKDF, and ECDSA P-256,
//! Ed25519 and RSA-PSS for signatures. It lacks AES-GCM, P-384 and RSA PKCS #1 v1.5. Most chains of the public
//! web need one of the last two, so another judges chains (`Trust::callback`).

mod exchange;
mod hashes;
mod keys;
mod records;
mod signatures;

use rand::TryRng;
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, GetRandomFailed, SecureRandom};
use rustls::{CipherSuite, Error, SupportedCipherSuite, Tls13CipherSuite};

/// The provider.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![SupportedCipherSuite::Tls13(&SUITE)],
        kx_groups: vec![&exchange::Hybrid, &exchange::X25519, &exchange::P256],
        signature_verification_algorithms: signatures::ALGORITHMS,
        secure_random: &System,
        key_provider: &keys::Keys,
    }
}

static SUITE: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        hash_provider: &hashes::Sha256,
        // RFC 8446 section 5.5: the sequence number wraps first.
        confidentiality_limit: u64::MAX,
    },
    hkdf_provider: &HkdfUsingHmac(&hashes::HmacSha256),
    aead_alg: &records::ChaChaPoly,
    quic: None,
};

/// The operating system's generator.
#[derive(Debug)]
struct System;

impl SecureRandom for System {
    fn fill(&self, octets: &mut [u8]) -> Result<(), GetRandomFailed> {
        rand::rngs::SysRng.try_fill_bytes(octets).map_err(|_| GetRandomFailed)
    }
}

/// Octets that nobody can guess.
fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut octets = [0; N];
    System.fill(&mut octets).map_err(|_| Error::FailedToGetRandomBytes)?;
    Ok(octets)
}

#[cfg(test)]
mod tests;
