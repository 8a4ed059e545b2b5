//! Providers of cryptography, by name, with the groups, suites and schemes that a configuration wants.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{CipherSuite, NamedGroup, SignatureScheme};

/// The names of the providers that this build has.
pub const NAMES: &[&str] = &[
    #[cfg(feature = "aws-lc")]
    AWS_LC,
    #[cfg(feature = "libcrux")]
    "libcrux",
];

/// What this build's AWS-LC is called: with the feature `fips`, it is another library.
#[cfg(feature = "aws-lc")]
pub const AWS_LC: &str = if cfg!(feature = "fips") { "aws-lc-fips" } else { "aws-lc" };

/// What a configuration wants of a provider; empty lists leave what the provider prefers.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The groups of the key exchange, preferred first, by IANA's number.
    pub groups: Vec<u16>,
    /// The suites of both generations, preferred first, by IANA's number.
    pub suites: Vec<u16>,
}

/// A provider by its name; None where this build has it not.
#[must_use]
pub fn by_name(name: &str) -> Option<CryptoProvider> {
    match name {
        #[cfg(feature = "aws-lc")]
        AWS_LC => {
            let mut provider = rustls::crypto::aws_lc_rs::default_provider();
            // The groups that are not preferred by default can still be asked for; the module has fewer.
            let more =
                if cfg!(feature = "fips") { &[][..] } else { rustls::crypto::aws_lc_rs::ALL_KX_GROUPS };
            for group in more {
                if provider.kx_groups.iter().all(|known| known.name() != group.name()) {
                    provider.kx_groups.push(*group);
                }
            }
            Some(provider)
        }
        #[cfg(feature = "libcrux")]
        "libcrux" => Some(crate::libcrux::provider()),
        _ => None,
    }
}

/// What the provider says of its own version; empty where it says nothing.
#[must_use]
pub fn version(name: &str) -> String {
    match name {
        #[cfg(feature = "fips")]
        AWS_LC => {
            let module = aws_lc_rs::fips_version()
                .map_or_else(String::new, |number| format!(", FIPS module {number}"));
            format!("{}{module}", aws_lc_rs::awslc_version())
        }
        _ => String::new(),
    }
}

/// How many groups are offered where no setting says which: the rest only on demand.
fn preferred(name: &str) -> usize {
    match name {
        #[cfg(feature = "aws-lc")]
        AWS_LC => rustls::crypto::aws_lc_rs::default_provider().kx_groups.len(),
        _ => usize::MAX,
    }
}

/// The provider `name` as a configuration wants it. The error says what it has not.
pub fn narrowed(name: &str, wishes: &Wishes) -> Result<Arc<CryptoProvider>, String> {
    let mut provider = by_name(name).ok_or_else(|| format!("no provider is called {name:?}"))?;
    if wishes.groups.is_empty() {
        provider.kx_groups.truncate(preferred(name));
    } else {
        let all = std::mem::take(&mut provider.kx_groups);
        for number in &wishes.groups {
            let found = all.iter().find(|group| u16::from(group.name()) == *number);
            let found = found.ok_or_else(|| format!("no group {:?}", NamedGroup::from(*number)))?;
            provider.kx_groups.push(*found);
        }
    }
    if !wishes.suites.is_empty() {
        let all = std::mem::take(&mut provider.cipher_suites);
        for number in &wishes.suites {
            let found = all.iter().find(|suite| u16::from(suite.suite()) == *number);
            let found = found.ok_or_else(|| format!("no suite {:?}", CipherSuite::from(*number)))?;
            provider.cipher_suites.push(*found);
        }
    }
    Ok(Arc::new(provider))
}

/// What a provider has, by IANA's numbers.
#[derive(Debug)]
pub struct Has {
    /// Groups of the key exchange.
    pub groups: Vec<u16>,
    /// Cipher suites.
    pub suites: Vec<u16>,
    /// Signature schemes.
    pub schemes: Vec<u16>,
    /// Whether it says of itself that it is a FIPS module. That is no evidence of a certificate.
    pub fips: bool,
}

/// What the provider `name` has.
#[must_use]
pub fn has(name: &str) -> Option<Has> {
    let provider = by_name(name)?;
    Some(Has {
        groups: provider.kx_groups.iter().map(|group| group.name().into()).collect(),
        suites: provider.cipher_suites.iter().map(|suite| suite.suite().into()).collect(),
        schemes: schemes(&provider.signature_verification_algorithms),
        fips: provider.fips(),
    })
}

fn schemes(algorithms: &WebPkiSupportedAlgorithms) -> Vec<u16> {
    algorithms.supported_schemes().into_iter().map(SignatureScheme::into).collect()
}

#[cfg(all(test, feature = "aws-lc", not(feature = "fips")))]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_all_there_is_and_in_that_order() {
        let wishes = Wishes { groups: vec![24, 29], suites: vec![0x1303] };
        let provider = narrowed("aws-lc", &wishes).unwrap();
        let groups: Vec<u16> = provider.kx_groups.iter().map(|group| group.name().into()).collect();
        assert_eq!(groups, [24, 29]);
        assert_eq!(provider.cipher_suites.len(), 1);
    }

    #[test]
    fn post_quantum_comes_first_by_default() {
        let provider = narrowed("aws-lc", &Wishes::default()).unwrap();
        assert_eq!(u16::from(provider.kx_groups[0].name()), 0x11ec);
    }

    #[test]
    fn what_it_has_not_is_said() {
        let wishes = Wishes { groups: vec![30], ..Wishes::default() };
        assert_eq!(narrowed("aws-lc", &wishes).unwrap_err(), "no group X448");
        assert!(narrowed("nss", &Wishes::default()).unwrap_err().contains("nss"));
        assert!(has("nss").is_none());
    }
}
