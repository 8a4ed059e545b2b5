//! `netkit.dns.reading.read_message`, seen from Python: a view whose records are made when they are asked for.
//!
//! What Python has to do is called by its name in `netkit.dns.making`. No lock is held while Python runs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple};

use super::arguments::import;
use crate::dns::layout::{strings, Value};
use crate::dns::{name, scan, Layout, Record, Shape, View};

/// How many of the names made last are kept for when they are needed again.
const NAMES_KEPT: usize = 12;
const IN: u16 = 1;

/// A type whose RDATA can be read here, and what makes its records of the values.
struct Known {
    layout: Layout,
    make: Py<PyAny>,
}

impl AsRef<Layout> for &'static Known {
    fn as_ref(&self) -> &Layout {
        &self.layout
    }
}

type KnownShape = Shape<&'static Known>;

/// By what RDATA of a type is read. Only that of class IN is read here.
fn shape_of(py: Python<'_>, rdtype: u16, rdclass: u16) -> PyResult<KnownShape> {
    static SHAPE_OF: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static SHAPES: Mutex<Option<HashMap<u16, KnownShape>>> = Mutex::new(None);
    if rdclass != IN {
        return Ok(Shape::Other);
    }
    let met = |shape: Option<KnownShape>| {
        // No panic can happen while the lock is held that leaves the table in parts.
        let mut shapes = SHAPES.lock().unwrap_or_else(PoisonError::into_inner);
        let shapes = shapes.get_or_insert_default();
        match shape {
            None => shapes.get(&rdtype).copied(),
            Some(shape) => Some(*shapes.entry(rdtype).or_insert(shape)),
        }
    };
    if let Some(shape) = met(None) {
        return Ok(shape);
    }
    let told = import(py, &SHAPE_OF, "netkit.dns.reading", "shape_of")?.call1((rdtype,))?;
    let shape = match told.extract::<Option<(Option<String>, Py<PyAny>)>>()? {
        None => Shape::Unknown,
        Some((letters, make)) => match letters.as_deref().and_then(Layout::parse) {
            None => Shape::Other,
            // A class is never unloaded, so that neither is this; there are at most as many as types.
            Some(layout) => Shape::Known(&*Box::leak(Box::new(Known { layout, make }))),
        },
    };
    Ok(met(Some(shape)).unwrap_or(shape))
}

/// The parts of a message: `netkit.dns.reading.Parts`.
#[pyclass(frozen, module = "netkit._rust")]
pub(super) struct MessageView {
    data: Py<PyBytes>,
    view: View<&'static Known>,
    /// The names that were made, with where their first labels are.
    names: Mutex<Vec<(u16, Py<PyAny>)>>,
    question: PyOnceLock<Py<PyTuple>>,
    sections: [PyOnceLock<Py<PyTuple>>; 3],
    edns: PyOnceLock<Py<PyAny>>,
    /// The records that Python has read, in their order.
    read: Vec<Py<PyAny>>,
}

/// Read a whole message. Raises DnsError.InvalidResponse with the field's path and the octet.
#[pyfunction]
#[pyo3(signature = (data))]
pub(super) fn read_message<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static READ: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = data.py();
    if let Ok(octets) = data.cast::<PyBytes>() {
        let view = scan(octets.as_bytes(), |rdtype, rdclass| shape_of(py, rdtype, rdclass))?;
        if let Some(view) = view {
            match MessageView::new(octets, view) {
                Ok(view) => return Ok(Bound::new(py, view)?.into_any()),
                Err(error) if error.is_instance_of::<PyException>(py) => {}
                Err(error) => return Err(error),
            }
        }
    }
    // The Python twin says what is wrong.
    import(py, &READ, "netkit.dns.reading", "_read_message")?.call1((data,))
}

/// What Python makes.
fn call<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyAny>>,
    name: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    import(py, cell, "netkit.dns.making", name)?.call1(arguments)
}

impl MessageView {
    /// The view; an error where what Python has to read is not valid.
    fn new(data: &Bound<'_, PyBytes>, view: View<&'static Known>) -> PyResult<Self> {
        let mut made = Self {
            data: data.clone().unbind(),
            view,
            names: Mutex::default(),
            question: PyOnceLock::new(),
            sections: [const { PyOnceLock::new() }; 3],
            edns: PyOnceLock::new(),
            read: Vec::new(),
        };
        let others = made.view.records.iter().any(|record| record.shape.is_other());
        if others || made.view.opt.is_some_and(|opt| opt.start < opt.end) {
            made.read = made.read_by_python(data)?;
        }
        Ok(made)
    }

    /// The records that only Python can read, and as a side effect the OPT record if it has options.
    fn read_by_python(&self, data: &Bound<'_, PyBytes>) -> PyResult<Vec<Py<PyAny>>> {
        static READER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        static RECORD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        static OPT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = data.py();
        let reader = import(py, &READER, "netkit.dns.wire", "WireReader")?.call1((data,))?;
        let record_at = import(py, &RECORD, "netkit.dns.reading", "record_at")?;
        let mut read = Vec::new();
        for record in self.view.records.iter().filter(|record| record.shape.is_other()) {
            let name = self.name(py, record.name)?;
            let &Record { rdtype, rdclass, ttl, start, end, .. } = record;
            read.push(record_at.call1((&reader, start, end, name, rdtype, rdclass, ttl))?.unbind());
        }
        if let Some(opt) = self.view.opt.filter(|opt| opt.start < opt.end) {
            let edns = import(py, &OPT, "netkit.dns.reading", "opt_at")?.call1((
                reader,
                opt.start,
                opt.end,
                opt.payload_size,
                opt.ttl,
            ))?;
            let _ = self.edns.set(py, edns.unbind());
        }
        Ok(read)
    }

