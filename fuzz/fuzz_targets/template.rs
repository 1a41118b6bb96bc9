//! Bytes for `callcard_fuzz::template`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callcard_fuzz::template(bytes));
