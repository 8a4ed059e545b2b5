//! The head parser: nothing panics, every offset is in the message, and pieces are as good as the whole.
//!
//! The first four octets of the input say what is tolerated, how low the limits are, and where to cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netkit_rust::http::framing::Answers;
use netkit_rust::http::head::{Field, Head, Limits, Parser, StartLine};
use netkit_rust::http::{Error, Lenient};

/// All that a parser says.
type Outcome = (Result<Option<Head>, Error>, Option<StartLine>, Vec<Field>);

fn outcome(parser: &mut Parser, message: &[u8], ends: impl IntoIterator<Item = usize>) -> Outcome {
    let mut result = Ok(None);
    for end in ends {
        result = parser.feed(&message[..end]);
        if !matches!(result, Ok(None)) {
            break;
        }
    }
    (result, parser.start_line().copied(), parser.fields().to_vec())
}

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, more, low, cut], message)) = input.split_first_chunk() else { return };
    let limits = if low & 1 == 0 {
        Limits::default()
    } else {
        let low = u32::from(low);
        Limits { max_request_line: low, max_header_line: low, max_headers_total: 2 * low, max_header_count: 3 }
    };
    let answers = match more >> 6 {
        0 | 1 => None,
        2 => Some(Answers::Other),
        _ => Some(Answers::Head),
    };
    let lenient = Lenient(u32::from(flags) | u32::from(more & 15) << 8);
    let make = || Parser::new(answers, lenient, limits);

    let whole = outcome(&mut make(), message, [message.len()]);
    assert_eq!(outcome(&mut make(), message, 0..=message.len()), whole);
    let cut = usize::from(cut).min(message.len());
    assert_eq!(outcome(&mut make(), message, [cut, message.len()]), whole);
    let mut parser = make();
    let _ = parser.feed(message);
    assert!(parser.looked_at() <= 5 * message.len() as u64 + 5);
    parser.reset(answers);
    assert_eq!(outcome(&mut parser, message, [message.len()]), whole);

    let (result, _, fields) = whole;
    match result {
        Ok(None) => {}
        Ok(Some(head)) => assert!(head.consumed <= message.len()),
        Err(error) => assert!(error.offset <= message.len()),
    }
    for field in fields {
        assert!(!field.name(message).is_empty());
        let _ = field.value(message);
    }
});
