//! `netkit.http.parser.head`, seen from Python.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple, PyType};

use super::arguments::{answers, import, shrunk, start, view, Given, Source};
use super::parse_errors::{again, exception, incomplete};
use crate::http::head::{Head, Limits, Parser, StartLine, TargetForm};
use crate::http::{Framing, Lenient, Span};

/// Octets that are copied at first of a buffer that may change; a head is rarely longer.
const FIRST_COPY: usize = 2048;

/// How many header fields of the last message are kept, and the octets of the longest line and name among them.
const KEPT_FIELDS: usize = 32;
const KEPT_OCTETS: usize = 256;

/// Where a header field is in the buffer: the octets of its name, and of its value.
#[pyclass(frozen, get_all, eq, hash, module = "netkit.http.parser.head")]
#[derive(PartialEq, Eq, Hash)]
pub(super) struct HeaderView {
    key_start: usize,
    key_len: usize,
    value_start: usize,
    value_len: usize,
}

#[pymethods]
impl HeaderView {
    #[classattr]
    #[allow(non_upper_case_globals)]
    const __match_args__: (&str, &str, &str, &str) = ("key_start", "key_len", "value_start", "value_len");

    #[new]
    fn new(key_start: usize, key_len: usize, value_start: usize, value_len: usize) -> Self {
        Self { key_start, key_len, value_start, value_len }
    }

    /// The name as it was sent, as a view of the buffer that was fed.
    fn key<'py>(&self, buf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        view(buf, self.key_start, self.key_len)
    }

    /// The value without the whitespace around it, as a view of the buffer that was fed.
    fn value<'py>(&self, buf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        view(buf, self.value_start, self.value_len)
    }

    fn __repr__(&self) -> String {
        let Self { key_start, key_len, value_start, value_len } = self;
        format!(
            "HeaderView(key_start={key_start}, key_len={key_len}, \
             value_start={value_start}, value_len={value_len})"
        )
    }
}

/// The head of the message is complete.
#[pyclass(frozen, get_all, eq, hash, module = "netkit.http.parser.head")]
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Done {
    consumed: usize,
    body_start: usize,
    body_len: Option<u64>,
    framing: Framing,
    framing_conflict: bool,
}

#[pymethods]
impl Done {
    #[classattr]
    #[allow(non_upper_case_globals)]
    const __match_args__: (&str, &str, &str, &str, &str) =
        ("consumed", "body_start", "body_len", "framing", "framing_conflict");

    #[new]
    #[pyo3(signature = (consumed, body_start, body_len, framing, framing_conflict))]
    fn new(
        consumed: usize,
        body_start: usize,
        body_len: Option<u64>,
        framing: Framing,
        framing_conflict: bool,
    ) -> Self {
        Self { consumed, body_start, body_len, framing, framing_conflict }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Self { consumed, body_start, .. } = self;
        let length = self.body_len.map_or_else(|| "None".to_owned(), |length| length.to_string());
        let framing = self.framing.into_pyobject(py)?.repr()?;
        let conflict = if self.framing_conflict { "True" } else { "False" };
        Ok(format!(
            "Done(consumed={consumed}, body_start={body_start}, body_len={length}, framing={framing}, \
             framing_conflict={conflict})"
        ))
    }
}

/// The members of an enumeration of the Python twin, in the order of these names.
fn members<const N: usize>(
    py: Python<'_>,
    cell: &'static PyOnceLock<[Py<PyAny>; N]>,
    class: &str,
    names: [&str; N],
) -> PyResult<&'static [Py<PyAny>; N]> {
    cell.get_or_try_init(py, || {
        let class = py.import("netkit.http.parser.framing")?.getattr(class)?;
        let mut found = Vec::with_capacity(N);
        for name in names {
            found.push(class.getattr(name)?.unbind());
        }
        found.try_into().map_err(|_| PyTypeError::new_err("not all members"))
    })
}

static FRAMINGS: PyOnceLock<[Py<PyAny>; 4]> = PyOnceLock::new();

fn framings(py: Python<'_>) -> PyResult<&'static [Py<PyAny>; 4]> {
    members(py, &FRAMINGS, "Framing", ["NONE", "LENGTH", "CHUNKED", "UNTIL_CLOSE"])
}

impl<'py> IntoPyObject<'py> for Framing {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(framings(py)?[self as usize].bind(py).clone())
    }
}

