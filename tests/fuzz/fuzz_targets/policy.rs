//! A layer of policy.
#![no_main]

use windlass_policy::{Layer, LayerKind};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Layer::parse(LayerKind::User, "policy.toml", text);
});
