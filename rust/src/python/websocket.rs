//! `netkit.websocket.reader` and `build_frame`, seen from Python.

use std::cell::RefCell;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyMemoryView, PyString, PyTuple};

use super::arguments::{import, Given};
use super::masking::{key_of, masked_bytes, Unfinished};
use crate::masking::{mask_into, Key};
use crate::websocket::header;
use crate::websocket::{Error, Kind, Reader, Settings, Step, FIN, RSV1};

/// The largest limit, as `netkit.websocket.reader.MAX_LIMIT`.
const MAX_LIMIT: u64 = 1 << 62;

/// Octets that a thread keeps for the next text or buffer that it copies.
const KEPT: usize = 1 << 20;

thread_local! {
    /// Where a text is unmasked before it becomes a `str`, for all connections of a thread.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Where a buffer that may change is copied to.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads the messages that a peer sends.
#[pyclass(module = "netkit.websocket.reader")]
pub(super) struct MessageReader {
    kernel: Reader,
    is_plain: bool,
    error: Option<Py<PyAny>>,
    /// A message whose octets are written to where they end up.
    unfinished: Option<Unfinished>,
}

#[pymethods]
impl MessageReader {
    #[new]
    #[pyo3(
        signature = (
            expect_masked, *, allow_compressed = false, max_frame = Given(None), max_message = Given(None),
            max_fragments = Given(None), max_empty_fragments = Given(None)
        ),
        text_signature = "(expect_masked, *, allow_compressed=False, max_frame=16777216, \
                          max_message=16777216, max_fragments=131072, max_empty_fragments=1000)"
    )]
    fn new(
        expect_masked: bool,
        allow_compressed: bool,
        max_frame: Given<'_>,
        max_message: Given<'_>,
        max_fragments: Given<'_>,
        max_empty_fragments: Given<'_>,
    ) -> PyResult<Self> {
        let settings = Settings {
            expect_masked,
            allow_compressed,
            max_frame: limit("max_frame", &max_frame, 16 << 20)?,
            max_message: limit("max_message", &max_message, 16 << 20)?,
            max_fragments: limit("max_fragments", &max_fragments, 1 << 17)?,
            max_empty_fragments: limit("max_empty_fragments", &max_empty_fragments, 1000)?,
        };
        Ok(Self { kernel: Reader::new(settings), is_plain: true, error: None, unfinished: None })
    }

    /// What the next octets of the stream complete.
    fn feed<'py>(&mut self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = data.py();
        let found = PyList::empty(py);
        if let Ok(octets) = data.cast::<PyBytes>() {
            self.read(py, octets.as_bytes(), &found)?;
            return Ok(found);
        }
        let buffer = contiguous(data)?;
        // A copy, because a thread that has released the interpreter's lock (a `recv_into`, say) may be
        // writing to it, so that no slice of it may exist.
        INPUT.with_borrow_mut(|input| {
            let size = buffer.len_bytes();
            if input.len() < size {
                input.resize(size, 0);
            }
            buffer.copy_to_slice(py, &mut input[..size])?;
            let result = self.read(py, &input[..size], &found);
            if input.len() > KEPT {
                *input = Vec::new();
            }
            result
        })?;
        Ok(found)
    }

    /// What `feed` finds in the first octets of a buffer; of one message alone, the payload itself.
    #[allow(unsafe_code)]
    fn feed_front<'py>(
        &mut self,
        buffer: &Bound<'py, PyByteArray>,
        size: isize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = buffer.py();
        let Some(size) = usize::try_from(size).ok().filter(|&size| size <= buffer.len()) else {
            return Err(PyValueError::new_err(format!("{size} is not 0 to {} octets", buffer.len())));
        };
        INPUT.with_borrow_mut(|input| {
            if input.len() < size {
                input.resize(size, 0);
            }
            // SAFETY: the buffer has `size` octets, and nobody resizes it while the interpreter's lock is held
            // (`py`). `input` has as much room, and is no part of it. No slice of the buffer exists, as in `feed`.
            unsafe { std::ptr::copy_nonoverlapping(buffer.data().cast_const(), input.as_mut_ptr(), size) };
            self.read_front(py, &input[..size])
        })
    }

    /// What was wrong, None if nothing was.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.error.as_ref().map(|error| error.clone_ref(py))
    }

    /// Whether the last `feed` found nothing but messages that are not compressed, and no error.
    #[getter]
    fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// How many octets were read, or where the error is.
    #[getter]
    fn offset(&self) -> u64 {
        self.kernel.offset()
    }

    /// Whether a message, or a frame, is under way.
    #[getter]
    fn in_message(&self) -> bool {
        self.kernel.is_in_message()
    }

    /// How many octets of the message under way are kept.
    #[getter]
    fn buffered(&self) -> usize {
        self.kernel.buffered()
    }
}

