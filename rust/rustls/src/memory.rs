//! Memory for much data at once, which the sessions of one thread use in turn.
//!
//! So an idle session has next to none, nobody has to ask the system for it again and again, and what was used
//! last is still in the processor's cache. It is never cleared between two users: whoever takes some writes to
//! it before it reads.

use std::cell::RefCell;
use std::io::{IoSlice, Result, Write};
use std::ops::{Deref, DerefMut};

/// How much of it a session that holds nothing keeps for itself, in octets.
const KEPT: usize = 4096;

/// The largest piece that a thread keeps, in octets, and how many it keeps.
const LARGEST: usize = 524_288;
const PIECES: usize = 3;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A piece that nobody uses, at least of that size.
fn piece(size: usize) -> Vec<u8> {
    let mut found = SPARE.with(|spare| spare.borrow_mut().pop()).unwrap_or_default();
    if found.len() < size {
        found.resize(size, 0);
    }
    found
}

/// Keep a piece for the next who needs one.
fn keep(used: Vec<u8>) {
    if used.len() > LARGEST {
        return;
    }
    SPARE.with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < PIECES {
            spare.push(used);
        }
    });
}

/// A piece that goes back when it is dropped.
pub struct Room(Vec<u8>, usize);

impl Room {
    /// One of that size, with anything in it.
    #[must_use]
    pub fn of(size: usize) -> Self {
        Self(piece(size), size)
    }

    /// Leave only the first `size` octets.
    pub fn cut(&mut self, size: usize) {
        self.1 = size.min(self.1);
    }
}

impl Deref for Room {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

impl DerefMut for Room {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0[..self.1]
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.0));
    }
}

/// Octets in order: put in at the end, taken out at the front.
#[derive(Default)]
pub struct Queue {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Queue {
    /// How many octets it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What it holds, the first first.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// Where `size` octets can be written, which `put` adds.
    pub fn room(&mut self, size: usize) -> &mut [u8] {
        // The front goes when that moves no more than it makes free: what is put in is moved once on average,
        // however long the queue lasts.
        if self.memory.len() < self.end + size && self.start >= self.len() {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.len());
        }
        let needed = self.end + size;
        if self.memory.len() < needed {
            if self.end == 0 && needed > KEPT {
                self.memory = piece(needed);
            } else {
                // Twice of what is needed, as a vector grows: `resize` alone gives out all that there is.
                self.memory.resize(needed.max(2 * self.end), 0);
            }
        }
        &mut self.memory[self.end..needed]
    }

    /// Add the first `size` octets of what `room` gave.
    pub fn put(&mut self, size: usize) {
        self.end += size;
    }

    /// Add `data`.
    pub fn extend(&mut self, data: &[u8]) {
        self.room(data.len()).copy_from_slice(data);
        self.put(data.len());
    }

    /// Take the first `size` octets out.
    pub fn skip(&mut self, size: usize) {
        self.start += size;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.memory.len() > KEPT {
                keep(std::mem::take(&mut self.memory));
            }
        }
    }
}

impl Write for Queue {
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        self.extend(data);
        Ok(data.len())
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<usize> {
        let size = pieces.iter().map(|piece| piece.len()).sum();
        let mut room = self.room(size);
        for piece in pieces {
            let (place, rest) = room.split_at_mut(piece.len());
            place.copy_from_slice(piece);
            room = rest;
        }
        self.put(size);
        Ok(size)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_in_order() {
        let mut queue = Queue::default();
        let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let mut out = Vec::new();
        for (index, part) in all.chunks(777).enumerate() {
            queue.write_all(part).unwrap();
            let most = queue.len().min(300 * (index % 5));
            out.extend_from_slice(&queue.as_slice()[..most]);
            queue.skip(most);
        }
        out.extend_from_slice(queue.as_slice());
        queue.skip(queue.len());
        assert_eq!(out, all);
        assert_eq!(queue.memory.len(), 0);
    }

    #[test]
    fn several_pieces_are_put_in_at_once() {
        let mut queue = Queue::default();
        let pieces = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bc")];
        assert_eq!(queue.write_vectored(&pieces).unwrap(), 3);
        assert_eq!(queue.as_slice(), b"abc");
    }

    #[test]
    fn an_empty_queue_keeps_little() {
        let mut queue = Queue::default();
        queue.extend(&[1; 100]);
        queue.skip(100);
        assert_eq!(queue.memory.len(), 100);
        queue.extend(&[1; 2 * KEPT]);
        queue.skip(2 * KEPT);
        assert!(queue.memory.is_empty());
    }

    #[test]
    fn a_room_is_used_again() {
        let first = Room::of(100_000).as_ptr();
        let again = Room::of(50_000);
        assert_eq!((again.as_ptr(), again.len()), (first, 50_000));
    }
}