impl<'py> IntoPyObject<'py> for &Framing {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        (*self).into_pyobject(py)
    }
}

impl FromPyObject<'_, '_> for Framing {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let all = [Self::None, Self::Length, Self::Chunked, Self::UntilClose];
        for (member, framing) in framings(given.py())?.iter().zip(all) {
            if given.is(member) {
                return Ok(framing);
            }
        }
        Err(PyTypeError::new_err("framing is a Framing"))
    }
}

/// Reads the heads of requests, or of responses, one after another.
#[pyclass(module = "netkit.http.parser.head")]
pub(super) struct HttpParser {
    kernel: Parser,
    /// Where in the buffer the message begins.
    start: usize,
    /// Of the buffer that was fed last.
    size: usize,
    done: Option<Py<Done>>,
    /// Never raised itself, so that it has no traceback, whose frames may refer to this object.
    error: Option<Py<PyAny>>,
    /// The message from its start, as far as it was copied, where buffers may change.
    copied: Vec<u8>,
    /// How many octets of the message the kernel has seen, copied or not.
    seen: usize,
    /// What `items` made of the last message, by the place of each field.
    kept: Vec<Kept>,
}

/// A header field that `items` has made. A peer sends nearly the same fields with every message of a
/// connection, so the same objects serve again, which takes a fraction of the time of making them.
struct Kept {
    /// The octets from the name to the end of the value; the name alone where they are many.
    line: Vec<u8>,
    name_len: usize,
    name: Py<PyBytes>,
    pair: Option<Py<PyTuple>>,
}

/// What is to be parsed; responses with the method that they answer, as it was given.
enum Messages<'a, 'py> {
    Requests,
    Responses(Option<&'a Bound<'py, PyAny>>),
}

impl HttpParser {
    fn build(
        py: Python<'_>,
        messages: Messages<'_, '_>,
        lenient: &Given<'_>,
        [request_line, header_line, headers_total, header_count]: [&Given<'_>; 4],
    ) -> PyResult<Self> {
        let default = match messages {
            Messages::Requests => 0,
            Messages::Responses(_) => Lenient::MISSING_REASON,
        };
        let lenient = lenient.lenient(py, default)?;
        let usual = Limits::default();
        let limits = Limits {
            max_request_line: request_line.limit("max_request_line", usual.max_request_line)?,
            max_header_line: header_line.limit("max_header_line", usual.max_header_line)?,
            max_headers_total: headers_total.limit("max_headers_total", usual.max_headers_total)?,
            max_header_count: header_count.limit("max_header_count", usual.max_header_count)?,
        };
        let answers = match messages {
            Messages::Requests => None,
            Messages::Responses(method) => Some(answers(method)?),
        };
        let kernel = Parser::new(answers, lenient, limits);
        Ok(Self {
            kernel,
            start: 0,
            size: 0,
            done: None,
            error: None,
            copied: Vec::new(),
            seen: 0,
            kept: Vec::new(),
        })
    }

    /// The fields as a list of pairs; `message` is the buffer from where the message begins.
    fn pairs<'py>(&mut self, py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let folds = self.kernel.lenient().has(Lenient::OBS_FOLD);
        let kept = &mut self.kept;
        let made = self.kernel.fields().iter().enumerate().map(|(place, field)| {
            // The buffer may be another than the one that was fed, and shorter.
            let end = |offset: u32| message.len().min(offset as usize);
            let line = &message[end(field.name)..end(field.value_end)];
            let name_len = end(field.name_end) - end(field.name);
            let value = &message[end(field.value)..end(field.value_end)];
            pair(py, kept, place, line, name_len, value, folds)
        });
        // Collected first: a list cannot be made of what may fail.
        let made = made.collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, made)
    }

    /// Feed the kernel, with a copy where there is no other way.
    fn parse(&mut self, py: Python<'_>, source: &Source<'_, '_>) -> PyResult<Option<Head>> {
        let (start, size) = (self.start, self.size);
        if let Source::Bytes(octets) = source {
            let message = &octets[start..];
            self.seen = message.len();
            return self.kernel.feed(message).map_err(|error| exception(py, &error, message, start));
        }
        // What the kernel has seen in a `bytes` was not copied: it must not get less than that now.
        let mut step = FIRST_COPY.max(self.seen.saturating_sub(self.copied.len()));
        loop {
            let from = start + self.copied.len();
            source.copy(from, from + step, &mut self.copied)?;
            self.seen = self.copied.len();
            match self.kernel.feed(&self.copied) {
                Ok(None) if start + self.copied.len() < size => step *= 2,
                Ok(head) => return Ok(head),
                Err(error) => return Err(exception(py, &error, &self.copied, start)),
            }
        }
    }

    /// Keep an error that is about to be raised.
    fn keep(&mut self, py: Python<'_>, error: PyErr) -> PyErr {
        self.error = Some(again(error.value(py)).into_value(py).into_any());
        error
    }

    fn part<'py>(
        &self,
        buf: &Bound<'py, PyAny>,
        name: &str,
        choose: impl FnOnce(&StartLine) -> Option<Span>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        match self.kernel.start_line().and_then(choose) {
            Some(span) => Source::new(buf)?.bytes(buf.py(), self.start + span.start, self.start + span.end),
            None => Err(PyValueError::new_err(format!("no {name} was read"))),
        }
    }
}

