//! Write buffers that connections share: one is taken with the first byte and given back after the flush.

use std::cell::RefCell;

/// Buffers that a thread keeps for the next connection.
const KEPT: usize = 16;

/// A buffer that grew beyond this is freed, so that a burst leaves nothing behind.
const LARGEST: usize = 128 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Appends to a buffer, which comes from the pool where it has no memory yet.
pub fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    if buffer.capacity() == 0 {
        *buffer = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
    }
    buffer.extend_from_slice(bytes);
}

/// Empties a buffer and gives its memory back.
pub fn give_back(buffer: &mut Vec<u8>) {
    let mut taken = std::mem::take(buffer);
    if taken.capacity() == 0 || taken.capacity() > LARGEST {
        return;
    }
    taken.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.len() < KEPT {
            pool.push(taken);
        }
    });
}
