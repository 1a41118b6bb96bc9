//! Bytes for `callcard_fuzz::number`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callcard_fuzz::number(bytes));
