//! A proposed change as text.

use windlass_contract::document::{PatchBundle, RebaseState};

use super::table::{Look, cell, table};
use super::text::safe;
use crate::args::choice::word;

/// The changed files, and how the change met its target.
pub(crate) fn files(look: Look, bundle: &PatchBundle) -> String {
    let rows = bundle.files.iter().map(|file| {
        let hunks = if file.binary { "binary".to_owned() } else { file.hunks.len().to_string() };
        let path = match &file.old_path {
            Some(old) if *old != file.path => format!("{old} -> {}", file.path),
            _ => file.path.clone(),
        };
        vec![cell(&word(&file.status)), cell(&hunks), cell(&path)]
    });
    let files = table(look, &["change", "hunks", "path"], rows.collect());
    format!("{files}{}\n", meeting(bundle))
}

fn meeting(bundle: &PatchBundle) -> String {
    let target = bundle.rebase_target_commit.as_ref().unwrap_or(&bundle.analysis_base_commit);
    match bundle.rebase {
        RebaseState::NotNeeded => format!("it applies to {target}, which was looked at"),
        RebaseState::Clean => format!("it was carried onto {target} and applies there"),
        RebaseState::Conflict => {
            let paths: Vec<_> = bundle.conflicts.iter().map(|conflict| safe(&conflict.path)).collect();
            let base = &bundle.analysis_base_commit;
            format!("it applies to {base} and conflicts with {target} in {}", paths.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { width: None, color: false };

    fn bundle(rebase: &str, target: Option<&str>) -> PatchBundle {
        let file = |path: &str, old: Option<&str>, status: &str, binary: bool, hunks: usize| {
            let hunk = serde_json::json!({"id": "1", "old_start": 1, "old_lines": 1, "new_start": 1, "new_lines": 1});
            serde_json::json!({
                "id": "1", "path": path, "old_path": old, "status": status, "binary": binary, "hunks": vec![hunk; hunks],
            })
        };
        let run = "01890000-0000-7000-8000-000000000001";
        let bundle = serde_json::json!({
            "schema_version": "patch_bundle@1.0", "tool_version": "windlass 0", "worktree_path": "/w", "branch_name": "b",
            "analysis_base_commit": "1".repeat(40), "rebase_target_commit": target.map(|digit| digit.repeat(40)),
            "rebase": rebase, "diff_uri": format!("mv2://{run}/T-1/{run}/artifact/review/patch.diff"),
            "diff_digest": "0".repeat(64), "conflicts": [{"path": "a\u{1b}.txt", "kind": "both_modified"}],
            "files": [
                file("a.txt", None, "modified", false, 2),
                file("c.txt", Some("b.txt"), "renamed", false, 0),
                file("d.png", None, "added", true, 0),
            ],
            "apply_instructions": [],
        });
        serde_json::from_value(bundle).unwrap()
    }

    #[test]
    fn a_change_is_listed_by_file_and_says_where_it_applies() {
        insta::assert_snapshot!(files(PLAIN, &bundle("clean", Some("2"))), @r"
        CHANGE    HUNKS   PATH
        modified  2       a.txt
        renamed   0       b.txt -> c.txt
        added     binary  d.png
        it was carried onto 2222222222222222222222222222222222222222 and applies there
        ");
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let stayed = meeting(&bundle("not_needed", None));
        assert_eq!(stayed, format!("it applies to {one}, which was looked at"));
        let conflict = meeting(&bundle("conflict", Some("2")));
        assert_eq!(conflict, format!("it applies to {one} and conflicts with {two} in a\\u{{1b}}.txt"));
    }
}