#[pymethods]
impl HttpParser {
    #[new]
    fn new() -> PyResult<Self> {
        Err(PyTypeError::new_err("use HttpParser.request() or HttpParser.response()"))
    }

    /// A parser of requests, for a server.
    #[classmethod]
    #[pyo3(
        signature = (
            *, lenient = Given(None), max_request_line = Given(None), max_header_line = Given(None),
            max_headers_total = Given(None), max_header_count = Given(None)
        ),
        text_signature = "($cls, *, lenient=..., max_request_line=8192, max_header_line=16384, \
                          max_headers_total=65536, max_header_count=128)"
    )]
    fn request<'py>(
        cls: &Bound<'py, PyType>,
        lenient: Given<'py>,
        max_request_line: Given<'py>,
        max_header_line: Given<'py>,
        max_headers_total: Given<'py>,
        max_header_count: Given<'py>,
    ) -> PyResult<Self> {
        let limits = [&max_request_line, &max_header_line, &max_headers_total, &max_header_count];
        Self::build(cls.py(), Messages::Requests, &lenient, limits)
    }

    /// A parser of responses, for a client.
    #[classmethod]
    #[pyo3(
        signature = (
            *, request_method = None, lenient = Given(None), max_request_line = Given(None),
            max_header_line = Given(None), max_headers_total = Given(None), max_header_count = Given(None)
        ),
        text_signature = "($cls, *, request_method=None, lenient=..., max_request_line=8192, \
                          max_header_line=16384, max_headers_total=65536, max_header_count=128)"
    )]
    fn response<'py>(
        cls: &Bound<'py, PyType>,
        request_method: Option<Bound<'py, PyAny>>,
        lenient: Given<'py>,
        max_request_line: Given<'py>,
        max_header_line: Given<'py>,
        max_headers_total: Given<'py>,
        max_header_count: Given<'py>,
    ) -> PyResult<Self> {
        let limits = [&max_request_line, &max_header_line, &max_headers_total, &max_header_count];
        Self::build(cls.py(), Messages::Responses(request_method.as_ref()), &lenient, limits)
    }

    /// Forget the message, for the next one.
    #[pyo3(
        signature = (start = Given(None), *, request_method = None),
        text_signature = "($self, start=0, *, request_method=None)"
    )]
    fn reset(&mut self, start: Given<'_>, request_method: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let start = self::start(&start)?;
        let answers = if self.kernel.is_request() { None } else { Some(answers(request_method)?) };
        self.kernel.reset(answers);
        self.start = start;
        self.size = start;
        self.done = None;
        self.error = None;
        self.copied.clear();
        self.seen = 0;
        Ok(())
    }

    /// Read on.
    fn feed<'py>(&mut self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        static NEED_MORE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = data.py();
        if let Some(done) = &self.done {
            return Ok(done.bind(py).clone().into_any());
        }
        if let Some(error) = &self.error {
            return Err(again(error.bind(py)));
        }
        let source = Source::new(data)?;
        if source.len() < self.size {
            return Err(shrunk(self.size, source.len()));
        }
        self.size = source.len();
        let head = self.parse(py, &source).map_err(|error| self.keep(py, error))?;
        let Some(head) = head else {
            return import(py, &NEED_MORE, "netkit.http.parser.progress", "NEED_MORE");
        };
        let done = Bound::new(
            py,
            Done {
                consumed: head.consumed,
                body_start: self.start + head.consumed,
                body_len: head.body_len,
                framing: head.framing,
                framing_conflict: head.framing_conflict,
            },
        )?;
        self.done = Some(done.clone().unbind());
        Ok(done.into_any())
    }

    /// The stream has ended: refuse that inside a message's head.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(error) = &self.error {
            return Err(again(error.bind(py)));
        }
        if self.done.is_none() && self.kernel.has_begun(self.size - self.start) {
            let error = incomplete(py, self.size);
            return Err(self.keep(py, error));
        }
        Ok(())
    }

    /// Where each header field is, in order.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let start = self.start;
        PyTuple::new(
            py,
            self.kernel.fields().iter().map(|field| HeaderView {
                key_start: start + field.name as usize,
                key_len: (field.name_end - field.name) as usize,
                value_start: start + field.value as usize,
                value_len: (field.value_end - field.value) as usize,
            }),
        )
    }

    /// Every header as a name, in the case it was sent in, and a value; a fold in it becomes a space.
    fn items<'py>(&mut self, buf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = buf.py();
        let source = Source::new(buf)?;
        if let Source::Bytes(octets) = source {
            return self.pairs(py, octets.get(self.start..).unwrap_or_default());
        }
        let end = self.kernel.fields().last().map_or(0, |field| field.value_end as usize);
        let mut octets = Vec::with_capacity(end);
        source.copy(self.start, self.start + end, &mut octets)?;
        self.pairs(py, &octets)
    }

    /// Status, version, reason, items and persistence of a complete response, in one call.
    #[allow(clippy::type_complexity)] // a tuple of what the methods return
    fn received_head<'py>(
        &mut self,
        buf: &Bound<'py, PyAny>,
    ) -> PyResult<(u16, Bound<'py, PyTuple>, Bound<'py, PyBytes>, Bound<'py, PyList>, bool)> {
        let py = buf.py();
        let (Some(&StartLine::Status { reason, code, minor, .. }), Some(_)) =
            (self.kernel.start_line(), &self.done)
        else {
            return Err(PyValueError::new_err("no head of a response was read"));
        };
        let source = Source::new(buf)?;
        let copy: Vec<u8>;
        let message = if let Source::Bytes(octets) = source {
            octets.get(self.start..).unwrap_or_default()
        } else {
            let end = self.kernel.fields().last().map_or(reason.end, |field| field.value_end as usize);
            let mut octets = Vec::with_capacity(end);
            source.copy(self.start, self.start + end, &mut octets)?;
            copy = octets;
            &copy
        };
        let persists = self.kernel.persists(message);
        let end = message.len().min(reason.end);
        let reason = PyBytes::new(py, &message[end.min(reason.start)..end]);
        Ok((code, version(py, minor)?, reason, self.pairs(py, message)?, persists))
    }

    /// The parts of the start line by name, each with its start and its length; empty before it was read.
    #[getter]
    fn start_line<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parts = match self.kernel.start_line() {
            None => return Ok(PyDict::new(py)),
            Some(StartLine::Request { method, target, version, .. }) => {
                [("method", method), ("target", target), ("version", version)]
            }
            Some(StartLine::Status { version, status, reason, .. }) => {
                [("version", version), ("status", status), ("reason", reason)]
            }
        };
        let dict = PyDict::new(py);
        for (name, span) in parts {
            dict.set_item(name, (self.start + span.start, span.end - span.start))?;
        }
        Ok(dict)
    }

    /// A request's method, as it was sent.
    fn method<'py>(&self, buf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.part(buf, "method", |line| match line {
            StartLine::Request { method, .. } => Some(*method),
            StartLine::Status { .. } => None,
        })
    }

    /// A request's target, as it was sent.
    fn target<'py>(&self, buf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.part(buf, "target", |line| match line {
            StartLine::Request { target, .. } => Some(*target),
            StartLine::Status { .. } => None,
        })
    }

    /// A response's reason phrase, often empty.
    fn reason<'py>(&self, buf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.part(buf, "reason", |line| match line {
            StartLine::Status { reason, .. } => Some(*reason),
            StartLine::Request { .. } => None,
        })
    }

    /// Which form a request's target has; None for a response, or before it was read.
    #[getter]
    fn target_form(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        static FORMS: PyOnceLock<[Py<PyAny>; 4]> = PyOnceLock::new();
        let Some(&StartLine::Request { form, .. }) = self.kernel.start_line() else { return Ok(None) };
        let forms = members(py, &FORMS, "TargetForm", ["ORIGIN", "ABSOLUTE", "AUTHORITY", "ASTERISK"])?;
        let index = match form {
            TargetForm::Origin => 0,
            TargetForm::Absolute => 1,
            TargetForm::Authority => 2,
            TargetForm::Asterisk => 3,
        };
        Ok(Some(forms[index].clone_ref(py)))
    }

    /// The version, such as (1, 1); None before it was read.
    #[getter]
    fn version<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.kernel.start_line().map(|line| version(py, line.minor())).transpose()
    }

    /// A response's status code; None for a request, or before it was read.
    #[getter]
    fn status(&self) -> Option<u16> {
        match self.kernel.start_line() {
            Some(&StartLine::Status { code, .. }) => Some(code),
            _ => None,
        }
    }

    /// How many octets were looked at for this message, those looked at twice counted twice.
    #[getter]
    fn looked_at(&self) -> u64 {
        self.kernel.looked_at()
    }
}

