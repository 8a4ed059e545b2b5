//! The module `netkit._rustls`: settings, sessions and failures for Python.
//!
//! Calls that work on much data, and handshakes, leave the interpreter to others meanwhile.

use std::cell::Cell;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyList, PyMemoryView, PySlice};
use rustls::{ClientConfig, ServerConfig};

use crate::failure::Failure;
use crate::identity::Identity;
use crate::memory::Room;
use crate::provider;
use crate::resume::Resumable;
use crate::session::{Secret, Session as Inner};
use crate::settings::{ClientAuth, Ech, Settings, Trust};

pyo3::create_exception!(
    _rustls,
    TlsFailure,
    pyo3::exceptions::PyException,
    "A connection failed: its arguments are the kind, rustls's name, the number of an alert, and words."
);

/// From how many octets on the interpreter is left to others while they are worked on.
const ALONE: usize = 32_768;

/// How much is decrypted before it is copied to where it shall be: it is in the processor's cache then.
const PART: usize = 65_536;

fn invalid(what: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(what.to_string())
}

fn failed(failure: &Failure) -> PyErr {
    let Failure { kind, variant, words, alert } = failure.clone();
    TlsFailure::new_err((kind.name(), variant, alert, words))
}

/// Octets of any object that has them: those of `bytes` are used where they are, also through a view of them.
/// Others are copied, because another thread may change them.
enum Data<'py> {
    Bytes(Bound<'py, PyBytes>, Range<usize>),
    Copied(Room),
}

impl<'py> Data<'py> {
    fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            let all = 0..bytes.as_bytes().len();
            return Ok(Self::Bytes(bytes.clone(), all));
        }
        let buffer = PyBuffer::<u8>::get(object)?;
        if let Some((bytes, range)) = within_bytes(object, &buffer) {
            return Ok(Self::Bytes(bytes, range));
        }
        let mut room = Room::of(buffer.len_bytes());
        buffer.copy_to_slice(object.py(), &mut room)?;
        Ok(Self::Copied(room))
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes, range) => &bytes.as_bytes()[range.clone()],
            Self::Copied(octets) => octets,
        }
    }
}

/// The `bytes` that a view is of, and where in them it lies. None for a view of anything else.
fn within_bytes<'py>(
    object: &Bound<'py, PyAny>,
    buffer: &PyBuffer<u8>,
) -> Option<(Bound<'py, PyBytes>, Range<usize>)> {
    let view = object.cast::<PyMemoryView>().ok()?;
    let bytes = view.getattr(intern!(object.py(), "obj")).ok()?.cast_into::<PyBytes>().ok()?;
    let start = buffer.buf_ptr().addr().checked_sub(bytes.as_bytes().as_ptr().addr())?;
    let end = start.checked_add(buffer.len_bytes())?;
    (buffer.is_c_contiguous() && end <= bytes.as_bytes().len()).then_some((bytes, start..end))
}

enum Role {
    Client(Arc<ClientConfig>),
    Server(Arc<ServerConfig>),
}

/// The settings of one side, for any number of sessions.
#[pyclass(frozen, module = "netkit._rustls")]
struct Config {
    role: Role,
}

/// The keywords of `Config`: each is taken out once, and what is left over is unknown.
struct Keywords<'py>(Bound<'py, PyDict>);

impl<'py> Keywords<'py> {
    fn take<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<Option<T>> {
        let Some(value) = self.0.get_item(name)? else { return Ok(None) };
        self.0.del_item(name)?;
        value.extract().map(Some).map_err(Into::into)
    }

    fn take_or<T: FromPyObjectOwned<'py> + Default>(&self, name: &str) -> PyResult<T> {
        Ok(self.take(name)?.unwrap_or_default())
    }

    fn finish(&self) -> PyResult<()> {
        match self.0.keys().iter().next() {
            Some(unknown) => Err(invalid(format!("no setting is called {unknown}"))),
            None => Ok(()),
        }
    }
}

/// Calls a Python verifier: it gets the chain and the name, and refuses by giving False.
fn callback(verifier: Py<PyAny>) -> crate::verify::Callback {
    Box::new(move |chain, name| {
        Python::attach(|py| {
            let chain = PyList::new(py, chain.iter().map(|der| PyBytes::new(py, der)))?;
            verifier.call1(py, (chain, name))?.is_truthy(py)
        })
        .unwrap_or(false) // what a verifier raises is kept by who wrote it
    })
}

