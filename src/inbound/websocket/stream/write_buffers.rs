//! A pool of write buffers per thread: a connection takes one with the first queued byte and
//! returns it after the flush.

use std::cell::RefCell;

/// The most buffers that a thread keeps.
const MAX_POOLED: usize = 16;

/// The capacity in bytes above which a buffer is freed instead of pooled, so that a burst leaves no
/// memory behind.
const MAX_POOLED_CAPACITY: usize = 128 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Appends to a buffer. A buffer without memory is taken from the pool first.
pub(super) fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    if buffer.capacity() == 0 {
        *buffer = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
    }
    buffer.extend_from_slice(bytes);
}

/// Empties a buffer and returns its memory to the pool.
pub(super) fn release(buffer: &mut Vec<u8>) {
    let mut released = std::mem::take(buffer);
    if released.capacity() == 0 || released.capacity() > MAX_POOLED_CAPACITY {
        return;
    }
    released.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.len() < MAX_POOLED {
            pool.push(released);
        }
    });
}
