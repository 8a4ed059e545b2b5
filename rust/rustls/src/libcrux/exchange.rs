//! Key exchange: X25519, P-256, and X25519 beside ML-KEM-768.

use libcrux_ml_kem::mlkem768;
use libcrux_p256::ecdh_api::EcdhArrayref;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

use super::random;

const BAD_SHARE: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// X25519 (RFC 7748).
#[derive(Debug)]
pub(super) struct X25519;

/// ECDH over P-256 (RFC 8446 section 4.2.8.2).
#[derive(Debug)]
pub(super) struct P256;

/// `X25519MLKEM768` (draft-ietf-tls-ecdhe-mlkem): the share of ML-KEM stands before that of X25519.
#[derive(Debug)]
pub(super) struct Hybrid;

struct X25519Secret {
    secret: [u8; 32],
    public: [u8; 32],
}

impl X25519Secret {
    fn new() -> Result<Self, Error> {
        let secret = random()?;
        let mut public = [0; 32];
        libcrux_curve25519::secret_to_public(&mut public, &secret);
        Ok(Self { secret, public })
    }

    fn shared(&self, peer: &[u8]) -> Result<[u8; 32], Error> {
        let peer = peer.try_into().map_err(|_| BAD_SHARE)?;
        let mut shared = [0; 32];
        // A result of zeros is an error here too (RFC 8446 section 7.4.2).
        libcrux_curve25519::ecdh(&mut shared, peer, &self.secret).map_err(|_| BAD_SHARE)?;
        Ok(shared)
    }
}

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(X25519Secret::new()?))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

impl ActiveKeyExchange for X25519Secret {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from(&self.shared(peer)?[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

struct P256Secret {
    secret: [u8; 32],
    public: [u8; 65],
}

impl SupportedKxGroup for P256 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        // Of the numbers below 2^256 about one in 2^32 is no secret of the curve: another one is drawn then.
        for _ in 0..16 {
            let secret: [u8; 32] = random()?;
            let mut point = [0; 64];
            if libcrux_p256::P256::secret_to_public(&mut point, &secret).is_ok() {
                let mut public = [4; 65];
                public[1..].copy_from_slice(&point);
                return Ok(Box::new(P256Secret { secret, public }));
            }
        }
        Err(Error::FailedToGetRandomBytes)
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

impl ActiveKeyExchange for P256Secret {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let [4, point @ ..] = peer else { return Err(BAD_SHARE) };
        let point: &[u8; 64] = point.try_into().map_err(|_| BAD_SHARE)?;
        let mut shared = [0; 64];
        // A point off the curve is an error here.
        libcrux_p256::P256::derive_ecdh(&mut shared, point, &self.secret).map_err(|_| BAD_SHARE)?;
        Ok(SharedSecret::from(&shared[..32])) // the x coordinate
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

/// The length of an encapsulation key of ML-KEM-768, and of a ciphertext.
const KEY: usize = 1184;
const CIPHERTEXT: usize = 1088;

struct HybridSecret {
    private: mlkem768::MlKem768PrivateKey,
    classical: X25519Secret,
    share: Vec<u8>,
}

impl SupportedKxGroup for Hybrid {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let (private, public) = mlkem768::generate_key_pair(random()?).into_parts();
        let classical = X25519Secret::new()?;
        let share = [public.as_ref(), &classical.public[..]].concat();
        Ok(Box::new(HybridSecret { private, classical, share }))
    }

    fn start_and_complete(&self, peer: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (key, point) = peer.split_at_checked(KEY).ok_or(BAD_SHARE)?;
        let key = mlkem768::MlKem768PublicKey::try_from(key).map_err(|_| BAD_SHARE)?;
        if !mlkem768::validate_public_key(&key) {
            return Err(BAD_SHARE); // FIPS 203 section 7.2
        }
        let (ciphertext, secret) = mlkem768::encapsulate(&key, random()?);
        let classical = X25519Secret::new()?;
        Ok(CompletedKeyExchange {
            group: NamedGroup::X25519MLKEM768,
            pub_key: [ciphertext.as_ref(), &classical.public[..]].concat(),
            secret: SharedSecret::from(&[secret, classical.shared(point)?].concat()[..]),
        })
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

impl ActiveKeyExchange for HybridSecret {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, point) = peer.split_at_checked(CIPHERTEXT).ok_or(BAD_SHARE)?;
        let ciphertext = mlkem768::MlKem768Ciphertext::try_from(ciphertext).map_err(|_| BAD_SHARE)?;
        let secret = mlkem768::decapsulate(&self.private, &ciphertext);
        Ok(SharedSecret::from(&[secret, self.classical.shared(point)?].concat()[..]))
    }

    // The half of X25519 is offered by itself too, without another key.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((NamedGroup::X25519, &self.classical.public))
    }

    fn complete_hybrid_component(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from(&self.classical.shared(peer)?[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}