fn trust(keywords: &Keywords<'_>) -> PyResult<Trust> {
    Ok(Trust {
        judged: keywords.take_or("judged")?,
        roots: keywords.take_or("roots")?,
        lenient: keywords.take_or("lenient")?,
        distrusted: keywords.take_or("distrusted")?,
        crls: keywords.take_or("crls")?,
        callback: keywords.take::<Py<PyAny>>("verifier")?.map(callback),
    })
}

fn identity(keywords: &Keywords<'_>) -> PyResult<Option<Identity>> {
    let chain: Vec<Vec<u8>> = keywords.take_or("chain")?;
    let key = keywords.take_or("key")?;
    let ocsp = keywords.take_or("ocsp")?;
    Ok((!chain.is_empty()).then_some(Identity { chain, key, ocsp }))
}

#[pymethods]
impl Config {
    #[new]
    #[pyo3(signature = (*, server, **settings))]
    fn new(py: Python<'_>, server: bool, settings: Option<Bound<'_, PyDict>>) -> PyResult<Self> {
        let keywords = Keywords(settings.unwrap_or_else(|| PyDict::new(py)));
        let settings = Settings {
            provider: keywords.take_or("provider")?,
            wishes: provider::Wishes {
                groups: keywords.take_or("groups")?,
                suites: keywords.take_or("suites")?,
            },
            schemes: keywords.take_or("schemes")?,
            versions: (keywords.take_or("tls12")?, keywords.take_or("tls13")?),
            alpn: keywords.take_or("alpn")?,
            trust: trust(&keywords)?,
            identity: identity(&keywords)?,
            compression: keywords.take_or("compression")?,
            key_log: keywords.take_or("key_log")?,
            extraction: keywords.take_or("extraction")?,
        };
        let role = if server {
            let auth = match keywords.take_or::<String>("client_auth")?.as_str() {
                "" | "none" => ClientAuth::No,
                "optional" => ClientAuth::Optional,
                "required" => ClientAuth::Required,
                other => return Err(invalid(format!("client_auth: {other:?}"))),
            };
            let tickets = keywords.take("tickets")?;
            let early = keywords.take_or("max_early_data")?;
            let half_rtt = keywords.take_or("half_rtt")?;
            keywords.finish()?;
            let made = py.detach(|| settings.server(auth, tickets, early, half_rtt));
            Role::Server(made.map_err(invalid)?)
        } else {
            let configs: Option<Vec<u8>> = keywords.take("ech_configs")?;
            let ech = match (configs, keywords.take_or("ech_grease")?) {
                (Some(list), _) => Ech::Configs(list),
                (None, true) => Ech::Grease,
                (None, false) => Ech::No,
            };
            keywords.finish()?;
            Role::Client(py.detach(|| settings.client(ech)).map_err(invalid)?)
        };
        Ok(Self { role })
    }
}

/// A session that a client can resume: one of TLS 1.3 once.
#[pyclass(frozen, module = "netkit._rustls")]
struct Ticket(Mutex<Option<Resumable>>, u32);

impl Ticket {
    fn new(session: Resumable) -> Self {
        let early = session.max_early_data();
        Self(Mutex::new(Some(session)), early)
    }

    fn take(&self) -> Option<Resumable> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.as_ref().and_then(Resumable::again) {
            Some(again) => Some(again),
            None => kept.take(),
        }
    }
}

#[pymethods]
impl Ticket {
    #[getter]
    fn max_early_data(&self) -> u32 {
        self.1
    }
}

thread_local! {
    /// Which session this thread works for, by its address; 0 for none.
    static WORKING: Cell<usize> = const { Cell::new(0) };
}

/// While it lives, this thread works for a session.
struct Turn(usize);

