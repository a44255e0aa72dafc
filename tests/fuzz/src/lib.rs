//! The link between libFuzzer and the targets of `pushi::fuzzing`.

#[doc(hidden)]
pub use pushi::fuzzing::run;

#[cfg(feature = "libfuzzer")]
#[doc(hidden)]
pub use libfuzzer_sys;

/// The entry point of libFuzzer for one target.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::run($name, bytes));
    };
}

/// The entry point of libFuzzer for one target. A panic cannot leave it, so it ends the process.
#[cfg(not(feature = "libfuzzer"))]
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        #[unsafe(no_mangle)]
        extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> std::ffi::c_int {
            let bytes = match size {
                0 => &[],
                // SAFETY: libFuzzer passes `size` bytes, which it does not change during the call.
                _ => unsafe { std::slice::from_raw_parts(data, size) },
            };
            $crate::run($name, bytes);
            0
        }
    };
}
