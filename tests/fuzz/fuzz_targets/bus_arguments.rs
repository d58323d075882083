//! The arguments of a call on the bus.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass_dbus::fuzzing::arguments(bytes));
