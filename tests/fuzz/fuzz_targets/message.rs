//! What a holder and its service say to each other, and the records of a hold's folder.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass_process::fuzzing::message(bytes));