impl MessageReader {
    fn read<'py>(&mut self, py: Python<'py>, input: &[u8], found: &Bound<'py, PyList>) -> PyResult<()> {
        self.is_plain = true;
        if self.kernel.is_stopped() {
            return Ok(());
        }
        let done = match self.kernel.step(input) {
            Ok(first) => self.read_steps(py, input, first, found)?,
            Err(error) => Err(error),
        };
        done.or_else(|error| self.fail(py, error))
    }

    /// As `read`, but for one message its payload, without a list where the input is just that.
    fn read_front<'py>(&mut self, py: Python<'py>, input: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        self.is_plain = true;
        let found = PyList::empty(py);
        if self.kernel.is_stopped() {
            return Ok(found.into_any());
        }
        let done = match self.kernel.step(input) {
            Ok((Step::Whole { opcode, start, length, key }, used)) if used == input.len() => {
                match self.whole(py, opcode, &input[start..start + length], key)? {
                    Ok(payload) => return Ok(payload),
                    Err(error) => Err(error),
                }
            }
            Ok(first) => self.read_steps(py, input, first, &found)?,
            Err(error) => Err(error),
        };
        done.or_else(|error| self.fail(py, error))?;
        if self.is_plain && found.len() == 1 {
            return found.get_item(0)?.get_item(1);
        }
        Ok(found.into_any())
    }

    /// The peer has broken a rule: nothing more is read.
    fn fail(&mut self, py: Python<'_>, error: Error) -> PyResult<()> {
        self.is_plain = false;
        self.kernel.stop(error);
        self.error = Some(exception(py, error)?);
        Ok(())
    }

    /// The payload of a message that came in one frame, and as a whole.
    fn whole<'py>(
        &self,
        py: Python<'py>,
        opcode: u8,
        payload: &[u8],
        key: Option<Key>,
    ) -> PyResult<Result<Bound<'py, PyAny>, Error>> {
        match (opcode, key) {
            (1, None) => Ok(self.text(py, payload)),
            (1, Some(key)) => Ok(TEXT.with_borrow_mut(|scratch| {
                let length = payload.len();
                if scratch.len() < length {
                    scratch.resize(length, 0);
                }
                mask_into(payload, key, &mut scratch[..length]);
                let text = self.text(py, &scratch[..length]);
                if scratch.len() > KEPT {
                    *scratch = Vec::new();
                }
                text
            })),
            (_, None) => Ok(Ok(PyBytes::new(py, payload).into_any())),
            (_, Some(key)) => Ok(Ok(masked_bytes(py, &[], payload, Some(key))?.into_any())),
        }
    }

    /// The steps that the input makes, of which the first is made. The outer result is a fault of this machine,
    /// the inner one the peer's.
    fn read_steps<'py>(
        &mut self,
        py: Python<'py>,
        input: &[u8],
        first: (Step, usize),
        found: &Bound<'py, PyList>,
    ) -> PyResult<Result<(), Error>> {
        let mut rest = input;
        let (mut step, mut used) = first;
        loop {
            match step {
                Step::NeedMore => break,
                Step::Whole { opcode, start, length, key } => {
                    match self.whole(py, opcode, &rest[start..start + length], key)? {
                        Ok(payload) => found.append((opcode_of(py, opcode)?, payload))?,
                        Err(error) => return Ok(Err(error)),
                    }
                }
                Step::Part { total, start, length, key } => {
                    let mut unfinished = match self.unfinished.take() {
                        Some(unfinished) => unfinished,
                        None => Unfinished::new(py, total)?,
                    };
                    unfinished.write(py, &rest[start..start + length], key);
                    if unfinished.is_finished() {
                        found.append((opcode_of(py, 2)?, unfinished.finish(py)))?;
                    } else {
                        self.unfinished = Some(unfinished);
                    }
                }
                Step::Message(kind) => {
                    let payload = self.kernel.payload();
                    match kind {
                        1 => found.append((opcode_of(py, 1)?, PyString::from_bytes(py, payload)?))?,
                        2 => found.append((opcode_of(py, 2)?, PyBytes::new(py, payload)))?,
                        _ => {
                            self.is_plain = false;
                            found.append((kind & (FIN | RSV1 | 0x0f), PyBytes::new(py, payload)))?;
                        }
                    }
                    self.kernel.clear();
                }
                Step::Control(opcode) => {
                    self.is_plain = false;
                    found.append((opcode_of(py, opcode)?, PyBytes::new(py, self.kernel.control())))?;
                }
            }
            rest = &rest[used..];
            (step, used) = match self.kernel.step(rest) {
                Ok(next) => next,
                Err(error) => return Ok(Err(error)),
            };
        }
        if let Some(kind) = self.kernel.compressed_piece() {
            self.is_plain = false;
            found.append((kind, PyBytes::new(py, self.kernel.payload())))?;
            self.kernel.clear();
        }
        Ok(Ok(()))
    }

    /// A text as a `str`.
    fn text<'py>(&self, py: Python<'py>, text: &[u8]) -> Result<Bound<'py, PyAny>, Error> {
        PyString::from_bytes(py, text).map(Bound::into_any).map_err(|_| self.kernel.wrong_text(text))
    }
}

