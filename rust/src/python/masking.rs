//! `netkit.websocket.masking`, seen from Python.

use std::mem::MaybeUninit;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

use crate::masking::{copy_new, mask_in_place, mask_new, turned, Key};

/// Octets that are masked at once where they lie: a multiple of the key's length.
const PIECE: usize = 64;

/// Mask or unmask a payload, or the piece of one that has offset octets before it (RFC 6455 section 5.3).
#[pyfunction]
#[pyo3(signature = (data, key, offset = Offset(None)), text_signature = "(data, key, offset=0)")]
pub(super) fn apply_mask<'py>(
    data: &Bound<'py, PyAny>,
    key: &Bound<'py, PyAny>,
    offset: Offset<'py>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let key = turned(key_of(key)?, offset.octets()?);
    if let Ok(data) = data.cast::<PyBytes>() {
        return masked_bytes(py, &[], data.as_bytes(), Some(key));
    }
    if let Ok(data) = data.cast::<PyByteArray>() {
        let mut made = Unfinished::new(py, data.len())?;
        // SAFETY: the interpreter's lock is held until the end (`py`), so that nobody resizes it.
        #[allow(unsafe_code)]
        unsafe {
            made.write_masked(py, data.data().cast_const(), data.len(), key);
        }
        return Ok(made.finish(py));
    }
    let data = octets(data)?;
    if !data.is_c_contiguous() {
        return Err(PyTypeError::new_err("the data must be contiguous"));
    }
    let mut made = Unfinished::new(py, data.len_bytes())?;
    // SAFETY: `data` keeps so much memory where it is, and it is contiguous (which was looked at).
    #[allow(unsafe_code)]
    unsafe {
        made.write_masked(py, data.buf_ptr().cast::<u8>().cast_const(), data.len_bytes(), key);
    }
    Ok(made.finish(py))
}

/// Mask or unmask a payload where it lies, or the piece of one that has offset octets before it.
#[pyfunction]
#[pyo3(signature = (buffer, key, offset = Offset(None)), text_signature = "(buffer, key, offset=0)")]
pub(super) fn apply_mask_in_place<'py>(
    buffer: &Bound<'py, PyAny>,
    key: &Bound<'py, PyAny>,
    offset: Offset<'py>,
) -> PyResult<()> {
    let key = turned(key_of(key)?, offset.octets()?);
    if let Ok(buffer) = buffer.cast::<PyByteArray>() {
        let place = buffer.data();
        // SAFETY: the interpreter's lock is held until the end, so that nobody resizes it.
        #[allow(unsafe_code)]
        unsafe {
            mask_pieces(place.cast_const(), place, buffer.len(), key);
        }
        return Ok(());
    }
    let buffer = octets(buffer)?;
    if buffer.readonly() {
        return Err(PyTypeError::new_err("cannot modify read-only memory"));
    }
    if !buffer.is_c_contiguous() {
        return Err(PyTypeError::new_err("the buffer must be contiguous"));
    }
    let place = buffer.buf_ptr().cast::<u8>();
    // SAFETY: `buffer` keeps so much memory where it is, writable and contiguous (which was looked at).
    #[allow(unsafe_code)]
    unsafe {
        mask_pieces(place.cast_const(), place, buffer.len_bytes(), key);
    }
    Ok(())
}

/// XOR octets with the repeated key, piece by piece out of one place and into another: no slice of a buffer may
/// exist, because a thread that has released the interpreter's lock (a `recv_into`, say) may be writing to it. Of
/// a size that the compiler knows, a piece is only ever in the processor's registers.
///
/// # Safety
/// `from` is readable and `to` writable for `length` octets. They are the same place, or do not overlap.
// The pieces are read and written unaligned.
#[allow(unsafe_code, clippy::cast_ptr_alignment)]
unsafe fn mask_pieces(from: *const u8, to: *mut u8, length: usize, key: Key) {
    let whole = length - length % PIECE;
    let [a, b, c, d] = key;
    let keys = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    for at in (0..whole).step_by(PIECE) {
        // SAFETY: `at + PIECE` is not beyond `length`. Octets may have any value and stand anywhere.
        unsafe {
            let piece = from.add(at).cast::<[u64; PIECE / 8]>().read_unaligned();
            to.add(at).cast::<[u64; PIECE / 8]>().write_unaligned(piece.map(|octets| octets ^ keys));
        }
    }
    let mut rest = [0; PIECE];
    let size = length - whole;
    // SAFETY: as above; `rest` has room for `size` octets, which are fewer than PIECE, and is no part of either.
    unsafe { std::ptr::copy_nonoverlapping(from.add(whole), rest.as_mut_ptr(), size) };
    mask_in_place(&mut rest[..size], key);
    // SAFETY: as above, the other way round.
    unsafe { std::ptr::copy_nonoverlapping(rest.as_ptr(), to.add(whole), size) };
}

/// The offset as it was given, or nothing where it was left out. It is read in its turn, after the key, so
/// that of two wrong arguments both twins complain about the same one.
pub(super) struct Offset<'py>(Option<Bound<'py, PyAny>>);

impl<'py> FromPyObject<'_, 'py> for Offset<'py> {
    type Error = std::convert::Infallible;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(Some(given.to_owned())))
    }
}

