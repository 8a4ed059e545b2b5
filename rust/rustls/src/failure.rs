//! Why a connection failed, in words that do not change with rustls's own types.

use rustls::{Error, PeerIncompatible};

/// A failure: which kind, rustls's name for it, its words, and the number of an alert that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: Kind,
    /// rustls's name for the reason (`UnknownIssuer`, `NoCipherSuitesInCommon`).
    pub variant: String,
    /// The reason in words.
    pub words: String,
    /// The number of the alert that the peer sent.
    pub alert: Option<u8>,
}

/// The kinds of failures that a caller tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The peer sent a fatal alert.
    Alert,
    /// The peer's certificates, or a list of revoked ones, were not accepted.
    Certificate,
    /// The peer sent no certificate, and one is required.
    NoCertificate,
    /// The peer has refused the encrypted hello.
    EchRejected,
    /// The two sides have nothing in common.
    Incompatible,
    /// The peer broke a rule of the protocol.
    Misbehaved,
    /// What came cannot be read as TLS.
    Message,
    /// No application protocol in common.
    NoApplicationProtocol,
    /// A record did not decrypt.
    Decrypt,
    /// The connection ended in the middle.
    Truncated,
    /// Anything else.
    Other,
}

impl Kind {
    /// Its name for Python.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Certificate => "certificate",
            Self::NoCertificate => "no_certificate",
            Self::EchRejected => "ech_rejected",
            Self::Incompatible => "incompatible",
            Self::Misbehaved => "misbehaved",
            Self::Message => "message",
            Self::NoApplicationProtocol => "no_application_protocol",
            Self::Decrypt => "decrypt",
            Self::Truncated => "truncated",
            Self::Other => "other",
        }
    }
}

impl Failure {
    /// The end of the connection before the peer's `close_notify`.
    #[must_use]
    pub fn truncated() -> Self {
        let words = "the connection ended without close_notify".to_owned();
        Self { kind: Kind::Truncated, variant: "Truncated".to_owned(), words, alert: None }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let (kind, alert) = match error {
            Error::AlertReceived(alert) => (Kind::Alert, Some(u8::from(*alert))),
            Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_) => (Kind::Certificate, None),
            Error::NoCertificatesPresented => (Kind::NoCertificate, None),
            Error::PeerIncompatible(PeerIncompatible::ServerRejectedEncryptedClientHello(_)) => {
                (Kind::EchRejected, None)
            }
            Error::PeerIncompatible(_) => (Kind::Incompatible, None),
            Error::PeerMisbehaved(_) => (Kind::Misbehaved, None),
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerSentOversizedRecord => (Kind::Message, None),
            Error::NoApplicationProtocol => (Kind::NoApplicationProtocol, None),
            Error::DecryptError => (Kind::Decrypt, None),
            _ => (Kind::Other, None),
        };
        Self { kind, variant: variant(error), words: error.to_string(), alert }
    }
}

/// The name of the innermost reason: the first word of what it prints for developers.
fn variant(error: &Error) -> String {
    let text = match error {
        Error::InvalidCertificate(inner) => format!("{inner:?}"),
        Error::InvalidCertRevocationList(inner) => format!("{inner:?}"),
        Error::PeerIncompatible(inner) => format!("{inner:?}"),
        Error::PeerMisbehaved(inner) => format!("{inner:?}"),
        Error::InvalidMessage(inner) => format!("{inner:?}"),
        other => format!("{other:?}"),
    };
    let end = text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, CertificateError};

    #[test]
    fn each_kind_has_its_name_and_the_innermost_variant() {
        let alert = Failure::from(&Error::AlertReceived(AlertDescription::HandshakeFailure));
        assert_eq!((alert.kind, alert.alert), (Kind::Alert, Some(40)));
        let issuer = Failure::from(&Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert_eq!((issuer.kind.name(), issuer.variant.as_str()), ("certificate", "UnknownIssuer"));
        let suites = Failure::from(&Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon));
        assert_eq!((suites.kind.name(), suites.variant.as_str()), ("incompatible", "NoCipherSuitesInCommon"));
    }
}
