use rustls::crypto::cipher::{AeadKey, Iv};
use rustls::crypto::SupportedKxGroup;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{NamedGroup, SignatureScheme};

use super::*;

/// A key of Ed25519 in PKCS #8, of 32 octets.
fn ed25519(secret: [u8; 32]) -> PrivateKeyDer<'static> {
    let head = [0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 34, 4, 32];
    PrivatePkcs8KeyDer::from([&head[..], &secret].concat()).into()
}

#[test]
fn both_sides_of_each_group_get_the_same_secret() {
    for group in provider().kx_groups {
        let ours = group.start().unwrap();
        let theirs = group.start_and_complete(ours.pub_key()).unwrap();
        assert_eq!(theirs.group, group.name());
        let secret = ours.complete(&theirs.pub_key).unwrap();
        assert_eq!(secret.secret_bytes(), theirs.secret.secret_bytes(), "{:?}", group.name());
    }
}

#[test]
fn a_share_that_cannot_be_is_refused() {
    for group in provider().kx_groups {
        let good = group.start().unwrap().pub_key().to_vec();
        assert!(group.start_and_complete(&good[1..]).is_err(), "{:?}", group.name());
        assert!(group.start_and_complete(&[]).is_err());
        // No point of the curve, a result of zeros, an encapsulation key that is not reduced.
        assert!(group.start_and_complete(&vec![0; good.len()]).is_err(), "{:?}", group.name());
        assert!(
            group.start_and_complete(&vec![0xff; good.len()]).is_err() || group.name() == NamedGroup::X25519
        );
        let ours = group.start().unwrap();
        assert!(ours.complete(&good[..good.len() / 2]).is_err());
    }
}

#[test]
fn the_classical_half_of_the_hybrid_stands_alone_too() {
    let ours = exchange::Hybrid.start().unwrap();
    let (group, share) = ours.hybrid_component().unwrap();
    assert_eq!(group, NamedGroup::X25519);
    let theirs = exchange::X25519.start_and_complete(share).unwrap();
    let secret = ours.complete_hybrid_component(&theirs.pub_key).unwrap();
    assert_eq!(secret.secret_bytes(), theirs.secret.secret_bytes());
}

#[test]
fn what_is_signed_is_verified_and_nothing_else() {
    let provider = provider();
    let key = provider.key_provider.load_private_key(ed25519([7; 32])).unwrap();
    assert!(key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).is_none());
    let signer = key.choose_scheme(&[SignatureScheme::ED25519]).unwrap();
    let signature = signer.sign(b"a message").unwrap();
    let mut public = [0; 32];
    libcrux_ed25519::secret_to_public(&mut public, &[7; 32]);
    let (_, algorithms) = provider
        .signature_verification_algorithms
        .mapping
        .iter()
        .find(|one| one.0 == signer.scheme())
        .unwrap();
    algorithms[0].verify_signature(&public, b"a message", &signature).unwrap();
    assert!(algorithms[0].verify_signature(&public, b"another", &signature).is_err());
    assert!(algorithms[0].verify_signature(&public[1..], b"a message", &signature).is_err());
}

#[test]
fn what_is_no_key_is_an_error() {
    let PrivateKeyDer::Pkcs8(good) = ed25519([7; 32]) else { unreachable!() };
    for end in 0..good.secret_pkcs8_der().len() {
        let cut = PrivatePkcs8KeyDer::from(good.secret_pkcs8_der()[..end].to_vec());
        assert!(provider().key_provider.load_private_key(cut.into()).is_err());
    }
}

#[test]
fn octets_that_verify_nothing_are_refused() {
    let provider = provider();
    for algorithm in provider.signature_verification_algorithms.all {
        for junk in
            [&[][..], &[4], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[4; 65], &[0x30; 600]]
        {
            assert!(algorithm.verify_signature(junk, b"x", junk).is_err());
        }
    }
}

#[test]
fn keys_can_be_given_out() {
    let key = AeadKey::from([9; 32]);
    let iv = Iv::copy(&[3; 12]);
    let SupportedCipherSuite::Tls13(suite) = provider().cipher_suites[0] else { panic!("it is TLS 1.3") };
    assert!(suite.aead_alg.extract_keys(key, iv).is_ok());
}
