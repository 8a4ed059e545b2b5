//! `netkit.dns.messages.reading.read_message`, seen from Python: a view whose records are made when they are asked for.
//!
//! What Python has to do is called by its name in `netkit.dns.messages.making`. No lock is held while Python runs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple};

use super::arguments::import;
use crate::dns::layout::{strings, Value};
use crate::dns::{name, scan, Layout, Record, Shape, View};

/// How many of the names made last are kept for when they are needed again.
const NAMES_KEPT: usize = 12;
const IN: u16 = 1;
/// The bits of a header's second line that are flags.
const FLAGS: u16 = 0x87F0;

/// A type whose RDATA can be read here, and how its records are made of the values.
pub(super) struct Known {
    layout: Layout,
    pub(super) class: Py<PyAny>,
    /// Sets a slot for each field, behind those for name, TTL and class.
    pub(super) put: Vec<Py<PyAny>>,
    /// What makes the value of a field of what was read, where that is not the value itself.
    convert: Vec<Option<Py<PyAny>>>,
    /// Whether fields may contradict each other, so that a record is made at once and asked.
    has_rules: bool,
}

/// The letters of a type, the class of its records, for each field what sets its slot and what converts it, and
/// whether there are rules.
type Slots = (Option<String>, Py<PyAny>, Vec<Py<PyAny>>, Vec<Option<Py<PyAny>>>, bool);

/// Whether a record is made as its message is read, because only then it is known to be valid.
fn is_made_at_once(record: &Record<&'static Known>) -> bool {
    match record.shape {
        Shape::Unknown => false,
        Shape::Other => true,
        Shape::Known(known) => known.has_rules,
    }
}

impl AsRef<Layout> for &'static Known {
    fn as_ref(&self) -> &Layout {
        &self.layout
    }
}

type KnownShape = Shape<&'static Known>;

/// What netkit has for making values, as `netkit.dns.messages.making.TOOLS` lists it.
#[derive(FromPyObject)]
pub(super) struct Tools {
    /// `object.__new__`.
    pub(super) new: Py<PyAny>,
    pub(super) put_name: Py<PyAny>,
    pub(super) put_ttl: Py<PyAny>,
    pub(super) put_class: Py<PyAny>,
    pub(super) internet: Py<PyAny>,
    ipv4: Py<PyAny>,
    ipv6: Py<PyAny>,
    name: Py<PyAny>,
    question: Py<PyAny>,
    /// Set a question's name, type and class.
    put_question: [Py<PyAny>; 3],
    /// `DnsRecordType`, and its members up to 255.
    rdtype: Py<PyAny>,
    rdtypes: Vec<Py<PyAny>>,
    rdclass: Py<PyAny>,
    unknown: Py<PyAny>,
    edns: Py<PyAny>,
    opcodes: Vec<Py<PyAny>>,
    rcodes: Vec<Py<PyAny>>,
    rcode: Py<PyAny>,
}

pub(super) fn tools(py: Python<'_>) -> PyResult<&'static Tools> {
    static TOOLS: PyOnceLock<Tools> = PyOnceLock::new();
    TOOLS.get_or_try_init(py, || py.import("netkit.dns.messages.making")?.call_method0("tools")?.extract())
}

impl Tools {
    fn rdtype<'py>(&self, py: Python<'py>, number: u16) -> PyResult<Bound<'py, PyAny>> {
        match self.rdtypes.get(usize::from(number)) {
            Some(member) => Ok(member.bind(py).clone()),
            None => self.rdtype.bind(py).call1((number,)),
        }
    }

    fn rdclass<'py>(&self, py: Python<'py>, number: u16) -> PyResult<Bound<'py, PyAny>> {
        match number {
            IN => Ok(self.internet.bind(py).clone()),
            _ => self.rdclass.bind(py).call1((number,)),
        }
    }
}

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
    let told = import(py, &SHAPE_OF, "netkit.dns.messages.making", "slots_of")?.call1((rdtype,))?;
    let shape = match told.extract::<Option<Slots>>()? {
        None => Shape::Unknown,
        Some((letters, class, put, convert, has_rules)) => match letters.as_deref().and_then(Layout::parse) {
            None => Shape::Other,
            // A class is never unloaded, so that neither is this; there are at most as many as types.
            Some(layout) => {
                Shape::Known(&*Box::leak(Box::new(Known { layout, class, put, convert, has_rules })))
            }
        },
    };
    Ok(met(Some(shape)).unwrap_or(shape))
}