impl Offset<'_> {
    /// The offset, of which only the remainder by four matters: an integer of any size is one.
    fn octets(&self) -> PyResult<usize> {
        let Some(given) = &self.0 else { return Ok(0) };
        let negative = || PyValueError::new_err("offset must not be negative");
        match given.extract::<isize>() {
            Ok(offset) => usize::try_from(offset).map_err(|_| negative()),
            Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => {
                let offset = given.call_method0("__index__")?;
                if offset.lt(0)? {
                    return Err(negative());
                }
                offset.call_method1("__and__", (3,))?.extract()
            }
            Err(error) => Err(error),
        }
    }
}

/// Bytes that are being made: some of their octets are written, nobody has seen them, and nobody can.
pub(super) struct Unfinished {
    bytes: Py<PyBytes>,
    length: usize,
    written: usize,
}

impl Unfinished {
    /// Bytes of that length, none of which is written.
    #[allow(unsafe_code)]
    pub(super) fn new(py: Python<'_>, length: usize) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(length)?;
        // SAFETY: without a source, this makes bytes of that size, whose octets are not initialised, or
        // returns NULL with an error set, which `from_owned_ptr_or_err` takes. The interpreter's lock is held
        // (`py`).
        let bytes = unsafe {
            let pointer = ffi::PyBytes_FromStringAndSize(std::ptr::null(), size);
            Bound::from_owned_ptr_or_err(py, pointer)?.cast_into_unchecked::<PyBytes>()
        };
        Ok(Self { bytes: bytes.unbind(), length, written: 0 })
    }

    /// Write the next octets, masked if there is a key.
    ///
    /// # Panics
    /// If they are more than are still to be written.
    #[allow(unsafe_code)]
    pub(super) fn write(&mut self, py: Python<'_>, octets: &[u8], key: Option<Key>) {
        assert!(octets.len() <= self.length - self.written);
        let bytes = self.bytes.bind(py);
        // SAFETY: `bytes` has `length` octets, of which those from `written` on are as many as `octets` and
        // more. Nobody else has a reference to the object (it is private here until `finish`), so that this is
        // the only one to its octets. Uninitialised ones are what MaybeUninit is for.
        let target: &mut [MaybeUninit<u8>] = unsafe {
            let start = ffi::PyBytes_AsString(bytes.as_ptr()).cast::<MaybeUninit<u8>>().add(self.written);
            std::slice::from_raw_parts_mut(start, octets.len())
        };
        // Each octet of the target is written, which `written` then counts.
        match key {
            Some(key) => mask_new(octets, key, target),
            None => copy_new(octets, target),
        }
        self.written += octets.len();
    }

    /// Write the octets at a place, masked.
    ///
    /// # Safety
    /// `source` is readable for `length` octets.
    ///
    /// # Panics
    /// If they are more than are still to be written.
    #[allow(unsafe_code)]
    unsafe fn write_masked(&mut self, py: Python<'_>, source: *const u8, length: usize, key: Key) {
        assert!(length <= self.length - self.written);
        let bytes = self.bytes.bind(py);
        // SAFETY: `source` is readable. `bytes` has so much room behind what is written, and nobody else has a
        // reference to it, as in `write`.
        unsafe {
            let target = ffi::PyBytes_AsString(bytes.as_ptr()).cast::<u8>().add(self.written);
            mask_pieces(source, target, length, key);
        }
        self.written += length;
    }

    /// Whether all octets are written.
    pub(super) fn is_finished(&self) -> bool {
        self.written == self.length
    }

    /// The bytes.
    ///
    /// # Panics
    /// If some octets are not written.
    pub(super) fn finish(self, py: Python<'_>) -> Bound<'_, PyBytes> {
        assert!(self.is_finished());
        self.bytes.into_bound(py)
    }
}

/// New bytes: a head as it is, and behind it a payload, masked if there is a key.
pub(super) fn masked_bytes<'py>(
    py: Python<'py>,
    head: &[u8],
    payload: &[u8],
    key: Option<Key>,
) -> PyResult<Bound<'py, PyBytes>> {
    // `PyBytes::new_with` would write zeros first, which takes as long as masking.
    let mut made = Unfinished::new(py, head.len() + payload.len())?;
    made.write(py, head, None);
    made.write(py, payload, key);
    Ok(made.finish(py))
}

/// The masking key in any bytes-like object.
pub(super) fn key_of(key: &Bound<'_, PyAny>) -> PyResult<Key> {
    let octets: Vec<u8>;
    let key = if let Ok(key) = key.cast::<PyBytes>() {
        key.as_bytes()
    } else {
        octets = PyMemoryView::from(key)?.call_method0("tobytes")?.extract()?;
        &octets
    };
    let wrong = |_| PyValueError::new_err(format!("a masking key is 4 bytes, not {}", key.len()));
    key.try_into().map_err(wrong)
}

/// Any contiguous buffer as octets. `memoryview` itself makes them, as in the Python twin, which also makes the
/// errors the same.
fn octets(data: &Bound<'_, PyAny>) -> PyResult<PyBuffer<u8>> {
    PyBuffer::get(&PyMemoryView::from(data)?.call_method1("cast", ("B",))?)
}
