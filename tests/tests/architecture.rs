//! The rules of the house, read from the manifests and the sources: who may know whom, who alone may name what, and what
//! the pure rooms never do.
//!
//! Each message names the crate and the rule. A rule is changed here and in `ARCHITECTURE.md`, in one commit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use regex::Regex;

/// Which crates of this workspace each crate may use outside its tests.
const MAY_USE: [(&str, &[&str]); 18] = [
    ("windlass-failpoint", &[]),
    ("windlass-domain", &[]),
    ("windlass-policy", &["windlass-domain"]),
    ("windlass-contract", &["windlass-domain"]),
    ("windlass-capsule", &["windlass-failpoint", "windlass-domain"]),
    ("windlass-engine", &["windlass-failpoint", "windlass-domain", "windlass-policy", "windlass-contract"]),
    ("windlass-git", &["windlass-domain", "windlass-policy"]),
    ("windlass-mcp", &["windlass-domain"]),
    ("windlass-process", &["windlass-failpoint", "windlass-domain", "windlass-policy"]),
    ("windlass-projection", &["windlass-domain", "windlass-policy"]),
    ("windlass-web", &["windlass-domain", "windlass-policy"]),
    (
        "windlass-actors",
        &[
            "windlass-failpoint",
            "windlass-domain",
            "windlass-policy",
            "windlass-contract",
            "windlass-capsule",
            "windlass-engine",
            "windlass-git",
            "windlass-process",
            "windlass-projection",
            "windlass-web",
        ],
    ),
    ("windlass-dbus", &["windlass-domain", "windlass-contract"]),
    (
        "windlass",
        &[
            "windlass-failpoint",
            "windlass-domain",
            "windlass-policy",
            "windlass-contract",
            "windlass-capsule",
            "windlass-engine",
            "windlass-git",
            "windlass-mcp",
            "windlass-process",
            "windlass-actors",
            "windlass-dbus",
        ],
    ),
    (
        "windlass-tests",
        &[
            "windlass-domain",
            "windlass-policy",
            "windlass-contract",
            "windlass-capsule",
            "windlass-engine",
            "windlass-git",
            "windlass-process",
            "windlass-actors",
            "windlass-dbus",
        ],
    ),
    (
        "windlass-torture",
        &[
            "windlass-failpoint",
            "windlass-domain",
            "windlass-policy",
            "windlass-contract",
            "windlass-capsule",
            "windlass-process",
            "windlass-dbus",
            "windlass-tests",
            "windlass-forgetful",
        ],
    ),
    ("windlass-forgetful", &[]),
    ("windlass-benches", &["windlass-domain", "windlass-contract", "windlass-capsule", "windlass-dbus"]),
];

/// Who alone may name a heavy dependency, also in tests. The benches measure beside a bare bus; that is no door. The tests
/// have a server of their own to ask.
const OWNERS: [(&str, &[&str]); 6] = [
    ("heed", &["windlass-capsule"]),
    ("git2", &["windlass-git"]),
    ("ractor", &["windlass-actors"]),
    ("rmcp", &["windlass-mcp", "windlass-tests"]),
    ("ureq", &["windlass-web"]),
    ("zbus", &["windlass-dbus", "windlass-process", "windlass-benches"]),
];

/// The program whose whole purpose is to break things: it alone turns on, outside of `cargo test`, the places where a process dies.
const BREAKS_THINGS: &str = "windlass-torture";

/// What no crate below `runtime/` uses outside its tests: they know no async runtime, no actors, no bus.
const NOT_IN_RUNTIME: [&str; 4] = ["tokio", "tokio-util", "ractor", "zbus"];

/// The rooms without effects.
const PURE: [&str; 4] = ["windlass-domain", "windlass-policy", "windlass-contract", "windlass-engine"];

/// The one crate that must map a file into memory, and where.
const MAPS_FILES: (&str, &str) = ("windlass-capsule", "src/open.rs");

fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes its own workspace")
}

fn package<'a>(workspace: &'a Metadata, name: &str) -> &'a Package {
    let named = workspace.packages.iter().find(|package| package.name == name);
    named.expect("a test checks that the table holds the crates of the workspace and no others")
}

fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().expect("a manifest stands in a folder").as_std_path().to_owned()
}

fn manifest(package: &Package) -> String {
    std::fs::read_to_string(&package.manifest_path).expect("cargo has just read it")
}

/// What a crate depends on outside its tests.
fn used(package: &Package) -> impl Iterator<Item = &str> {
    let counts = |kind| matches!(kind, DependencyKind::Normal | DependencyKind::Build);
    package
        .dependencies
        .iter()
        .filter(move |dependency| counts(dependency.kind))
        .map(|found| found.name.as_str())
}

/// The Rust files below a folder of a crate, with their text without comment lines.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("a folder of sources can be listed").path()) {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file is UTF-8");
            let code = |line: &&str| !line.trim_start().starts_with("//");
            files.push((path.clone(), text.lines().filter(code).collect::<Vec<_>>().join("\n")));
        }
    }
    files
}

#[test]
fn every_crate_stands_in_the_table_of_directions() {
    let workspace = workspace();
    let there: BTreeSet<&str> = workspace.packages.iter().map(|package| package.name.as_str()).collect();
    let listed = BTreeSet::from(MAY_USE.map(|(name, _)| name));
    assert_eq!(there, listed, "a new crate says in MAY_USE which others it may use");
}

#[test]
fn dependencies_point_in_the_direction_of_the_house() {
    let workspace = workspace();
    let ours = BTreeSet::from(MAY_USE.map(|(name, _)| name));
    for (name, allowed) in MAY_USE {
        for found in used(package(&workspace, name)).filter(|found| ours.contains(found)) {
            assert!(allowed.contains(&found), "{name} uses {found}; it may use only {allowed:?} (MAY_USE)");
        }
    }
}

