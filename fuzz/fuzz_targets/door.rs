//! Bytes for `callcard_fuzz::door`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callcard_fuzz::door(bytes));
