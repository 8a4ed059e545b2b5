//! `netkit.http.parser.chunked`, seen from Python.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple};

use super::arguments::{import, shrunk, start, view, Given, Source};
use super::parse_errors::{again, exception, incomplete};
use crate::http::chunked::{Decoder, Limits, Step};
use crate::http::Error;

/// Octets that are copied at first of a buffer that may change; a chunk's size line is rarely longer.
const FIRST_COPY: usize = 32;

/// Data: so many octets from a place in the buffer; of their chunk, `remaining` are to follow.
#[pyclass(frozen, get_all, eq, hash, module = "netkit.http.parser.chunked")]
#[derive(PartialEq, Eq, Hash)]
pub(super) struct ChunkOutput {
    data_start: usize,
    data_len: usize,
    remaining: u64,
}

#[pymethods]
impl ChunkOutput {
    #[classattr]
    #[allow(non_upper_case_globals)]
    const __match_args__: (&str, &str, &str) = ("data_start", "data_len", "remaining");

    #[new]
    fn new(data_start: usize, data_len: usize, remaining: u64) -> Self {
        Self { data_start, data_len, remaining }
    }

    /// The data, as a view of the buffer that was fed.
    fn data<'py>(&self, buf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        view(buf, self.data_start, self.data_len)
    }

    fn __repr__(&self) -> String {
        let Self { data_start, data_len, remaining } = self;
        format!("ChunkOutput(data_start={data_start}, data_len={data_len}, remaining={remaining})")
    }
}

/// The body is complete.
#[pyclass(frozen, get_all, eq, hash, module = "netkit.http.parser.chunked")]
#[derive(PartialEq, Eq, Hash)]
pub(super) struct ChunkEnd {
    consumed: i64,
    end: usize,
}

#[pymethods]
impl ChunkEnd {
    #[classattr]
    #[allow(non_upper_case_globals)]
    const __match_args__: (&str, &str) = ("consumed", "end");

    #[new]
    fn new(consumed: i64, end: usize) -> Self {
        Self { consumed, end }
    }

    fn __repr__(&self) -> String {
        let Self { consumed, end } = self;
        format!("ChunkEnd(consumed={consumed}, end={end})")
    }
}

/// Finds the data in a chunked body, and its end.
#[pyclass(module = "netkit.http.parser.chunked")]
pub(super) struct ChunkedDecoder {
    kernel: Decoder,
    /// Where in the buffer the body begins; negative when that part of it was discarded.
    base: i64,
    /// Of the buffer that was fed last.
    size: usize,
    /// Where what is being read begins.
    line: usize,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The octets of the body, once it has ended.
    consumed: Option<i64>,
    /// Never raised itself, so that it has no traceback, whose frames may refer to this object.
    error: Option<Py<PyAny>>,
    /// What lies from `line` on, as far as it was copied, where buffers may change.
    copied: Vec<u8>,
}

impl ChunkedDecoder {
    fn begin(&mut self, start: usize) {
        self.kernel.reset();
        self.base = offset(start);
        self.size = start;
        self.line = start;
        self.trailers.clear();
        self.consumed = None;
        self.error = None;
        self.copied.clear();
    }

    fn step(&mut self, py: Python<'_>, source: &Source<'_, '_>) -> PyResult<Step> {
        let (line, size) = (self.line, self.size);
        if self.kernel.is_in_data() {
            return Ok(self.kernel.data(size - line));
        }
        let failed = |error: Error, front: &[u8]| exception(py, &error, front, line);
        if let Source::Bytes(octets) = source {
            let front = &octets[line..];
            let step = self.kernel.step(front).map_err(|error| failed(error, front))?;
            self.keep_trailer(front, step);
            return Ok(step);
        }
        let mut more = FIRST_COPY;
        loop {
            let from = line + self.copied.len();
            source.copy(from, from + more, &mut self.copied)?;
            let step = self.kernel.step(&self.copied).map_err(|error| failed(error, &self.copied))?;
            if step != Step::NeedMore || line + self.copied.len() >= size {
                let copied = std::mem::take(&mut self.copied);
                self.keep_trailer(&copied, step);
                self.copied = copied;
                return Ok(step);
            }
            more *= 2;
        }
    }

    /// Keep an error that is about to be raised.
    fn keep(&mut self, py: Python<'_>, error: PyErr) -> PyErr {
        self.error = Some(again(error.value(py)).into_value(py).into_any());
        error
    }

    fn keep_trailer(&mut self, front: &[u8], step: Step) {
        let Step::Trailer(name, value, _) = step else { return };
        let (name, value) = (name.of(front), value.of(front));
        match self.trailers.last_mut() {
            Some((_, before)) if name.is_empty() => {
                if !value.is_empty() {
                    if !before.is_empty() {
                        before.push(b' ');
                    }
                    before.extend_from_slice(value);
                }
            }
            _ => self.trailers.push((name.to_vec(), value.to_vec())),
        }
    }

    fn advance(&mut self, octets: usize) {
        self.line += octets;
        self.copied.clear();
    }

    fn ended(&self, consumed: i64) -> ChunkEnd {
        ChunkEnd { consumed, end: self.line }
    }
}