impl Turn {
    fn of(session: &Session) -> Self {
        Self(WORKING.replace(session.address()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        WORKING.set(self.0);
    }
}

/// One side of a TLS connection. A thread may ask it something while another reads or writes: it waits then.
#[pyclass(frozen, module = "netkit._rustls")]
struct Session {
    inner: Mutex<Inner>,
}

impl Session {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The session, for this thread alone. Whoever waits for it leaves the interpreter to who has it.
    fn locked(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Inner>> {
        if WORKING.get() == self.address() {
            let words = "a verifier cannot use the session that has called it";
            return Err(PyRuntimeError::new_err(words));
        }
        Ok(self.inner.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner))
    }

    /// Up to `size` octets of plaintext, empty after the peer's `close_notify`, None when it needs more input.
    fn plaintext(&self, py: Python<'_>, size: usize) -> PyResult<Option<Room>> {
        let mut inner = self.locked(py)?;
        let mut room = Room::of(size.min(inner.readable()));
        let found = if inner.waiting() >= ALONE {
            drop(inner);
            self.alone(py, |inner| inner.read_into(&mut room))?
        } else {
            inner.read_into(&mut room)
        };
        let found = found.map_err(|failure| failed(&failure))?;
        Ok(found.map(|size| {
            room.cut(size);
            room
        }))
    }

    /// Work on it while the interpreter is left to others.
    fn alone<R: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Inner) -> R + Send) -> PyResult<R> {
        let mut guard = self.locked(py)?;
        let _turn = Turn::of(self);
        let inner = &mut *guard;
        Ok(py.detach(|| work(inner)))
    }
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (config, server_name = None, ticket = None))]
    fn new(config: &Config, server_name: Option<&str>, ticket: Option<&Ticket>) -> PyResult<Self> {
        let inner = match &config.role {
            Role::Client(settings) => Inner::client(settings, server_name, ticket.and_then(Ticket::take)),
            Role::Server(settings) => Inner::server(settings),
        };
        Ok(Self { inner: Mutex::new(inner.map_err(invalid)?) })
    }

    fn feed(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(bytes) = data.cast::<PyBytes>() {
            self.locked(py)?.feed(bytes.as_bytes());
            return Ok(());
        }
        let buffer = PyBuffer::<u8>::get(data)?;
        self.locked(py)?.feed_with(buffer.len_bytes(), |room| buffer.copy_to_slice(py, room))
    }

    fn feed_eof(&self, py: Python<'_>) -> PyResult<()> {
        self.locked(py)?.feed_eof();
        Ok(())
    }

    fn handshake(&self, py: Python<'_>) -> PyResult<bool> {
        self.alone(py, Inner::handshake)?.map_err(|failure| failed(&failure))
    }

    fn read<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.plaintext(py, size)?.map(|octets| PyBytes::new(py, &octets)))
    }

    fn read_into(&self, py: Python<'_>, view: &Bound<'_, PyMemoryView>) -> PyResult<Option<usize>> {
        let size = view.len()?;
        let mut taken = 0;
        loop {
            let part = (size - taken).min(PART);
            let octets = match self.plaintext(py, part) {
                Ok(Some(octets)) => octets,
                Ok(None) => return Ok((taken > 0).then_some(taken)),
                Err(_) if taken > 0 => return Ok(Some(taken)), // said at the next call
                Err(error) => return Err(error),
            };
            let end = taken + octets.len();
            let place = view.get_item(PySlice::new(py, isize::try_from(taken)?, isize::try_from(end)?, 1))?;
            PyBuffer::<u8>::get(&place)?.copy_from_slice(py, &octets)?;
            taken = end;
            if octets.len() < part || taken == size {
                return Ok(Some(taken));
            }
        }
    }

    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let data = Data::of(data)?;
        let octets = data.as_slice();
        let written = if octets.len() >= ALONE {
            self.alone(py, |inner| inner.write(octets))?
        } else {
            self.locked(py)?.write(octets)
        };
        written.map_err(|failure| failed(&failure))
    }

    fn close_notify(&self, py: Python<'_>) -> PyResult<()> {
        self.locked(py)?.close_notify();
        Ok(())
    }

    fn update_keys(&self, py: Python<'_>) -> PyResult<()> {
        self.locked(py)?.update_keys().map_err(invalid)
    }

    #[getter]
    fn pending_input(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.locked(py)?.waiting())
    }

    #[getter]
    fn pending_output(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.locked(py)?.pending_output())
    }

    #[pyo3(signature = (limit = None))]
    fn take_output<'py>(&self, py: Python<'py>, limit: Option<usize>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(self.locked(py)?.take_output(limit, |octets| PyBytes::new(py, octets)))
    }

    fn write_early(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let data = Data::of(data)?;
        self.locked(py)?.write_early(data.as_slice()).map_err(|failure| failed(&failure))
    }

    fn read_early<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.locked(py)?.read_early()))
    }

    #[getter]
    fn early_accepted(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        Ok(self.locked(py)?.early_accepted())
    }

    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<Option<u16>> {
        Ok(self.locked(py)?.version())
    }

    #[getter]
    fn suite(&self, py: Python<'_>) -> PyResult<Option<u16>> {
        Ok(self.locked(py)?.suite())
    }

    #[getter]
    fn group(&self, py: Python<'_>) -> PyResult<Option<u16>> {
        Ok(self.locked(py)?.group())
    }

    #[getter]
    fn scheme(&self, py: Python<'_>) -> PyResult<Option<u16>> {
        Ok(self.locked(py)?.scheme())
    }

    #[getter]
    fn alpn<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let inner = self.locked(py)?;
        Ok(inner.alpn().map(|name| PyBytes::new(py, name)))
    }

    #[getter]
    fn server_name(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let inner = self.locked(py)?;
        Ok(inner.server_name().map(str::to_owned))
    }

    #[getter]
    fn resumed(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        Ok(self.locked(py)?.resumed())
    }

    /// Whether the chain was accepted; None where nobody judged it in this handshake.
    #[getter]
    fn verified(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        let inner = self.locked(py)?;
        Ok(inner.verified().filter(|verified| verified.judged).map(|verified| verified.accepted))
    }

    #[getter]
    fn peer_chain<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let chain = self.locked(py)?.peer_chain();
        Ok(chain.iter().map(|der| PyBytes::new(py, der)).collect())
    }

    #[getter]
    fn ocsp<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let inner = self.locked(py)?;
        let given = inner.verified().filter(|verified| !verified.ocsp.is_empty());
        Ok(given.map(|verified| PyBytes::new(py, &verified.ocsp)))
    }

    /// The names of the authorities in a request for a client certificate; None if there was none.
    #[getter]
    fn requested<'py>(&self, py: Python<'py>) -> PyResult<Option<Vec<Bound<'py, PyBytes>>>> {
        let inner = self.locked(py)?;
        Ok(inner.requested().map(|names| names.iter().map(|name| PyBytes::new(py, name)).collect()))
    }

    fn take_tickets(&self, py: Python<'_>) -> PyResult<Vec<Ticket>> {
        Ok(self.locked(py)?.take_given().into_iter().map(Ticket::new).collect())
    }

    fn take_key_log(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.locked(py)?.take_key_log())
    }

    #[getter]
    fn ech_accepted(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        Ok(self.locked(py)?.ech_accepted())
    }

    #[getter]
    fn ech_retry_configs<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let inner = self.locked(py)?;
        Ok(inner.retry_configs().map(|list| PyBytes::new(py, list)))
    }

    #[pyo3(signature = (label, context, length))]
    fn export<'py>(
        &self,
        py: Python<'py>,
        label: &[u8],
        context: Option<&[u8]>,
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let made = self.locked(py)?.export(label, context, length);
        Ok(PyBytes::new(py, &made.map_err(invalid)?))
    }

    /// (to send, to receive, unread ciphertext); each of the first two is (cipher, key, iv, sequence).
    fn extract_secrets<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Parts<'py>, Parts<'py>, Bound<'py, PyBytes>)> {
        let made = self.locked(py)?.extract();
        let (send, receive, unread) = made.map_err(invalid)?;
        Ok((parts(py, &send), parts(py, &receive), PyBytes::new(py, &unread)))
    }
}

