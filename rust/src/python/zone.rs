//! `netkit.dns.zones.zonefile.read_plain_lines`, seen from Python: records of the plain lines of a master file.

use std::collections::HashMap;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::dns::{ipv4, ipv6, known, name_of, tools, Known};
use crate::dns::zone::{read_line, Data, Read};

/// The most records of one call, so that the caller can look at them before all are there.
const MOST: usize = 1024;
/// How many names are kept for when they come again.
const NAMES_KEPT: usize = 1024;

/// The names of one call.
struct Names<'py> {
    py: Python<'py>,
    made: HashMap<Vec<u8>, Bound<'py, PyAny>>,
}

impl<'py> Names<'py> {
    fn name(&mut self, wire: Vec<u8>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(name) = self.made.get(&wire) {
            return Ok(name.clone());
        }
        if self.made.len() == NAMES_KEPT {
            self.made.clear();
        }
        let name = name_of(self.py, &wire)?;
        self.made.insert(wire, name.clone());
        Ok(name)
    }
}

/// Records, the offset of each, and the state behind them: the next line's offset, the owner, the last TTL.
type Plain<'py> = (Vec<Bound<'py, PyAny>>, Vec<usize>, usize, Option<Bound<'py, PyAny>>, Option<u32>);

/// Read the plain lines from an offset on.
#[pyfunction]
pub(super) fn read_plain_lines<'py>(
    text: &Bound<'py, PyBytes>,
    at: usize,
    origin: Option<Bound<'py, PyAny>>,
    owner: Option<Bound<'py, PyAny>>,
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
) -> PyResult<Plain<'py>> {
    let py = text.py();
    let origin = match origin {
        Some(name) => Some(name.call_method0(intern!(py, "to_wire"))?.cast_into::<PyBytes>()?),
        None => None,
    };
    let origin = origin.as_ref().map(PyBytesMethods::as_bytes);
    let (mut at, mut owner, mut last_ttl) = (at, owner, last_ttl);
    // The octets of `owner`, if it was read here.
    let mut written = Vec::new();
    let mut names = Names { py, made: HashMap::new() };
    let (mut records, mut offsets) = (Vec::new(), Vec::new());
    let octets = text.as_bytes();
    let mut next = at;
    while records.len() < MOST {
        let line = match read_line(octets, next, origin) {
            Read::Record(line) => line,
            Read::Nothing(end) => {
                next = end;
                continue;
            }
            Read::Other => break,
        };
        let ttl = line.ttl.or(default_ttl).or(last_ttl);
        let Some(ttl) = ttl else { break };
        match line.owner {
            Some(wire) if wire == written => {}
            Some(wire) => {
                owner = Some(names.name(wire.clone())?);
                written = wire;
            }
            None => {}
        }
        let Some(owner) = owner.as_ref() else { break };
        let Some(known) = known(py, line.rdtype)? else { break };
        records.push(record(known, owner, ttl, line.data, &mut names)?);
        offsets.push(line.start);
        last_ttl = line.ttl.or(last_ttl);
        next = line.end;
        at = next;
    }
    Ok((records, offsets, at, owner, last_ttl))
}

fn record<'py>(
    known: &Known,
    owner: &Bound<'py, PyAny>,
    ttl: u32,
    data: Data,
    names: &mut Names<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = owner.py();
    let tools = tools(py)?;
    let made = tools.new.bind(py).call1((&known.class,))?;
    tools.put_name.bind(py).call1((&made, owner))?;
    tools.put_ttl.bind(py).call1((&made, ttl))?;
    tools.put_class.bind(py).call1((&made, &tools.internet))?;
    let mut slots = known.put.iter();
    let mut put = |value: Bound<'py, PyAny>| -> PyResult<()> {
        if let Some(put) = slots.next() {
            put.bind(py).call1((&made, value))?;
        }
        Ok(())
    };
    match data {
        Data::Ipv4(address) => put(ipv4(py, address.into())?)?,
        Data::Ipv6(address) => put(ipv6(py, address.into())?)?,
        Data::Name(numbers, wire) => {
            for number in numbers {
                put(number.into_pyobject(py)?.into_any())?;
            }
            put(names.name(wire)?)?;
        }
        Data::Strings(strings) => {
            put(PyTuple::new(py, strings.iter().map(|string| PyBytes::new(py, string)))?.into_any())?;
        }
    }
    Ok(made)
}
