//! Records of TLS 1.3 under ChaCha20-Poly1305 (RFC 8446 section 5.2, RFC 8439).

use rustls::crypto::cipher::{
    make_tls13_aad, AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter,
    MessageEncrypter, Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload,
    Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

/// The length of what proves that nobody changed a record.
const TAG: usize = 16;

/// The algorithm.
pub(super) struct ChaChaPoly;

impl Tls13AeadAlgorithm for ChaChaPoly {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Direction::new(&key, iv))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Direction::new(&key, iv))
    }

    fn key_len(&self) -> usize {
        32
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Ok(ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv })
    }
}

/// The keys of one direction.
struct Direction {
    key: [u8; 32],
    iv: Iv,
}

impl Direction {
    fn new(key: &AeadKey, iv: Iv) -> Self {
        let mut octets = [0; 32];
        octets.copy_from_slice(key.as_ref()); // `key_len` says how many there are
        Self { key: octets, iv }
    }
}

impl MessageEncrypter for Direction {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let length = self.encrypted_payload_len(message.payload.len());
        let mut plain = Vec::with_capacity(length - TAG);
        message.payload.copy_to_vec(&mut plain);
        plain.push(u8::from(message.typ));
        let mut sealed = vec![0; length];
        let nonce = Nonce::new(&self.iv, sequence);
        let bound = make_tls13_aad(length);
        libcrux_chacha20poly1305::encrypt(&self.key, &plain, &mut sealed, &bound, &nonce.0)
            .map_err(|_| Error::EncryptError)?;
        let mut payload = PrefixedPayload::with_capacity(length);
        payload.extend_from_slice(&sealed);
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, payload))
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        length + 1 + TAG
    }
}

impl MessageDecrypter for Direction {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let length = message.payload.len();
        let Some(inner) = length.checked_sub(TAG) else { return Err(Error::DecryptError) };
        let mut plain = vec![0; inner];
        let nonce = Nonce::new(&self.iv, sequence);
        let bound = make_tls13_aad(length);
        libcrux_chacha20poly1305::decrypt(&self.key, &mut plain, &message.payload, &bound, &nonce.0)
            .map_err(|_| Error::DecryptError)?;
        message.payload.truncate(inner);
        message.payload.copy_from_slice(&plain);
        message.into_tls13_unpadded_message()
    }
}
