//! Sessions that a client can resume: given out one by one, and given back to another connection.
//!
//! rustls keeps sessions in a store of the configuration. Here each connection has a store of its own: what
//! is in it is the session to resume, what comes into it is what the server has given.

use std::sync::{Mutex, MutexGuard};

use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::NamedGroup;

/// A session of one server.
#[derive(Debug)]
pub enum Resumable {
    /// A session of TLS 1.2, which may be resumed more than once.
    Tls12(Tls12ClientSessionValue),
    /// A ticket of TLS 1.3.
    Tls13(Box<Tls13ClientSessionValue>),
}

impl Resumable {
    /// Another of the same, for one that may be resumed more than once.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Tls12(value) => Some(Self::Tls12(value.clone())),
            Self::Tls13(_) => None,
        }
    }

    /// How many octets of early data its server takes.
    #[must_use]
    pub fn max_early_data(&self) -> u32 {
        match self {
            Self::Tls12(_) => 0,
            Self::Tls13(ticket) => ticket.max_early_data_size(),
        }
    }
}

#[derive(Debug, Default)]
struct Kept {
    to_resume: Option<Resumable>,
    given: Vec<Resumable>,
    group: Option<NamedGroup>,
}

/// The store of one connection.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<Kept>);

impl Store {
    pub(crate) fn new(to_resume: Option<Resumable>) -> Self {
        Self(Mutex::new(Kept { to_resume, ..Kept::default() }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it holds the lock; what it holds is whole in any case.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What the server has given since the last call.
    pub(crate) fn take_given(&self) -> Vec<Resumable> {
        std::mem::take(&mut self.kept().given)
    }
}

impl ClientSessionStore for Store {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.kept().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.kept().given.push(Resumable::Tls12(value));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        match &self.kept().to_resume {
            Some(Resumable::Tls12(value)) => Some(value.clone()),
            _ => None,
        }
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.kept().to_resume = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.kept().given.push(Resumable::Tls13(Box::new(value)));
    }

    fn take_tls13_ticket(&self, _: &ServerName<'_>) -> Option<Tls13ClientSessionValue> {
        let mut kept = self.kept();
        match kept.to_resume.take() {
            Some(Resumable::Tls13(value)) => Some(*value),
            other => {
                kept.to_resume = other;
                None
            }
        }
    }
}
