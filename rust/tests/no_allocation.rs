//! Parsing allocates nothing: not for a request, not for its headers, not for a body.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use netkit_rust::http::chunked::{self, Decoder, Step};
use netkit_rust::http::head::{Limits, Parser};
use netkit_rust::http::Lenient;

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on, unchanged, to the system's allocator, which keeps the contract.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer is from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn a_head_of_128_fields() {
    let mut message = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n".to_vec();
    for _ in 0..127 {
        message.extend_from_slice(b"Some-Header:  and its value \r\n");
    }
    message.extend_from_slice(b"\r\n");
    let mut parser = Parser::new(None, Lenient::default(), Limits::default());
    let count = allocations(|| {
        for _ in 0..3 {
            assert!(parser.feed(&message[..1000]).unwrap().is_none());
            assert!(parser.feed(&message).unwrap().is_some());
            assert_eq!(parser.fields().len(), 128);
            parser.reset(None);
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn a_body() {
    let body = b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n";
    let mut decoder = Decoder::new(Lenient::default(), chunked::Limits::default());
    let count = allocations(|| {
        let mut place = 0;
        loop {
            match decoder.step(&body[place..]).unwrap() {
                Step::NeedMore => unreachable!("it is all there"),
                Step::Advance(octets) | Step::Trailer(_, _, octets) | Step::Data(octets, _) => {
                    place += octets;
                }
                Step::End(_) => break,
            }
        }
    });
    assert_eq!(count, 0);
}
