//! The chunked decoder: nothing panics, no step leads out of the buffer, and pieces are as good as the whole.
//!
//! The first three octets of the input say what is tolerated, how low the limits are, and where to cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netkit_rust::http::chunked::{Decoder, Limits, Step};
use netkit_rust::http::{Kind, Lenient};

/// The data, the trailers' octets, and where the body ended, or what was wrong at which octet of it.
#[derive(Debug, PartialEq)]
struct Outcome {
    data: Vec<u8>,
    trailers: Vec<u8>,
    end: Result<Option<usize>, (usize, String)>,
}

fn outcome(decoder: &mut Decoder, body: &[u8], ends: impl IntoIterator<Item = usize>) -> Outcome {
    let mut outcome = Outcome { data: Vec::new(), trailers: Vec::new(), end: Ok(None) };
    let mut place = 0;
    for end in ends {
        loop {
            match decoder.step(&body[place..end]) {
                Ok(Step::NeedMore) => break,
                Ok(Step::Advance(octets)) => place += octets,
                Ok(Step::Data(length, _)) => {
                    outcome.data.extend_from_slice(&body[place..place + length]);
                    place += length;
                }
                Ok(Step::Trailer(name, value, octets)) => {
                    outcome.trailers.extend_from_slice(name.of(&body[place..end]));
                    outcome.trailers.push(b':');
                    outcome.trailers.extend_from_slice(value.of(&body[place..end]));
                    place += octets;
                }
                Ok(Step::End(octets)) => {
                    assert!(place + octets <= end);
                    outcome.end = Ok(Some(place + octets));
                    return outcome;
                }
                Err(error) => {
                    let offset = place.wrapping_add(error.offset);
                    assert!(offset <= end, "{error:?}");
                    if let Kind::ForbiddenTrailer { raw } = error.kind {
                        assert!(!raw.of(&body[place..end]).is_empty());
                    }
                    outcome.end = Err((offset, format!("{:?}", error.kind)));
                    return outcome;
                }
            }
            assert!(place <= end);
        }
    }
    outcome
}

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, low, cut], body)) = input.split_first_chunk() else { return };
    let limits = if low & 1 == 0 {
        Limits::default()
    } else {
        let low = u32::from(low);
        Limits {
            max_chunk_size: low.into(),
            max_extension: low / 2,
            max_extensions_total: low,
            max_header_line: low,
            max_headers_total: 2 * low,
            max_header_count: 3,
        }
    };
    let lenient = Lenient(u32::from(flags & 7) | if flags & 8 == 0 { 0 } else { Lenient::CHUNK_SPACE });
    let make = || Decoder::new(lenient, limits);

    let whole = outcome(&mut make(), body, [body.len()]);
    assert_eq!(outcome(&mut make(), body, 0..=body.len()), whole);
    let cut = usize::from(cut).min(body.len());
    assert_eq!(outcome(&mut make(), body, [cut, body.len()]), whole);
    let mut decoder = make();
    let _ = outcome(&mut decoder, body, 0..=body.len());
    assert!(decoder.looked_at() <= 4 * body.len() as u64 + 4);
    decoder.reset();
    assert_eq!(outcome(&mut decoder, body, [body.len()]), whole);
});
