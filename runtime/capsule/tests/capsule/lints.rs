//! This crate writes its lints out, because it must map a file. Everything else is as in the root.

use std::path::Path;

/// The lines of the sections whose names end in `lints.<tool>`, without comments.
fn lints(manifest: &Path, prefix: &str) -> Vec<String> {
    let text = std::fs::read_to_string(manifest).unwrap();
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.starts_with(prefix);
            lines.extend(inside.then(|| section.trim_start_matches(prefix).to_owned()));
        } else if inside {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[test]
fn the_lints_are_the_root_s_but_for_unsafe_code() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let mut expected = lints(&root, "workspace.lints.");
    let unsafe_code = expected.iter_mut().find(|line| line.starts_with("unsafe_code")).unwrap();
    assert_eq!(unsafe_code, "unsafe_code = \"forbid\"");
    *unsafe_code = "unsafe_code = \"deny\"".to_owned();
    assert_eq!(lints(&own, "lints."), expected);
}
