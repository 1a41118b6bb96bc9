//! Bytes for `callcard_fuzz::schedule`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callcard_fuzz::schedule(bytes));
