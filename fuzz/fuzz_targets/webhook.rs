//! Bytes for `callcard_fuzz::webhook`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callcard_fuzz::webhook(bytes));
