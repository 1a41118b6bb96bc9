//! Bytes for `callcard_fuzz::expression`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callcard_fuzz::expression(bytes));
