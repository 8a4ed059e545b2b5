//! How long the head parser takes alone: nanoseconds for the head in a file, one line for each round.
//!
//! `benchmarks/http_parser.py` runs it: `http_head FILE ROUNDS`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use netkit_rust::http::head::{Limits, Parser};
use netkit_rust::http::Lenient;

/// How long a round takes, about.
const ROUND: Duration = Duration::from_millis(50);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("http_head FILE ROUNDS");
    let rounds: u32 = arguments.next().map_or(5, |rounds| rounds.parse().expect("ROUNDS is a number"));
    let message = std::fs::read(file).expect("the file can be read");
    let mut parser = Parser::new(None, Lenient::default(), Limits::default());
    let mut parse = || {
        parser.reset(None);
        black_box(parser.feed(black_box(&message)).expect("it is a request").expect("it is complete"));
    };
    let mut count = 1_u32;
    while timed(count, &mut parse) < ROUND {
        count = count.saturating_mul(2);
    }
    for _ in 0..rounds {
        println!("{:.2}", timed(count, &mut parse).as_secs_f64() * 1e9 / f64::from(count));
    }
}

fn timed(count: u32, work: &mut impl FnMut()) -> Duration {
    let begun = Instant::now();
    for _ in 0..count {
        work();
    }
    begun.elapsed()
}
