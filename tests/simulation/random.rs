//! Randomness that a seed decides: that of the schedule, and what the process would read from the operating system.

use std::cell::Cell;
use std::ffi::{c_uint, c_void};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A SplitMix64 generator: few lines, and its sequence never changes with a dependency.
pub(crate) struct Rng(AtomicU64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        mix(self.0.fetch_add(STEP, Ordering::Relaxed))
    }

    /// A number of the range, which must not be empty.
    pub(crate) fn below(&self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub(crate) fn index(&self, len: usize) -> usize {
        usize::try_from(self.next() % len as u64).unwrap()
    }

    pub(crate) fn pick<'a, T>(&self, values: &'a [T]) -> &'a T {
        &values[self.index(values.len())]
    }

    pub(crate) fn percent(&self, chance: u64) -> bool {
        self.next() % 100 < chance
    }

    pub(crate) fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.below(range))
    }
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

thread_local! {
    /// The state of this thread's substitute for the operating system; `None`: none.
    static SYSTEM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on everything that this thread reads from the operating system's random numbers follows from the seed: the order
/// of hash maps, ids, secrets and the jitter of retries. Call it on a new thread, before its first hash map.
pub(crate) fn seed_thread(seed: u64) {
    SYSTEM.set(Some(seed));
}

/// Stands in front of the C library's function, which `std` and the crate `getrandom` call: on a seeded thread it returns the
/// seed's numbers, on others those of the operating system.
///
/// # Safety
/// `buffer` has `length` writable bytes, as for the function of the C library.
#[expect(
    unsafe_code,
    reason = "the order of std's hash maps can be set in no other way"
)]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    let Ok(Some(state)) = SYSTEM.try_with(Cell::get) else {
        // SAFETY: the caller's buffer, handed on.
        let read = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return isize::try_from(read).unwrap_or(-1);
    };
    // SAFETY: the caller guarantees these bytes; they are only written.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let mut state = state;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(STEP);
        chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
    }
    SYSTEM.set(Some(state));
    isize::try_from(length).unwrap_or(isize::MAX)
}