type Parts<'py> = (&'static str, Bound<'py, PyBytes>, Bound<'py, PyBytes>, u64);

fn parts<'py>(py: Python<'py>, secret: &Secret) -> Parts<'py> {
    (secret.cipher, PyBytes::new(py, &secret.key), PyBytes::new(py, &secret.iv), secret.sequence)
}

type Numbers = (Vec<u16>, Vec<u16>, Vec<u16>, bool);

/// What a provider has: numbers of groups, suites and schemes, and whether it says that it is a FIPS module.
#[pyfunction]
fn provider_has(name: &str) -> PyResult<Numbers> {
    let has = provider::has(name).ok_or_else(|| invalid(format!("no provider is called {name:?}")))?;
    Ok((has.groups, has.suites, has.schemes, has.fips))
}

/// What a provider says of its own version; empty where it says nothing.
#[pyfunction]
fn provider_version(name: &str) -> String {
    provider::version(name)
}

/// The version of rustls, which it does not tell: the lock file has it.
fn rustls_version() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let after = lock.split("name = \"rustls\"\nversion = \"").nth(1).unwrap_or("");
    after.split('"').next().unwrap_or("")
}

#[pymodule(gil_used = false)]
fn _rustls(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Config>()?;
    module.add_class::<Session>()?;
    module.add_class::<Ticket>()?;
    module.add("TlsFailure", module.py().get_type::<TlsFailure>())?;
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add("RUSTLS_VERSION", rustls_version())?;
    module.add("PROVIDERS", provider::NAMES.to_vec())?;
    module.add_function(wrap_pyfunction!(provider_has, module)?)?;
    module.add_function(wrap_pyfunction!(provider_version, module)?)?;
    Ok(())
}
