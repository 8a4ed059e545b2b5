//! Verification of signatures: ECDSA with P-256, Ed25519 and RSA-PSS.

use libcrux_ecdsa::{p256 as ecdsa, DigestAlgorithm};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{alg_id, AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use rustls::SignatureScheme;

use super::keys::{numbers, unsigned};

/// What can be verified, and by which scheme of TLS.
pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[ECDSA, &Ed25519, PSS256, PSS384, PSS512],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[ECDSA]),
        (SignatureScheme::ED25519, &[&Ed25519]),
        (SignatureScheme::RSA_PSS_SHA256, &[PSS256]),
        (SignatureScheme::RSA_PSS_SHA384, &[PSS384]),
        (SignatureScheme::RSA_PSS_SHA512, &[PSS512]),
    ],
};

static ECDSA: &dyn SignatureVerificationAlgorithm = &Ecdsa;
static PSS256: &dyn SignatureVerificationAlgorithm = &Pss(libcrux_rsa::DigestAlgorithm::Sha2_256);
static PSS384: &dyn SignatureVerificationAlgorithm = &Pss(libcrux_rsa::DigestAlgorithm::Sha2_384);
static PSS512: &dyn SignatureVerificationAlgorithm = &Pss(libcrux_rsa::DigestAlgorithm::Sha2_512);

/// ECDSA with P-256 and SHA-256 (FIPS 186-5 section 6).
#[derive(Debug)]
struct Ecdsa;

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let [4, point @ ..] = key else { return Err(InvalidSignature) };
        let key = ecdsa::PublicKey::try_from(point).map_err(|_| InvalidSignature)?;
        let signature = ecdsa::Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        ecdsa::verify(DigestAlgorithm::Sha256, message, &signature, &key).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

/// Ed25519 (RFC 8032).
#[derive(Debug)]
struct Ed25519;

impl SignatureVerificationAlgorithm for Ed25519 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = key.try_into().map_err(|_| InvalidSignature)?;
        let signature = signature.try_into().map_err(|_| InvalidSignature)?;
        libcrux_ed25519::verify(message, key, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

/// RSASSA-PSS with a salt as long as the hash (RFC 8446 section 4.2.3); the exponent is 65537.
#[derive(Debug)]
struct Pss(libcrux_rsa::DigestAlgorithm);

impl SignatureVerificationAlgorithm for Pss {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let [modulus, exponent] = numbers(key).ok_or(InvalidSignature)?;
        if unsigned(exponent) != [1, 0, 1] {
            return Err(InvalidSignature);
        }
        let key = libcrux_rsa::VarLenPublicKey::try_from(unsigned(modulus)).map_err(|_| InvalidSignature)?;
        let salt = u32::from(salt_length(self.0));
        libcrux_rsa::verify_varlen(self.0, &key, message, salt, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.0 {
            libcrux_rsa::DigestAlgorithm::Sha2_256 => alg_id::RSA_PSS_SHA256,
            libcrux_rsa::DigestAlgorithm::Sha2_384 => alg_id::RSA_PSS_SHA384,
            libcrux_rsa::DigestAlgorithm::Sha2_512 => alg_id::RSA_PSS_SHA512,
        }
    }
}

/// How many octets of salt go with a hash.
pub(super) const fn salt_length(digest: libcrux_rsa::DigestAlgorithm) -> u8 {
    match digest {
        libcrux_rsa::DigestAlgorithm::Sha2_256 => 32,
        libcrux_rsa::DigestAlgorithm::Sha2_384 => 48,
        libcrux_rsa::DigestAlgorithm::Sha2_512 => 64,
    }
}
