//! The checks file of a commit.
#![no_main]

use windlass_engine::review::checks::parse_checks;
use windlass_policy::CheckOrigin;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = parse_checks(CheckOrigin::BaseCommit, "checks.toml", text);
});
