//! A segment of a child's output.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass_process::fuzzing::spool(bytes));
