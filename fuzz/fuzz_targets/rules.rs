//! Bytes for `callcard_fuzz::rules`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callcard_fuzz::rules(bytes));