/// How records of a type in class IN are made, if they can be made here.
pub(super) fn known(py: Python<'_>, rdtype: u16) -> PyResult<Option<&'static Known>> {
    Ok(match shape_of(py, rdtype, IN)? {
        Shape::Known(known) => Some(known),
        _ => None,
    })
}

/// The parts of a message: `netkit.dns.messages.reading.Parts`.
#[pyclass(frozen, module = "netkit._rust")]
pub(super) struct MessageView {
    data: Py<PyBytes>,
    view: View<&'static Known>,
    /// The names that were made, with where their first labels are.
    names: Mutex<Vec<(u16, Py<PyAny>)>>,
    question: PyOnceLock<Py<PyTuple>>,
    sections: [PyOnceLock<Py<PyTuple>>; 3],
    edns: PyOnceLock<Py<PyAny>>,
    /// The records that were made at once, in their order.
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
    import(py, &READ, "netkit.dns.messages.reading", "_read_message")?.call1((data,))
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
        let others = made.view.records.iter().any(is_made_at_once);
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
        let reader = import(py, &READER, "netkit.dns.messages.wire", "WireReader")?.call1((data,))?;
        let record_at = import(py, &RECORD, "netkit.dns.messages.reading", "record_at")?;
        let mut read = Vec::new();
        for record in self.view.records.iter().filter(|record| is_made_at_once(record)) {
            if matches!(record.shape, Shape::Known(_)) {
                let made = self.record(py, record)?;
                made.call_method0(intern!(py, "hold_rules"))?;
                read.push(made.unbind());
                continue;
            }
            let name = self.name(py, record.name)?;
            let &Record { rdtype, rdclass, ttl, start, end, .. } = record;
            read.push(record_at.call1((&reader, start, end, name, rdtype, rdclass, ttl))?.unbind());
        }
        if let Some(opt) = self.view.opt.filter(|opt| opt.start < opt.end) {
            let edns = import(py, &OPT, "netkit.dns.messages.reading", "opt_at")?.call1((
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
        let made = name_of(py, &octets)?;
        let entry = (name.first, made.clone().unbind());
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = (names.len() == NAMES_KEPT).then(|| names.remove(0));
        names.push(entry);
        drop(names);
        drop(forgotten);
        Ok(made)
    }

    fn section<'py>(&self, py: Python<'py>, number: usize) -> PyResult<Bound<'py, PyTuple>> {
        if self.view.section(number).is_empty() {
            return Ok(PyTuple::empty(py));
        }
        let section = self.sections[number - 1].get_or_try_init(py, || self.records(py, number))?;
        Ok(section.bind(py).clone())
    }

    fn records(&self, py: Python<'_>, number: usize) -> PyResult<Py<PyTuple>> {
        let records = self.view.section(number);
        let before = match number {
            1 => 0,
            _ => self.view.ends[number - 2],
        };
        let others = self.view.records[..before].iter().filter(|record| is_made_at_once(record));
        let mut read = self.read.iter().skip(others.count());
        let mut made = Vec::with_capacity(records.len());
        for record in records {
            if is_made_at_once(record) {
                made.extend(read.next().map(|record| record.bind(py).clone()));
            } else {
                made.push(self.record(py, record)?);
            }
        }
        Ok(PyTuple::new(py, made)?.unbind())
    }

    fn record<'py>(&self, py: Python<'py>, record: &Record<&'static Known>) -> PyResult<Bound<'py, PyAny>> {
        let tools = tools(py)?;
        let owner = self.name(py, record.name)?;
        let data = self.data.as_bytes(py);
        let (start, end) = (usize::from(record.start), usize::from(record.end));
        let Shape::Known(known) = record.shape else {
            let octets = PyBytes::new(py, data.get(start..end).unwrap_or_default());
            let fields = (owner, record.ttl, record.rdtype, octets, &tools.internet);
            return tools.unknown.bind(py).call1(fields);
        };
        let made = tools.new.bind(py).call1((&known.class,))?;
        tools.put_name.bind(py).call1((&made, owner))?;
        tools.put_ttl.bind(py).call1((&made, record.ttl))?;
        tools.put_class.bind(py).call1((&made, &tools.internet))?;
        let mut slots = known.put.iter().zip(&known.convert);
        let mut failed = None;
        let read = known.layout.read(data, start, end, &mut name::Deep::default(), |value| {
            let Some((put, convert)) = slots.next() else { return };
            let done = self.value(py, value, convert.as_ref()).and_then(|value| {
                put.bind(py).call1((&made, value))?;
                Ok(())
            });
            failed = failed.take().or(done.err());
        });
        debug_assert!(read.is_some());
        match failed {
            Some(error) => Err(error),
            None => Ok(made),
        }
    }

    fn value<'py>(
        &self,
        py: Python<'py>,
        value: Value<'_>,
        convert: Option<&Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let raw = match value {
            Value::Number(number) => number.into_pyobject(py)?.into_any(),
            Value::Octets(octets) => PyBytes::new(py, octets).into_any(),
            Value::Ipv4(octets) => return ipv4(py, u32::from_be_bytes(*octets)),
            Value::Ipv6(octets) => return ipv6(py, u128::from_be_bytes(*octets)),
            Value::Name(name) => self.name(py, name)?,
            Value::Strings(octets) => {
                let strings: Vec<_> = strings(octets).map(|octets| PyBytes::new(py, octets)).collect();
                PyTuple::new(py, strings)?.into_any()
            }
        };
        convert.map_or(Ok(raw.clone()), |convert| convert.bind(py).call1((raw,)))
    }
}