#[test]
fn each_heavy_dependency_has_its_owners() {
    for package in workspace().packages {
        for (heavy, owners) in OWNERS {
            let named = package.dependencies.iter().any(|dependency| dependency.name == heavy);
            let name = package.name.as_str();
            assert!(!named || owners.contains(&name), "{name} names {heavy}; only {owners:?} may (OWNERS)");
        }
    }
}

#[test]
fn every_owner_still_names_what_it_owns() {
    let workspace = workspace();
    for (heavy, owners) in OWNERS {
        let of_product = owners.iter().filter(|owner| **owner != "windlass-benches");
        for owner in of_product {
            let names = used(package(&workspace, owner)).any(|found| found == heavy);
            assert!(names, "{owner} is an owner of {heavy} and does not use it: take it out of OWNERS");
        }
    }
}

#[test]
fn runtime_knows_no_async_runtime_no_actors_and_no_bus() {
    for package in workspace().packages {
        if !package.manifest_path.as_str().contains("/runtime/") {
            continue;
        }
        for found in used(&package) {
            let name = &package.name;
            assert!(!NOT_IN_RUNTIME.contains(&found), "{name} uses {found}; nothing below runtime/ may");
        }
    }
}

#[test]
fn fail_points_are_compiled_into_tests_alone() {
    for package in workspace().packages.iter().filter(|package| package.name != BREAKS_THINGS) {
        let counts = |kind| matches!(kind, DependencyKind::Normal | DependencyKind::Build);
        for dependency in package.dependencies.iter().filter(|dependency| counts(dependency.kind)) {
            let (name, from) = (&package.name, &dependency.name);
            let armed = dependency.features.iter().any(|feature| feature == "failpoints");
            assert!(!armed, "{name} turns on the fail points of {from} outside its tests");
        }
        let by_default =
            package.features.get("default").is_some_and(|on| on.iter().any(|on| on == "failpoints"));
        assert!(!by_default, "{} has its fail points on by default", package.name);
    }
}

#[test]
fn pure_crates_name_no_effect_no_clock_and_no_chance() {
    let forbidden = [
        (r"\btokio\b", "an async runtime"),
        (r"\bstd::(process|net|fs|env|thread)\b", "an effect"),
        (r"\bstd::\{[^;]*\b(process|net|fs|env|thread)\b", "an effect"),
        (r"\b(SystemTime|Instant)\b", "a clock"),
        (r"\b(Uuid::(now|new)_v\d|Timestamp::now|Zoned::now)\b", "a clock or chance"),
    ]
    .map(|(pattern, what)| (Regex::new(pattern).expect("a pattern of this test is well-formed"), what));
    let workspace = workspace();
    for name in PURE {
        let files = sources(&folder(package(&workspace, name)).join("src"));
        assert!(!files.is_empty(), "{name} has no sources to look at");
        for (path, code) in files {
            for (pattern, what) in &forbidden {
                if let Some(found) = pattern.find(&code) {
                    panic!("{name} is pure and {} names {what}: `{}`", path.display(), found.as_str());
                }
            }
        }
    }
}

#[test]
fn every_crate_takes_the_root_s_lints_which_forbid_unsafe_code() {
    let workspace = workspace();
    let root =
        std::fs::read_to_string(workspace.workspace_root.join("Cargo.toml")).expect("cargo has just read it");
    assert!(root.contains("\nunsafe_code = \"forbid\"\n"), "the root forbids unsafe code for all members");
    for package in &workspace.packages {
        let (name, text) = (&package.name, manifest(package));
        if package.name == MAPS_FILES.0 {
            assert!(
                text.contains("\nunsafe_code = \"deny\"\n"),
                "{name} denies unsafe code but in one place"
            );
        } else {
            assert!(text.contains("\n[lints]\nworkspace = true\n"), "{name} takes the root's lints");
        }
    }
}

#[test]
fn unsafe_code_stands_in_one_file_of_the_product() {
    let word =
        Regex::new(r"\bunsafe\s*(\{|fn\b|impl\b|trait\b|extern\b)").expect("the pattern is well-formed");
    let mut found = Vec::new();
    for package in workspace().packages {
        let folder = folder(&package);
        for (path, code) in sources(&folder.join("src")) {
            let inside =
                path.strip_prefix(&folder).expect("a source lies in its crate").display().to_string();
            found.extend(word.find_iter(&code).map(|_| (package.name.to_string(), inside.clone())));
        }
    }
    let (name, file) = MAPS_FILES;
    assert_eq!(
        found,
        [(name.to_owned(), file.to_owned())],
        "unsafe code stands once, where a file is mapped"
    );
}

#[test]
fn versions_stand_in_the_root_alone() {
    for package in workspace().packages {
        let mut among_dependencies = false;
        for line in manifest(&package).lines().map(str::trim) {
            if line.starts_with('[') && !line.contains('=') {
                let section = line.trim_matches(['[', ']']);
                among_dependencies = section.ends_with("dependencies");
                let name = &package.name;
                let one = !section.contains("dependencies.");
                assert!(one, "{name} has a section [{section}]; members write `x.workspace = true`");
            } else if among_dependencies && !line.is_empty() && !line.starts_with('#') {
                let name = &package.name;
                let from_root = line.contains(".workspace = true") || line.contains("{ workspace = true");
                assert!(
                    from_root,
                    "{name} has `{line}`; versions stand only in the root's [workspace.dependencies]"
                );
            }
        }
    }
}