/// A version of HTTP, (1, 0) or (1, 1), made once; with a tolerance there are others.
fn version(py: Python<'_>, minor: u8) -> PyResult<Bound<'_, PyTuple>> {
    static VERSIONS: PyOnceLock<[Py<PyTuple>; 2]> = PyOnceLock::new();
    let of = |minor: u8| PyTuple::new(py, [1, minor]).map(Bound::unbind);
    let made = VERSIONS.get_or_try_init(py, || Ok::<_, PyErr>([of(0)?, of(1)?]))?;
    match made.get(usize::from(minor)) {
        Some(version) => Ok(version.bind(py).clone()),
        None => PyTuple::new(py, [1, minor]),
    }
}

/// A field as a pair, the one that was made of the last message where it is the same.
fn pair<'py>(
    py: Python<'py>,
    kept: &mut Vec<Kept>,
    place: usize,
    line: &[u8],
    name_len: usize,
    value: &[u8],
    folds: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let before = kept.get(place).filter(|before| before.name_len == name_len);
    if let Some(Kept { line: same, pair: Some(pair), .. }) = before {
        if same == line {
            return Ok(pair.bind(py).clone());
        }
    }
    let name = &line[..name_len];
    let made_name = match before {
        Some(before) if before.line[..name_len] == *name => before.name.bind(py).clone(),
        _ => PyBytes::new(py, name),
    };
    let made_value = if folds && value.contains(&b'\n') {
        PyBytes::new(py, &unfolded(value))
    } else {
        PyBytes::new(py, value)
    };
    let pair = PyTuple::new(py, [&made_name, &made_value])?;
    if place <= kept.len() && place < KEPT_FIELDS && name_len <= KEPT_OCTETS {
        let name = made_name.unbind();
        if place == kept.len() {
            kept.push(Kept { line: Vec::new(), name_len, name, pair: None });
        } else {
            kept[place].name = name;
            kept[place].name_len = name_len;
        }
        let whole = line.len() <= KEPT_OCTETS;
        let field = &mut kept[place];
        field.line.clear();
        field.line.extend_from_slice(if whole { line } else { &line[..name_len] });
        field.pair = whole.then(|| pair.clone().unbind());
    }
    Ok(pair)
}

/// A value with one space in the place of every run of folds, and of the whitespace around them.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let lines = value.split(|&octet| octet == b'\n');
    let mut joined: Vec<u8> = Vec::with_capacity(value.len());
    for line in lines {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if !joined.is_empty() {
            joined.push(b' ');
        }
        joined.extend_from_slice(line);
    }
    joined
}