    fn name<'py>(&self, py: Python<'py>, name: name::Name) -> PyResult<Bound<'py, PyAny>> {
        static TRUSTED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let known = self
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .rev()
            .find(|(first, _)| *first == name.first)
            .map(|(_, made)| made.clone_ref(py));
        if let Some(known) = known {
            return Ok(known.into_bound(py));
        }
        let mut octets = Vec::with_capacity(name.size.into());
        name::write(self.data.as_bytes(py), name, &mut octets);
        let made = call(py, &TRUSTED, "name", (PyBytes::new(py, &octets),))?;
        let entry = (name.first, made.clone().unbind());
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = (names.len() == NAMES_KEPT).then(|| names.remove(0));
        names.push(entry);
        drop(names);
        drop(forgotten);
        Ok(made)
    }

    fn section<'py>(&self, py: Python<'py>, number: usize) -> PyResult<Bound<'py, PyTuple>> {
        let section = self.sections[number - 1].get_or_try_init(py, || self.records(py, number))?;
        Ok(section.bind(py).clone())
    }

    fn records(&self, py: Python<'_>, number: usize) -> PyResult<Py<PyTuple>> {
        let records = self.view.section(number);
        if records.is_empty() {
            return Ok(PyTuple::empty(py).unbind());
        }
        let before = match number {
            1 => 0,
            _ => self.view.ends[number - 2],
        };
        let others = self.view.records[..before].iter().filter(|record| record.shape.is_other());
        let mut read = self.read.iter().skip(others.count());
        let internet = internet(py)?;
        let mut made = Vec::with_capacity(records.len());
        for record in records {
            if record.shape.is_other() {
                made.extend(read.next().map(|record| record.bind(py).clone()));
            } else {
                made.push(self.record(py, record, &internet)?);
            }
        }
        Ok(PyTuple::new(py, made)?.unbind())
    }

    fn record<'py>(
        &self,
        py: Python<'py>,
        record: &Record<&'static Known>,
        internet: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static UNKNOWN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let owner = self.name(py, record.name)?;
        let data = self.data.as_bytes(py);
        let (start, end) = (usize::from(record.start), usize::from(record.end));
        let Shape::Known(known) = record.shape else {
            let octets = PyBytes::new(py, data.get(start..end).unwrap_or_default());
            return call(py, &UNKNOWN, "unknown", (owner, record.ttl, record.rdtype, octets, internet));
        };
        let mut values = Vec::with_capacity(4);
        let mut failed = None;
        let read = known.layout.read(data, start, end, |value| match self.value(py, value) {
            Ok(value) => values.push(value),
            Err(error) => failed = Some(error),
        });
        debug_assert!(read.is_some());
        match failed {
            Some(error) => Err(error),
            None => known.make.bind(py).call1((owner, record.ttl, internet, PyTuple::new(py, values)?)),
        }
    }

    fn value<'py>(&self, py: Python<'py>, value: Value<'_>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match value {
            Value::Number(number) => number.into_pyobject(py)?.into_any(),
            Value::Octets(octets) => PyBytes::new(py, octets).into_any(),
            Value::Name(name) => self.name(py, name)?,
            Value::Strings(octets) => {
                let strings: Vec<_> = strings(octets).map(|octets| PyBytes::new(py, octets)).collect();
                PyTuple::new(py, strings)?.into_any()
            }
        })
    }
}

/// `DnsClass.IN`.
fn internet(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static IN_CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    import(py, &IN_CLASS, "netkit.dns.making", "INTERNET")
}

#[pymethods]
impl MessageView {
    #[getter]
    fn head(&self) -> (u16, u16, u32) {
        let high = self.view.opt.map_or(0, |opt| opt.ttl >> 24);
        (self.view.id, self.view.bits, high)
    }

    #[getter]
    fn question<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        static QUESTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let question = self.question.get_or_try_init(py, || {
            let mut made = Vec::with_capacity(self.view.questions.len());
            for question in &self.view.questions {
                let name = self.name(py, question.name)?;
                made.push(call(py, &QUESTION, "question", (name, question.rdtype, question.rdclass))?);
            }
            PyTuple::new(py, made).map(Bound::unbind)
        })?;
        Ok(question.bind(py).clone())
    }

    #[getter]
    fn answer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.section(py, 1)
    }

    #[getter]
    fn authority<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.section(py, 2)
    }

    #[getter]
    fn additional<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.section(py, 3)
    }

    #[getter]
    fn edns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static EDNS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let edns = self.edns.get_or_try_init(py, || {
            Ok::<_, PyErr>(match self.view.opt {
                None => py.None(),
                Some(opt) => call(py, &EDNS, "edns", (opt.payload_size, opt.ttl))?.unbind(),
            })
        })?;
        Ok(edns.bind(py).clone())
    }
}
