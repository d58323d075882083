//! Dependencies: where new ones come from, and locks that moved alone.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use windlass_contract::document::Confidence;
use windlass_domain::diff::{FileChange, FileStatus};

use super::kind::{LOCKS, Purpose, name_of};
use super::lines::{self, Moved};
use super::{DEPENDENCY_SOURCE, Gatherer, LOCK_ALONE, Seen, first_line};

struct Sources {
    cargo: Regex,
    node: Regex,
    node_metadata: Regex,
    python: Regex,
    go: Regex,
    npmrc: Regex,
}

static SOURCES: LazyLock<Sources> = LazyLock::new(|| {
    let regex = |pattern: &str| Regex::new(pattern).expect("the expression is fixed");
    Sources {
        cargo: regex(r#"^[^#]*\b(?:git|registry)\s*=\s*""#),
        node: regex(
            r#":\s*"(?:git\+|git://|git@|github:|gitlab:|bitbucket:|gist:|https?://[^"]+(?:\.tgz|\.tar\.gz|\.zip|\.git)(?:[#?"]))"#,
        ),
        node_metadata: regex(r#"^\s*"(?:url|homepage|repository|bugs|funding|documentation)"\s*:"#),
        python: regex(
            r#"(?:^|["'\s])(?:git|hg|svn|bzr)\+\w+://|\s@\s+https?://|^\s*(?:-i|--(?:extra-)?index-url|--find-links|--trusted-host)\b|\bgit\s*=\s*["']"#,
        ),
        go: regex(r"^\s*(?:replace\s+)?\S+(?:\s+v\S+)?\s+=>\s+\S+"),
        npmrc: regex(r"^\s*(?:@[\w-]+:)?registry\s*="),
    }
});

pub(super) fn look(gatherer: &mut Gatherer<'_>) {
    let diff = gatherer.subject.diff;
    let mut moved = Moved::of(diff);
    for file in &diff.files {
        if matches!(Purpose::of(&file.path), Purpose::Foreign | Purpose::TestData) {
            continue;
        }
        for line in lines::added(file) {
            if comes_from_elsewhere(name_of(&file.path), line.text) && !moved.take(line.text) {
                let seen = Seen {
                    file: &file.path,
                    line: line.new,
                    message: "a dependency is taken from a repository, a URL or another registry".to_owned(),
                    severity: DEPENDENCY_SOURCE.severity,
                    confidence: Confidence::High,
                };
                gatherer.see(&DEPENDENCY_SOURCE, seen);
            }
        }
    }
    locks(&diff.files, gatherer);
}

fn comes_from_elsewhere(name: &str, text: &str) -> bool {
    let sources = &*SOURCES;
    match name {
        "Cargo.toml" => sources.cargo.is_match(text),
        "package.json" => sources.node.is_match(text) && !sources.node_metadata.is_match(text),
        "pyproject.toml" | "setup.py" | "setup.cfg" | "Pipfile" => sources.python.is_match(text),
        "go.mod" => sources.go.is_match(text),
        ".npmrc" | ".yarnrc" => sources.npmrc.is_match(text),
        name if name.contains("requirements") && name.ends_with(".txt") => sources.python.is_match(text),
        _ => false,
    }
}

fn locks(files: &[FileChange], gatherer: &mut Gatherer<'_>) {
    let changed: BTreeSet<&str> = files.iter().map(|file| name_of(&file.path)).collect();
    for file in files.iter().filter(|file| file.status == FileStatus::Modified) {
        let name = name_of(&file.path);
        let manifests = LOCKS.iter().find(|(lock, _)| *lock == name).map(|(_, manifests)| *manifests);
        if manifests.is_some_and(|manifests| !manifests.iter().any(|manifest| changed.contains(manifest))) {
            let seen = Seen {
                file: &file.path,
                line: first_line(file),
                message: format!("`{}` changed, and no manifest did", file.path),
                severity: LOCK_ALONE.severity,
                confidence: Confidence::High,
            };
            gatherer.see(&LOCK_ALONE, seen);
        }
    }
}