/// The EDNS of an OPT record without options. Most are as the one before: from the same server.
fn bare_edns(py: Python<'_>, payload_size: u16, ttl: u32) -> PyResult<Py<PyAny>> {
    static LAST: Mutex<Option<(u16, u32, Py<PyAny>)>> = Mutex::new(None);
    {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, made)) = last.as_ref().filter(|last| (last.0, last.1) == (payload_size, ttl)) {
            return Ok(made.clone_ref(py));
        }
    }
    let made = tools(py)?.edns.bind(py).call1((payload_size, ttl))?.unbind();
    let now = (payload_size, ttl, made.clone_ref(py));
    let before = LAST.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
    drop(before);
    Ok(made)
}

/// The same as `Name._trusted`.
pub(super) fn name_of<'py>(py: Python<'py>, octets: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let tools = tools(py)?;
    let name = tools.new.bind(py).call1((&tools.name,))?;
    let wire = PyBytes::new(py, octets);
    // The octets of lengths are below all letters.
    let folded = if octets.iter().any(u8::is_ascii_uppercase) {
        PyBytes::new(py, &octets.to_ascii_lowercase())
    } else {
        wire.clone()
    };
    name.setattr(intern!(py, "_wire"), wire)?;
    name.setattr(intern!(py, "_folded"), folded)?;
    name.setattr(intern!(py, "_labels"), py.None())?;
    name.setattr(intern!(py, "_absolute"), true)?;
    Ok(name)
}

/// The same as `netkit.dns.messages.making.ipv4`.
pub(super) fn ipv4(py: Python<'_>, number: u32) -> PyResult<Bound<'_, PyAny>> {
    let tools = tools(py)?;
    let address = tools.new.bind(py).call1((&tools.ipv4,))?;
    address.setattr(intern!(py, "_ip"), number)?;
    Ok(address)
}

/// The same as `netkit.dns.messages.making.ipv6`.
pub(super) fn ipv6(py: Python<'_>, number: u128) -> PyResult<Bound<'_, PyAny>> {
    let tools = tools(py)?;
    let address = tools.new.bind(py).call1((&tools.ipv6,))?;
    address.setattr(intern!(py, "_ip"), number)?;
    address.setattr(intern!(py, "_scope_id"), py.None())?;
    Ok(address)
}

#[pymethods]
impl MessageView {
    #[getter]
    fn id(&self) -> u16 {
        self.view.id
    }

    #[getter]
    fn flags(&self) -> u16 {
        self.view.bits & FLAGS
    }

    #[getter]
    fn opcode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(tools(py)?.opcodes[usize::from(self.view.bits >> 11 & 0xF)].bind(py).clone())
    }

    #[getter]
    fn rcode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let high = self.view.opt.map_or(0, |opt| opt.ttl >> 24);
        let low = self.view.bits & 0xF;
        let tools = tools(py)?;
        match high {
            0 => Ok(tools.rcodes[usize::from(low)].bind(py).clone()),
            _ => tools.rcode.bind(py).call1((high << 4 | u32::from(low),)),
        }
    }

    /// Nothing: a message that is not valid has no view.
    #[getter]
    #[allow(clippy::unused_self)] // a getter has one
    fn complaints<'py>(&self, py: Python<'py>) -> Bound<'py, PyTuple> {
        PyTuple::empty(py)
    }

    #[getter]
    fn question<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let tools = tools(py)?;
        let question = self.question.get_or_try_init(py, || {
            let mut made = Vec::with_capacity(self.view.questions.len());
            for question in &self.view.questions {
                let each = tools.new.bind(py).call1((&tools.question,))?;
                let [put_name, put_type, put_class] = &tools.put_question;
                put_name.bind(py).call1((&each, self.name(py, question.name)?))?;
                put_type.bind(py).call1((&each, tools.rdtype(py, question.rdtype)?))?;
                put_class.bind(py).call1((&each, tools.rdclass(py, question.rdclass)?))?;
                made.push(each);
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
        let edns = self.edns.get_or_try_init(py, || {
            Ok::<_, PyErr>(match self.view.opt {
                None => py.None(),
                Some(opt) => bare_edns(py, opt.payload_size, opt.ttl)?,
            })
        })?;
        Ok(edns.bind(py).clone())
    }
}
