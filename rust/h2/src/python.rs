//! The thin layer: Python objects in, the events and errors of `netkit.http.connection` out.

use bytes::Bytes;
use http::HeaderMap;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PyTuple};

use crate::connection::{Connection, Refusal};
use crate::event::{Cause, Event};
use crate::limits::Limits;
use crate::message::{append, Target};

/// Octets that are copied rather than kept where Python has them.
const COPIED: usize = 2048;

/// The classes of events, and the functions that make those with an error in them.
struct Classes {
    interim: Py<PyAny>,
    response_head: Py<PyAny>,
    request_received: Py<PyAny>,
    request_head: Py<PyAny>,
    data: Py<PyAny>,
    end: Py<PyAny>,
    room: Py<PyAny>,
    go_away: Py<PyAny>,
    ping_answered: Py<PyAny>,
    reset: Py<PyAny>,
    broken: Py<PyAny>,
    invalid_request: Py<PyAny>,
    invalid_value: Py<PyAny>,
    no_requests: Py<PyAny>,
}

fn classes(py: Python<'_>) -> PyResult<&'static Classes> {
    static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
    CLASSES.get_or_try_init(py, || {
        let events = py.import("netkit.http.connection.events")?;
        let faults = py.import("netkit.http.connection.h2_faults")?;
        let event = |name: &str| events.getattr(name).map(Bound::unbind);
        let fault = |name: &str| faults.getattr(name).map(Bound::unbind);
        Ok(Classes {
            interim: event("Interim")?,
            response_head: event("ResponseHead")?,
            request_received: event("RequestReceived")?,
            request_head: event("RequestHead")?,
            data: event("Data")?,
            end: event("End")?,
            room: event("Room")?,
            go_away: event("GoAway")?,
            ping_answered: event("PingAnswered")?,
            reset: fault("reset")?,
            broken: fault("broken")?,
            invalid_request: fault("invalid_request")?,
            invalid_value: fault("invalid_value")?,
            no_requests: fault("no_requests")?,
        })
    })
}

/// One connection of HTTP/2, of a client or of a server.
#[pyclass(module = "netkit._h2", name = "Connection")]
struct H2Connection(Connection);

#[pymethods]
impl H2Connection {
    /// The client's side.
    #[staticmethod]
    fn client(limits: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Connection::client(read_limits(limits)?)))
    }

    /// The server's side; `extended_connect`: whether it takes RFC 8441's.
    #[staticmethod]
    fn server(limits: &Bound<'_, PyAny>, extended_connect: bool) -> PyResult<Self> {
        Ok(Self(Connection::server(read_limits(limits)?, extended_connect)))
    }

    fn feed<'py>(&mut self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let octets = octets(data)?;
        to_list(data.py(), self.0.feed(&octets))
    }

    fn feed_eof<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        to_list(py, self.0.feed_eof())
    }

    fn take<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.0.take(|octets| PyBytes::new(py, octets))
    }

    #[getter]
    fn has_output(&mut self) -> bool {
        self.0.has_output()
    }

    fn room(&self, stream: u32) -> usize {
        self.0.room(stream)
    }

    #[pyo3(signature = (stream, data, *, end = false))]
    fn send(&mut self, stream: u32, data: &Bound<'_, PyAny>, end: bool) -> PyResult<()> {
        let octets = octets(data)?;
        self.0.send(stream, octets, end).map_err(|refusal| refused(data.py(), refusal))
    }

    fn trailers(&mut self, stream: u32, fields: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = fields.py();
        let mut map = HeaderMap::new();
        read_fields(fields, &mut map)?;
        self.0.trailers(stream, map).map_err(|refusal| refused(py, refusal))
    }

    fn consumed(&mut self, stream: u32, credit: usize) {
        self.0.consumed(stream, credit);
    }

    #[pyo3(signature = (stream, code = 8))]
    fn reset(&mut self, stream: u32, code: u32) {
        self.0.reset(stream, code);
    }

    #[pyo3(signature = (code = 0))]
    fn goaway(&mut self, code: u32) {
        self.0.goaway(code);
    }

    fn ping(&mut self, data: &[u8]) -> PyResult<()> {
        let data = data.try_into().map_err(|_| PyValueError::new_err("a ping has 8 octets"))?;
        self.0.ping(data);
        Ok(())
    }

    #[getter]
    fn is_in_head(&self) -> bool {
        self.0.is_in_head()
    }

    #[getter]
    fn in_flight(&self) -> usize {
        self.0.in_flight()
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    #[getter]
    fn can_request(&self) -> bool {
        self.0.can_request()
    }

    #[getter]
    fn takes_protocols(&self) -> bool {
        self.0.takes_protocols()
    }

    #[pyo3(signature = (head, *, end, length = None))]
    fn request(&mut self, head: &Bound<'_, PyAny>, end: bool, length: Option<u64>) -> PyResult<u32> {
        let py = head.py();
        let [method, target, authority, scheme] = [
            head.getattr(pyo3::intern!(py, "method"))?,
            head.getattr(pyo3::intern!(py, "target"))?,
            head.getattr(pyo3::intern!(py, "authority"))?,
            head.getattr(pyo3::intern!(py, "scheme"))?,
        ];
        let protocol = head.getattr(pyo3::intern!(py, "protocol"))?;
        let shared = head.getattr(pyo3::intern!(py, "shared"))?;
        let fields = head.getattr(pyo3::intern!(py, "fields"))?;
        let mut map = HeaderMap::with_capacity(16);
        if !shared.is_none() {
            read_fields(&shared.getattr(pyo3::intern!(py, "lower"))?, &mut map)?;
        }
        read_fields(&fields, &mut map)?;
        let target = Target {
            method: bytes_of(&method)?,
            target: bytes_of(&target)?,
            authority: bytes_of(&authority)?,
            scheme: bytes_of(&scheme)?,
            protocol: if protocol.is_none() { None } else { Some(bytes_of(&protocol)?) },
        };
        match self.0.request(&target, map, end, length) {
            Ok(stream) => Ok(stream),
            Err(Refusal::Head(reason)) => Err(raised(py, &classes(py)?.invalid_request, (reason,))),
            Err(refusal) => Err(refused(py, refusal)),
        }
    }

    #[pyo3(signature = (stream, status, fields, *, end, length = None))]
    fn respond(
        &mut self,
        stream: u32,
        status: u16,
        fields: &Bound<'_, PyAny>,
        end: bool,
        length: Option<u64>,
    ) -> PyResult<()> {
        let py = fields.py();
        let mut map = HeaderMap::with_capacity(16);
        read_fields(fields, &mut map)?;
        self.0.respond(stream, status, map, end, length).map_err(|refusal| refused(py, refusal))
    }
}

