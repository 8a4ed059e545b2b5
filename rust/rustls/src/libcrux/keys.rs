//! Private keys, and signatures with them: P-256, Ed25519 and RSA (PSS only).

use std::fmt;
use std::sync::Arc;

use libcrux_ecdsa::{p256 as ecdsa, DigestAlgorithm};
use libcrux_rsa::DigestAlgorithm as PssDigest;
use rustls::crypto::KeyProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::random;
use super::signatures::salt_length;

/// Reads private keys.
#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let read = match &key {
            PrivateKeyDer::Pkcs8(key) => pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(key) => sec1(key.secret_sec1_der(), None),
            PrivateKeyDer::Pkcs1(key) => pkcs1(key.secret_pkcs1_der()),
            _ => None,
        };
        let read = read.ok_or_else(|| {
            let problem = "libcrux signs with P-256, Ed25519, and RSA of 2048, 3072, 4096, 6144 or 8192 bits";
            Error::General(problem.into())
        })?;
        Ok(Arc::new(read))
    }
}

/// The content of the element of DER with this tag at the beginning of `data`, and what follows it.
fn element(data: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [first, length, rest @ ..] = data else { return None };
    if *first != tag {
        return None;
    }
    let octets = usize::from(length & 0x7f);
    if length & 0x80 == 0 {
        return rest.split_at_checked(octets);
    }
    let (length, rest) = rest.split_at_checked(octets).filter(|_| (1..=2).contains(&octets))?;
    rest.split_at_checked(length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)))
}

/// The first integers of a sequence, each as DER has it.
pub(super) fn numbers<const N: usize>(sequence: &[u8]) -> Option<[&[u8]; N]> {
    let mut fields = element(sequence, 0x30)?.0;
    let mut found: [&[u8]; N] = [&[]; N];
    for number in &mut found {
        (*number, fields) = element(fields, 0x02)?;
    }
    Some(found)
}

/// An integer of DER that is not negative, without the octet that says so.
pub(super) fn unsigned(number: &[u8]) -> &[u8] {
    number.strip_prefix(&[0]).unwrap_or(number)
}

const P256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const EC: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];
const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// A `PrivateKeyInfo` (RFC 5208 section 5).
fn pkcs8(der: &[u8]) -> Option<Key> {
    let (_version, rest) = element(element(der, 0x30)?.0, 0x02)?;
    let (algorithm, rest) = element(rest, 0x30)?;
    let (key, _attributes) = element(rest, 0x04)?;
    if algorithm == ED25519 {
        let secret = element(key, 0x04)?.0.try_into().ok()?;
        return Some(Key::Ed25519(secret));
    }
    if let Some(curve) = algorithm.strip_prefix(EC) {
        return sec1(key, Some(curve));
    }
    if algorithm.starts_with(RSA) {
        return pkcs1(key);
    }
    None
}

/// An `ECPrivateKey` (RFC 5915 section 3). `curve` is what stands outside of it.
fn sec1(der: &[u8], curve: Option<&[u8]>) -> Option<Key> {
    let (_version, rest) = element(element(der, 0x30)?.0, 0x02)?;
    let (secret, rest) = element(rest, 0x04)?;
    let curve = match curve {
        Some(curve) => curve,
        None => element(rest, 0xa0)?.0,
    };
    if curve != P256 {
        return None;
    }
    let secret: [u8; 32] = secret.try_into().ok()?;
    ecdsa::PrivateKey::try_from(&secret).ok()?; // zero, or beyond the order
    Some(Key::Ecdsa(secret))
}

/// An `RSAPrivateKey` (RFC 8017 appendix A.1.2).
fn pkcs1(der: &[u8]) -> Option<Key> {
    let [_version, modulus, public, private] = numbers(der)?;
    let (modulus, private) = (unsigned(modulus).to_vec(), unsigned(private));
    let zeros = modulus.len().checked_sub(private.len())?;
    if unsigned(public) != [1, 0, 1] || !matches!(modulus.len(), 256 | 384 | 512 | 768 | 1024) {
        return None;
    }
    let exponent = [&vec![0; zeros][..], private].concat();
    Some(Key::Rsa { modulus: modulus.into(), exponent: exponent.into() })
}

/// A private key.
#[derive(Clone)]
enum Key {
    Ecdsa([u8; 32]),
    Ed25519([u8; 32]),
    /// Both are equally long.
    Rsa {
        modulus: Arc<[u8]>,
        exponent: Arc<[u8]>,
    },
}

impl Key {
    /// The schemes, preferred first.
    fn schemes(&self) -> &'static [SignatureScheme] {
        match self {
            Self::Ecdsa(_) => &[SignatureScheme::ECDSA_NISTP256_SHA256],
            Self::Ed25519(_) => &[SignatureScheme::ED25519],
            Self::Rsa { .. } => &[
                SignatureScheme::RSA_PSS_SHA256,
                SignatureScheme::RSA_PSS_SHA384,
                SignatureScheme::RSA_PSS_SHA512,
            ],
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({:?})", self.algorithm())
    }
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes().iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(Signing { key: self.clone(), scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::Ecdsa(_) => SignatureAlgorithm::ECDSA,
            Self::Ed25519(_) => SignatureAlgorithm::ED25519,
            Self::Rsa { .. } => SignatureAlgorithm::RSA,
        }
    }
}

/// A key with the scheme that both sides have.
#[derive(Debug)]
struct Signing {
    key: Key,
    scheme: SignatureScheme,
}

impl Signer for Signing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = || Error::General("libcrux cannot sign with this key".into());
        match &self.key {
            Key::Ed25519(key) => Ok(libcrux_ed25519::sign(message, key).map_err(|_| failed())?.to_vec()),
            Key::Ecdsa(key) => {
                let key = ecdsa::PrivateKey::try_from(key).map_err(|_| failed())?;
                let mut random = rand::rngs::SysRng;
                let signature = ecdsa::rand::sign(DigestAlgorithm::Sha256, message, &key, &mut random)
                    .map_err(|_| failed())?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Key::Rsa { modulus, exponent } => {
                let digest = match self.scheme {
                    SignatureScheme::RSA_PSS_SHA384 => PssDigest::Sha2_384,
                    SignatureScheme::RSA_PSS_SHA512 => PssDigest::Sha2_512,
                    _ => PssDigest::Sha2_256,
                };
                let salt: [u8; 64] = random()?;
                let salt = &salt[..usize::from(salt_length(digest))];
                let key = libcrux_rsa::VarLenPrivateKey::from_components(modulus, exponent)
                    .map_err(|_| failed())?;
                let mut signature = vec![0; modulus.len()];
                libcrux_rsa::sign_varlen(digest, &key, message, salt, &mut signature)
                    .map_err(|_| failed())?;
                Ok(signature)
            }
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
