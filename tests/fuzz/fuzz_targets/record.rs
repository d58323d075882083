//! A stored record of any kind, in its envelope.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass_capsule::fuzzing::record(bytes));