/// The octets of a buffer. Those that Python cannot change are kept where they are, unless they are few.
fn octets(data: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let copied;
    let octets = if let Ok(octets) = data.cast::<PyBytes>() {
        octets
    } else {
        copied = PyMemoryView::from(data)?.call_method0("tobytes")?.cast_into::<PyBytes>()?;
        &copied
    };
    if octets.as_bytes().len() <= COPIED {
        return Ok(Bytes::copy_from_slice(octets.as_bytes()));
    }
    Ok(Bytes::from_owner(PyBackedBytes::from(octets.clone())))
}

fn bytes_of<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    let octets = value
        .cast::<PyBytes>()
        .map_err(|_| PyTypeError::new_err("the parts of a head and of a field are bytes"))?;
    Ok(octets.as_bytes())
}

/// Adds fields that are to be sent.
fn read_fields(fields: &Bound<'_, PyAny>, map: &mut HeaderMap) -> PyResult<()> {
    for field in fields.try_iter()? {
        let field = field?;
        let (name, value) = if let Ok(pair) = field.cast::<PyTuple>() {
            (pair.get_item(0)?, pair.get_item(1)?)
        } else {
            (field.get_item(0)?, field.get_item(1)?)
        };
        if let Err(place) = append(map, bytes_of(&name)?, bytes_of(&value)?) {
            let py = field.py();
            return Err(raised(py, &classes(py)?.invalid_value, (place,)));
        }
    }
    Ok(())
}