/// Write a frame from its first octet and its payload (RFC 6455 section 5.2).
#[pyfunction]
#[pyo3(signature = (first, payload, key = None))]
pub(super) fn build_frame<'py>(
    first: &Bound<'py, PyAny>,
    payload: &Bound<'py, PyAny>,
    key: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = first.py();
    let Ok(octet) = first.extract::<u8>() else {
        if let Err(error) = first.extract::<i64>() {
            if !error.is_instance_of::<PyOverflowError>(py) {
                return Err(error);
            }
        }
        return Err(PyValueError::new_err(format!("the first octet is from 0 to 255, not {first}")));
    };
    if let Ok(octets) = payload.cast::<PyBytes>() {
        return framed(py, octet, octets.as_bytes(), key);
    }
    if let Ok(text) = payload.cast::<PyString>() {
        return framed(py, octet, text.to_str()?.as_bytes(), key);
    }
    framed(py, octet, &contiguous(payload)?.to_vec(py)?, key)
}

fn framed<'py>(
    py: Python<'py>,
    first: u8,
    payload: &[u8],
    key: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (mut head, mut size) = header::write(first, payload.len(), key.is_some());
    let key = key.map(key_of).transpose()?;
    if let Some(key) = key {
        head[size..size + 4].copy_from_slice(&key);
        size += 4;
    }
    masked_bytes(py, &head[..size], payload, key)
}

/// Any contiguous buffer as octets. What is none is refused by `memoryview` itself, as the Python twin does.
fn contiguous(data: &Bound<'_, PyAny>) -> PyResult<PyBuffer<u8>> {
    if let Ok(buffer) = PyBuffer::<u8>::get(data) {
        if buffer.is_c_contiguous() {
            return Ok(buffer);
        }
    }
    PyBuffer::get(&PyMemoryView::from(data)?.call_method1("cast", ("B",))?)
}

fn limit(name: &str, given: &Given<'_>, default: u64) -> PyResult<u64> {
    let Some(given) = &given.0 else { return Ok(default) };
    let value = match given.extract::<i64>() {
        Ok(value) => u64::try_from(value).ok().filter(|&value| value <= MAX_LIMIT),
        Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => None,
        Err(error) => return Err(error),
    };
    value.ok_or_else(|| PyValueError::new_err(format!("{name} must be from 0 to {MAX_LIMIT}, not {given}")))
}

/// The member of `Opcode`.
fn opcode_of(py: Python<'_>, opcode: u8) -> PyResult<Bound<'_, PyAny>> {
    static MEMBERS: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let members = MEMBERS.get_or_try_init(py, || -> PyResult<Py<PyTuple>> {
        let class = py.import("netkit.websocket.opcode")?.getattr("Opcode")?;
        let members = (0..11u8).map(|opcode| class.call1((opcode,))).collect::<PyResult<Vec<_>>>()?;
        Ok(PyTuple::new(py, members)?.unbind())
    })?;
    members.bind(py).get_item(opcode.into())
}

/// The exception for an error, which was never raised.
fn exception(py: Python<'_>, error: Error) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = import(py, &CLASS, "netkit.websocket.errors", "WebSocketError")?;
    let at = error.offset;
    let made = match error.kind {
        Kind::ReservedBitsSet { bits } => class.getattr("ReservedBitsSet")?.call1((bits, at)),
        Kind::ReservedOpcode { opcode } => class.getattr("ReservedOpcode")?.call1((opcode, at)),
        Kind::FragmentedControl { opcode } => class.getattr("FragmentedControl")?.call1((opcode, at)),
        Kind::ControlTooLong { opcode } => class.getattr("ControlTooLong")?.call1((opcode, at)),
        Kind::UnfinishedMessage { opcode } => class.getattr("UnfinishedMessage")?.call1((opcode, at)),
        Kind::UnexpectedContinuation => class.getattr("UnexpectedContinuation")?.call1((at,)),
        Kind::MaskMissing => class.getattr("MaskMissing")?.call1((at,)),
        Kind::MaskForbidden => class.getattr("MaskForbidden")?.call1((at,)),
        Kind::NonMinimalLength { length } => class.getattr("NonMinimalLength")?.call1((length, at)),
        Kind::LengthOverflow => class.getattr("LengthOverflow")?.call1((at,)),
        Kind::InvalidUtf8 { octet } => class.getattr("InvalidUtf8")?.call1((octet, at)),
        Kind::LimitExceeded { setting, limit, size } => {
            class.getattr("LimitExceeded")?.call1((setting, limit, at, size))
        }
    };
    Ok(made?.unbind())
}
