//! Bytes for `callcard_fuzz::csv`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callcard_fuzz::csv(bytes));