fn read_limits(limits: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let read = |name: &str| limits.getattr(name)?.extract::<u32>();
    Ok(Limits {
        max_header_list: read("max_header_list")?,
        max_header_count: read("max_header_count")?,
        max_concurrent_streams: read("max_concurrent_streams")?,
        stream_window: read("stream_window")?,
        connection_window: read("connection_window")?,
        max_interim: read("max_interim")?,
        max_resets: read("max_resets")?,
        max_settings: read("max_settings")?,
        max_pings: read("max_pings")?,
        max_empty_frames: read("max_empty_frames")?,
        max_continuations: read("max_continuations")?,
    })
}

/// The exception that a function makes.
fn raised<'py>(py: Python<'py>, make: &Py<PyAny>, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    match make.bind(py).call1(arguments) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

fn refused(py: Python<'_>, refusal: Refusal) -> PyErr {
    let classes = match classes(py) {
        Ok(classes) => classes,
        Err(error) => return error,
    };
    match refusal {
        Refusal::Head(reason) => raised(py, &classes.invalid_value, ("head", reason)),
        Refusal::Stream(reason) => PyValueError::new_err(reason),
        Refusal::Connection => raised(py, &classes.no_requests, ()),
    }
}

fn to_list(py: Python<'_>, events: Vec<Event>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for event in events {
        list.append(to_python(py, event)?)?;
    }
    Ok(list)
}

fn to_python(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyAny>> {
    let classes = classes(py)?;
    let octets = |octets: &[u8]| PyBytes::new(py, octets);
    match event {
        Event::Interim { stream, status, fields } => {
            classes.interim.bind(py).call1((stream, status, to_fields(py, &fields)?))
        }
        Event::ResponseHead { stream, status, fields, end, length } => {
            let fields = to_fields(py, &fields)?;
            classes.response_head.bind(py).call1((stream, status, fields, end, (2, 0), octets(b""), length))
        }
        Event::RequestReceived { stream, head, end, length } => {
            let request = classes.request_head.bind(py).call1((
                octets(&head.method),
                octets(&head.target),
                octets(&head.authority),
                octets(head.scheme.as_deref().unwrap_or(b"https")),
                to_fields(py, &head.fields)?,
            ))?;
            if let Some(protocol) = &head.protocol {
                request.setattr("protocol", octets(protocol))?;
            }
            classes.request_received.bind(py).call1((stream, request, end, (2, 0), length))
        }
        Event::Data { stream, data } => classes.data.bind(py).call1((stream, octets(&data), data.len())),
        Event::End { stream, trailers } => {
            let trailers = match &trailers {
                Some(trailers) => to_fields(py, trailers)?,
                None => PyList::empty(py),
            };
            classes.end.bind(py).call1((stream, trailers))
        }
        Event::Room { stream } => classes.room.bind(py).call1((stream,)),
        Event::GoAway { last_stream, code, debug } => {
            classes.go_away.bind(py).call1((last_stream, code, octets(&debug)))
        }
        Event::PingAnswered { data } => classes.ping_answered.bind(py).call1((octets(&data),)),
        Event::Reset { stream, cause, code, is_safe } => {
            let none = (None, None);
            let (kind, words, (name, limit), (received, expected)) = match cause {
                Cause::ByPeer => ("peer", "", none, (0, None)),
                Cause::GoneAway => ("goaway", "", none, (0, None)),
                Cause::Broken(words) => ("rule", words, none, (0, None)),
                Cause::Excess(excess) => ("limit", "", (Some(excess.name), Some(excess.limit)), (0, None)),
                Cause::Unanswered => ("unanswered", "", none, (0, None)),
                Cause::Ended(received, expected) => ("end", "", none, (received, expected)),
            };
            let arguments = (stream, kind, code, is_safe, words, name, limit, received, expected);
            classes.reset.bind(py).call1(arguments)
        }
        Event::Broken { code, reason, excess } => {
            let name = excess.map(|excess| excess.name);
            let limit = excess.map(|excess| excess.limit);
            classes.broken.bind(py).call1((code, reason, name, limit))
        }
    }
}

fn to_fields<'py>(py: Python<'py>, fields: &HeaderMap) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for (name, value) in fields {
        list.append((PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes())))?;
    }
    Ok(list)
}

/// What `netkit.http.connection.h2_rust` uses.
#[pymodule(name = "_h2")]
mod module {
    #[pymodule_export]
    use super::H2Connection;

    /// The version this was built at; netkit takes no other than its own.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