/// A place in memory as a signed number, which it always fits.
fn offset(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

#[pymethods]
impl ChunkedDecoder {
    #[new]
    #[allow(clippy::too_many_arguments)] // they are the Python twin's
    #[pyo3(
        signature = (
            *, start = Given(None), lenient = Given(None), max_chunk_size = Given(None),
            max_extension = Given(None), max_extensions_total = Given(None), max_header_line = Given(None),
            max_headers_total = Given(None), max_header_count = Given(None)
        ),
        text_signature = "(*, start=0, lenient=..., max_chunk_size=4294967295, max_extension=1024, \
                          max_extensions_total=16384, max_header_line=16384, max_headers_total=65536, \
                          max_header_count=128)"
    )]
    fn new(
        py: Python<'_>,
        start: Given<'_>,
        lenient: Given<'_>,
        max_chunk_size: Given<'_>,
        max_extension: Given<'_>,
        max_extensions_total: Given<'_>,
        max_header_line: Given<'_>,
        max_headers_total: Given<'_>,
        max_header_count: Given<'_>,
    ) -> PyResult<Self> {
        let usual = Limits::default();
        let lenient = lenient.lenient(py, 0)?;
        let limits = Limits {
            max_chunk_size: max_chunk_size.large_limit("max_chunk_size", usual.max_chunk_size)?,
            max_extension: max_extension.limit("max_extension", usual.max_extension)?,
            max_extensions_total: max_extensions_total
                .limit("max_extensions_total", usual.max_extensions_total)?,
            max_header_line: max_header_line.limit("max_header_line", usual.max_header_line)?,
            max_headers_total: max_headers_total.limit("max_headers_total", usual.max_headers_total)?,
            max_header_count: max_header_count.limit("max_header_count", usual.max_header_count)?,
        };
        let mut decoder = Self {
            kernel: Decoder::new(lenient, limits),
            base: 0,
            size: 0,
            line: 0,
            trailers: Vec::new(),
            consumed: None,
            error: None,
            copied: Vec::new(),
        };
        decoder.begin(self::start(&start)?);
        Ok(decoder)
    }

    /// Forget the body, for the next one, which begins at start of the buffer.
    #[pyo3(signature = (start = Given(None)), text_signature = "($self, start=0)")]
    fn reset(&mut self, start: Given<'_>) -> PyResult<()> {
        let start = self::start(&start)?;
        self.begin(start);
        Ok(())
    }

    /// The next thing in the buffer: some data, the end, or nothing more.
    fn feed<'py>(&mut self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        static NEED_MORE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = data.py();
        if let Some(consumed) = self.consumed {
            return Ok(Bound::new(py, self.ended(consumed))?.into_any());
        }
        if let Some(error) = &self.error {
            return Err(again(error.bind(py)));
        }
        let source = Source::new(data)?;
        if source.len() < self.size {
            return Err(shrunk(self.size, source.len()));
        }
        self.size = source.len();
        loop {
            let step = self.step(py, &source).map_err(|error| self.keep(py, error))?;
            match step {
                Step::NeedMore => {
                    return import(py, &NEED_MORE, "netkit.http.parser.progress", "CHUNK_NEED_MORE");
                }
                Step::Advance(octets) | Step::Trailer(_, _, octets) => self.advance(octets),
                Step::Data(length, remaining) => {
                    let output = ChunkOutput { data_start: self.line, data_len: length, remaining };
                    self.advance(length);
                    return Ok(Bound::new(py, output)?.into_any());
                }
                Step::End(octets) => {
                    self.advance(octets);
                    let consumed = offset(self.line) - self.base;
                    self.consumed = Some(consumed);
                    return Ok(Bound::new(py, self.ended(consumed))?.into_any());
                }
            }
        }
    }

    /// The first `count` octets of the buffer are gone: later offsets count from what is its front now.
    fn discard(&mut self, count: isize) -> PyResult<()> {
        let line = self.line;
        let Some(gone) = usize::try_from(count).ok().filter(|&count| count <= line) else {
            let message = format!("from 0 to {line} octets may be discarded, not {count}");
            return Err(PyValueError::new_err(message));
        };
        self.base -= offset(gone);
        self.size -= gone;
        self.line -= gone;
        Ok(())
    }

    /// How many octets of the buffer's front will not be looked at again.
    #[getter]
    fn safe_to_discard(&self) -> usize {
        self.line
    }

    /// The stream has ended: refuse that if the body had not.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(error) = &self.error {
            return Err(again(error.bind(py)));
        }
        if self.consumed.is_none() {
            let error = incomplete(py, self.size);
            return Err(self.keep(py, error));
        }
        Ok(())
    }

    /// The trailer fields, in order.
    #[getter]
    fn trailers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let make = import(py, &MAKE, "netkit.http.parser.progress", "make_trailer")?;
        let mut trailers = Vec::with_capacity(self.trailers.len());
        for (name, value) in &self.trailers {
            trailers.push(make.call1((PyBytes::new(py, name), PyBytes::new(py, value)))?);
        }
        PyTuple::new(py, trailers)
    }

    /// How many octets were looked at so far, those looked at twice counted twice.
    #[getter]
    fn looked_at(&self) -> u64 {
        self.kernel.looked_at()
    }
}
