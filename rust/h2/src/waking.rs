//! Wakers that write down who woke: a stream, or the connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The streams that woke since they were last asked for, each once, in the order in which they did.
#[derive(Clone, Default)]
pub(crate) struct Woken(Arc<Mutex<Vec<u32>>>);

impl Woken {
    /// Exchanges the streams that woke for an empty list.
    pub(crate) fn swap(&self, list: &mut Vec<u32>) {
        std::mem::swap(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), list);
    }

    /// The waker of one stream.
    pub(crate) fn waker(&self, stream: u32) -> Waker {
        Arc::new(StreamWaker { stream, woken: self.clone() }).into()
    }
}

struct StreamWaker {
    stream: u32,
    woken: Woken,
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut woken = self.woken.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One frame wakes the reading and the writing half of its stream, one after the other.
        if woken.last() != Some(&self.stream) {
            woken.push(self.stream);
        }
    }
}

/// Whether the crate has something to write.
#[derive(Default)]
pub(crate) struct Stirred(AtomicBool);

impl Stirred {
    /// Whether it woke since it was last asked.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Stirred {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
