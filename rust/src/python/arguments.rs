//! What the classes take: buffers, settings, methods, checked in the order and with the words of the twins.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyMemoryView, PySlice, PyString};

use crate::http::framing::Answers;
use crate::http::Lenient;

/// The largest limit, as `netkit.http.parser.framing.MAX_LIMIT`.
const MAX_LIMIT: i64 = 1 << 30;

/// An argument as it was given, or nothing where it was left out.
pub(super) struct Given<'py>(pub(super) Option<Bound<'py, PyAny>>);

impl<'py> FromPyObject<'_, 'py> for Given<'py> {
    type Error = std::convert::Infallible;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(Some(given.to_owned())))
    }
}

impl Given<'_> {
    /// A limit, from 0 to 2**30.
    pub(super) fn limit(&self, name: &str, default: u32) -> PyResult<u32> {
        let Some(given) = &self.0 else { return Ok(default) };
        let value = integer(given)?.filter(|value| (0..=MAX_LIMIT).contains(value));
        match value.and_then(|value| u32::try_from(value).ok()) {
            Some(value) => Ok(value),
            None => Err(out_of_range(name, MAX_LIMIT, given)),
        }
    }

    /// A limit of 64 bits, signed.
    pub(super) fn large_limit(&self, name: &str, default: u64) -> PyResult<u64> {
        let Some(given) = &self.0 else { return Ok(default) };
        match integer(given)?.and_then(|value| u64::try_from(value).ok()) {
            Some(value) => Ok(value),
            None => Err(out_of_range(name, i64::MAX, given)),
        }
    }

    /// What to tolerate.
    pub(super) fn lenient(&self, py: Python<'_>, default: u32) -> PyResult<Lenient> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let Some(given) = &self.0 else { return Ok(Lenient(default)) };
        if !given.is_instance(&import(py, &CLASS, "netkit.http.parser.framing", "Lenient")?)? {
            let name = given.get_type().name()?;
            return Err(PyTypeError::new_err(format!("lenient is a Lenient, not {name}")));
        }
        given.getattr("value")?.extract().map(Lenient)
    }
}

fn out_of_range(name: &str, last: i64, given: &Bound<'_, PyAny>) -> PyErr {
    PyValueError::new_err(format!("{name} must be from 0 to {last}, not {given}"))
}

/// An integer, None where it is out of the range of 64 bits.
fn integer(given: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    match given.extract() {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where in the buffer a message begins.
pub(super) fn start(given: &Given<'_>) -> PyResult<usize> {
    let Some(given) = &given.0 else { return Ok(0) };
    let start: isize = given.extract()?;
    usize::try_from(start).map_err(|_| PyValueError::new_err("start must not be negative"))
}

/// What the method that a response answers means for its body.
pub(super) fn answers(method: Option<&Bound<'_, PyAny>>) -> PyResult<Answers> {
    let Some(method) = method else { return Ok(Answers::Other) };
    let octets = if let Ok(octets) = method.cast::<PyBytes>() {
        octets.as_bytes()
    } else if let Ok(text) = method.cast::<PyString>() {
        text.to_str()?.as_bytes()
    } else {
        let name = method.get_type().name()?;
        return Err(PyTypeError::new_err(format!("a method is str or bytes, not {name}")));
    };
    Ok(match octets {
        b"HEAD" => Answers::Head,
        b"CONNECT" => Answers::Connect,
        _ => Answers::Other,
    })
}

/// A buffer that was fed.
pub(super) enum Source<'a, 'py> {
    /// It does not change, and can be read where it lies.
    Bytes(&'a [u8]),
    /// It may: a thread that has released the interpreter's lock (a `recv_into`, say) may be writing to it,
    /// so that no slice of it may exist, and what is looked at is copied out first. This is a memoryview of
    /// its octets, and their number.
    Other(Bound<'py, PyAny>, usize),
}

impl<'a, 'py> Source<'a, 'py> {
    /// The buffer; what is none is refused by `memoryview` itself, as the Python twin does it.
    pub(super) fn new(data: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(data) = data.cast::<PyBytes>() {
            return Ok(Self::Bytes(data.as_bytes()));
        }
        let view = PyMemoryView::from(data)?.call_method1("cast", ("B",))?;
        let length = view.len()?;
        Ok(Self::Other(view, length))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(octets) => octets.len(),
            Self::Other(_, length) => *length,
        }
    }

    /// Append the octets from `start` to `end`, as far as they are there.
    pub(super) fn copy(&self, start: usize, end: usize, target: &mut Vec<u8>) -> PyResult<()> {
        let end = end.min(self.len());
        let start = start.min(end);
        match self {
            Self::Bytes(octets) => target.extend_from_slice(&octets[start..end]),
            Self::Other(view, _) => {
                let part = view.get_item(slice(view.py(), start, end)?)?;
                let before = target.len();
                target.resize(before + end - start, 0);
                PyBuffer::<u8>::get(&part)?.copy_to_slice(view.py(), &mut target[before..])?;
            }
        }
        Ok(())
    }

    /// The octets from `start` to `end`, as far as they are there.
    pub(super) fn bytes(&self, py: Python<'py>, start: usize, end: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut copy = Vec::new();
        self.copy(start, end, &mut copy)?;
        Ok(PyBytes::new(py, &copy))
    }
}

/// `slice(start, end)`. Not by `PySlice::new`, which keeps a reference to each of its numbers for ever: so
/// every chunk of a peer's would have cost 64 octets that never come back.
fn slice(py: Python<'_>, start: usize, end: usize) -> PyResult<Bound<'_, PyAny>> {
    py.get_type::<PySlice>().call1((start, end))
}

/// Part of a buffer, as a view of it.
pub(super) fn view<'py>(
    buffer: &Bound<'py, PyAny>,
    start: usize,
    length: usize,
) -> PyResult<Bound<'py, PyAny>> {
    PyMemoryView::from(buffer)?.get_item(slice(buffer.py(), start, start.saturating_add(length))?)
}

/// Something of a Python module, looked up once.
pub(super) fn import<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let value = cell
        .get_or_try_init(py, || -> PyResult<Py<PyAny>> { Ok(py.import(module)?.getattr(name)?.unbind()) })?;
    Ok(value.bind(py).clone())
}

/// A buffer that shrinks is no buffer that grows.
pub(super) fn shrunk(before: usize, now: usize) -> PyErr {
    PyValueError::new_err(format!("the buffer has shrunk from {before} to {now} octets"))
}
