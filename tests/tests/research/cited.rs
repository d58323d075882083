//! Whether what a report cites is there, by git's own account.

use std::process::Command;

use serde_json::Value;
use windlass_domain::digest::Digest;
use windlass_tests::Repository;

/// Looks every citation of a report up in its evidence pack and in the repository, and gives how many there are.
pub(crate) fn assert_resolved(repository: &Repository, report: &Value, pack: &Value) -> usize {
    let citations = report["citations"].as_array().unwrap();
    for citation in citations {
        let cited =
            |kind: &str| pack[kind].as_array().unwrap().iter().find(|held| held["id"] == citation["id"]);
        let quoted = match (cited("passages"), cited("changes")) {
            (Some(passage), None) => {
                assert_eq!(passage["lines"], citation["lines"]);
                let lines = lines_of(repository, citation);
                assert_eq!(passage["text"], String::from_utf8_lossy(&lines).as_ref(), "{citation}");
                assert_eq!(passage["path"], citation["path"]);
                lines
            }
            (None, Some(change)) => {
                let commit = citation["commit"].as_str().unwrap();
                let path = citation["path"].as_str().unwrap();
                let touched = repository.git(&["log", "--format=%H", "--", path]);
                assert!(touched.lines().any(|line| line == commit), "{citation}");
                assert_eq!(change["path"], citation["path"]);
                repository.git(&["show", "--no-patch", "--format=%s", commit]).into_bytes()
            }
            found => panic!("{citation}: {found:?}"),
        };
        assert_eq!(citation["digest"], Digest::of(&quoted).to_string(), "{citation}");
    }
    let known: Vec<&str> = citations.iter().map(|citation| citation["id"].as_str().unwrap()).collect();
    for option in report["options"].as_array().unwrap() {
        for id in option["citations"].as_array().unwrap() {
            assert!(known.contains(&id.as_str().unwrap()), "{option}");
        }
    }
    citations.len()
}

/// The bytes of the cited lines, as git has them.
fn lines_of(repository: &Repository, citation: &Value) -> Vec<u8> {
    let object = format!("{}:{}", citation["commit"].as_str().unwrap(), citation["path"].as_str().unwrap());
    let mut git = Command::new("git");
    let shown = git.current_dir(repository.path()).args(["cat-file", "blob", &object]).output().unwrap();
    assert!(shown.status.success(), "{citation}");
    let number = |name: &str| usize::try_from(citation["lines"][name].as_u64().unwrap()).unwrap();
    let (first, last) = (number("first"), number("last"));
    let lines: Vec<&[u8]> = shown.stdout.split_inclusive(|byte| *byte == b'\n').collect();
    assert!(0 < first && first <= last && last <= lines.len(), "{citation}");
    lines[first - 1..last].concat()
}
