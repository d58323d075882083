//! What the answers let a run change: patterns of paths that it may edit, and of paths that it must not touch.

use globset::{Glob, GlobMatcher};
use windlass_domain::diff::TreeDiff;
use windlass_domain::maieutic::MaieuticContext;

/// A pattern of paths, kept with its text.
pub(super) struct PathPattern {
    text: String,
    matcher: Option<GlobMatcher>,
}

impl PathPattern {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), matcher: Glob::new(text).ok().map(|glob| glob.compile_matcher()) }
    }

    /// A pattern that is none still covers the path that it spells.
    pub(super) fn covers(&self, path: &str) -> bool {
        self.matcher.as_ref().map_or(path == self.text, |matcher| matcher.is_match(path))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// The first path of a change that is beyond the bounds, and why, in a sentence fragment; none when all of it is within. Both
/// names of a renamed file count.
#[must_use]
pub fn beyond(context: &MaieuticContext, change: &TreeDiff) -> Option<String> {
    let bounds = &context.delegation_bounds;
    let patterns = |texts: &[String]| texts.iter().map(|text| PathPattern::new(text)).collect::<Vec<_>>();
    let (may_edit, must_not_touch) = (patterns(&bounds.may_edit), patterns(&bounds.must_not_touch));
    let mut names = change.files.iter().flat_map(|file| [Some(&file.path), file.old_path.as_ref()]).flatten();
    names.find_map(|path| {
        if let Some(pattern) = must_not_touch.iter().find(|pattern| pattern.covers(path)) {
            return Some(format!("`{path}` must not be touched (`{}`)", pattern.text()));
        }
        let editable = !context.bounds_edits() || may_edit.iter().any(|pattern| pattern.covers(path));
        (!editable).then(|| match bounds.may_edit.as_slice() {
            [] => format!("`{path}` is changed, and nothing may be edited"),
            patterns => format!("`{path}` is none of what may be edited (`{}`)", patterns.join("`, `")),
        })
    })
}

#[cfg(test)]
mod tests {
    use windlass_domain::diff::{FileChange, FileContent, FileStatus};

    use super::*;

    fn renamed(from: &str, to: &str) -> TreeDiff {
        TreeDiff {
            files: vec![FileChange {
                id: "1".to_owned(),
                path: to.to_owned(),
                old_path: Some(from.to_owned()),
                status: FileStatus::Renamed,
                old_mode: 0o100_644,
                new_mode: 0o100_644,
                new_bytes: 0,
                content: FileContent::Text { hunks: Vec::new() },
            }],
        }
    }

    fn context(may_edit: Option<&[&str]>, must_not_touch: &[&str]) -> MaieuticContext {
        let bounds =
            serde_json::json!({"may_edit": may_edit, "must_not_touch": must_not_touch, "network": false});
        let context = serde_json::json!({
            "goal": "g", "acceptance_criteria": [], "mode": "flags", "answered_at": "2026-01-01T00:00:00Z",
            "answered_by": "kim", "delegation_bounds": bounds,
        });
        serde_json::from_value(context).unwrap()
    }

    #[test]
    fn a_change_is_within_what_may_be_edited_and_touches_nothing_that_must_not_be() {
        let change = renamed("src/a.rs", "src/b.rs");
        type Case<'a> = (Option<&'a [&'a str]>, &'a [&'a str], Option<&'a str>);
        let cases: [Case<'_>; 9] = [
            (None, &[], None),
            (Some(&["src/**"]), &["infra/**"], None),
            (Some(&["src/b.rs", "src/a.rs"]), &[], None),
            (Some(&["src/b.rs"]), &[], Some("`src/a.rs` is none of what may be edited (`src/b.rs`)")),
            (Some(&["docs/**", "x"]), &[], Some("`src/b.rs` is none of what may be edited (`docs/**`, `x`)")),
            (Some(&[]), &[], Some("`src/b.rs` is changed, and nothing may be edited")),
            (None, &["**/a.rs"], Some("`src/a.rs` must not be touched (`**/a.rs`)")),
            (Some(&["src/**"]), &["src/b.rs"], Some("`src/b.rs` must not be touched (`src/b.rs`)")),
            (Some(&["src/[b.rs"]), &[], Some("`src/b.rs` is none of what may be edited (`src/[b.rs`)")),
        ];
        for (may_edit, must_not_touch, why) in cases {
            let context = context(may_edit, must_not_touch);
            assert_eq!(beyond(&context, &change).as_deref(), why, "{:?}", context.delegation_bounds);
        }
    }
}
