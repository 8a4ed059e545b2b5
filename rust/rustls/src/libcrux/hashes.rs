//! SHA-256, and HMAC with it.

use libcrux_traits::Digest;
use rustls::crypto::{hash, hmac};

/// SHA-256 (FIPS 180-4).
pub(super) struct Sha256;

impl hash::Hash for Sha256 {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Running(libcrux_sha2::Sha256::new()))
    }

    fn hash(&self, data: &[u8]) -> hash::Output {
        hash::Output::new(&libcrux_sha2::sha256(data))
    }

    fn output_len(&self) -> usize {
        32
    }

    fn algorithm(&self) -> hash::HashAlgorithm {
        hash::HashAlgorithm::SHA256
    }
}

/// A hash of what came so far.
struct Running(libcrux_sha2::Sha256);

impl hash::Context for Running {
    fn fork_finish(&self) -> hash::Output {
        let mut digest = [0; 32];
        self.0.finish(&mut digest);
        hash::Output::new(&digest)
    }

    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(Running(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> hash::Output {
        self.fork_finish()
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

/// HMAC with SHA-256 (RFC 2104).
pub(super) struct HmacSha256;

impl hmac::Hmac for HmacSha256 {
    fn with_key(&self, key: &[u8]) -> Box<dyn hmac::Key> {
        Box::new(HmacKey(key.to_vec()))
    }

    fn hash_output_len(&self) -> usize {
        32
    }
}

struct HmacKey(Vec<u8>);

impl hmac::Key for HmacKey {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> hmac::Tag {
        let data = [first, &middle.concat(), last].concat();
        let mut tag = [0; 32];
        libcrux_hmac::hmac(libcrux_hmac::Algorithm::Sha256, &self.0, &data, &mut tag);
        hmac::Tag::new(&tag)
    }

    fn tag_len(&self) -> usize {
        32
    }
}
