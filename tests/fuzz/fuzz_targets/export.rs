//! A file that says it is an export, whole; and lines of the kinds that stand in one, because no mutation meets the checksums.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = windlass_capsule::verify_export(bytes, None);
    windlass_capsule::fuzzing::export_line(bytes);
});
