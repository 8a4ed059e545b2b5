//! DNS messages: nothing panics, every offset of a view is in the message, and a name is as long as it was found.
//!
//! A message is also read with its records' shapes left to something else, which must not change where they are.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use netkit_rust::dns::layout::{strings, Value};
use netkit_rust::dns::name::{write, Deep, Name};
use netkit_rust::dns::{scan, Layout, Shape, View};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Known(&'static Layout);

impl AsRef<Layout> for Known {
    fn as_ref(&self) -> &Layout {
        self.0
    }
}

/// A layout for each letter and for common types, the number of the type modulo their count.
const LETTERS: [&str; 14] =
    ["4", "6", "n", "Hn", "nnIIIII", "S", "HHHN", "BBsr", "LQ", "HBBIIIHNr", "ssN", "r", "BBHsxt", "HBBR"];

fn shape(rdtype: u16, _: u16) -> Result<Shape<Known>, ()> {
    static LAYOUTS: OnceLock<Vec<Layout>> = OnceLock::new();
    let layouts =
        LAYOUTS.get_or_init(|| LETTERS.iter().filter_map(|letters| Layout::parse(letters)).collect());
    Ok(match rdtype >> 8 {
        0 => Shape::Known(Known(&layouts[usize::from(rdtype) % layouts.len()])),
        1 => Shape::Other,
        _ => Shape::Unknown,
    })
}

fn named(message: &[u8], name: Name) {
    let mut octets = Vec::new();
    write(message, name, &mut octets);
    assert_eq!(octets.len(), usize::from(name.size));
    assert_eq!(octets.last(), Some(&0));
    assert!(usize::from(name.after) <= message.len());
}

fn looked_at(message: &[u8], view: &View<Known>) {
    for question in &view.questions {
        named(message, question.name);
    }
    let mut at = 12;
    for record in &view.records {
        named(message, record.name);
        assert!(at <= record.name.after && record.name.after < record.start);
        assert!(record.start <= record.end && usize::from(record.end) <= message.len());
        assert!(record.ttl <= i32::MAX as u32);
        at = record.end;
        if let Shape::Known(Known(layout)) = record.shape {
            let (start, end) = (record.start.into(), record.end.into());
            let read = layout.read(message, start, end, &mut Deep::default(), |value| match value {
                Value::Name(name) => named(message, name),
                Value::Strings(octets) => {
                    let sizes = strings(octets).map(|string| 1 + string.len());
                    assert_eq!(sizes.sum::<usize>(), octets.len());
                }
                Value::Octets(_) | Value::Number(_) | Value::Ipv4(_) | Value::Ipv6(_) => {}
            });
            assert!(read.is_some());
        }
    }
    let lengths: usize = [1, 2, 3].iter().map(|&number| view.section(number).len()).sum();
    assert_eq!(lengths, view.records.len());
}

fuzz_target!(|message: &[u8]| {
    let view = scan(message, shape).unwrap_or_default();
    let bare: Option<View<Known>> = scan(message, |_, _| Ok::<_, ()>(Shape::Other)).unwrap_or_default();
    if let Some(view) = view {
        looked_at(message, &view);
        let places = |view: &View<Known>| -> Vec<_> {
            view.records.iter().map(|record| (record.name, record.start, record.end)).collect()
        };
        assert_eq!(bare.as_ref().map(places), Some(places(&view)));
        for length in 0..message.len() {
            assert!(scan(&message[..length], shape).unwrap_or_default().is_none());
        }
    }
});
