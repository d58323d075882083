//! From the paths that tools print to the paths of the repository.

use std::collections::{BTreeMap, BTreeSet};

/// The worktree that a tool ran in, and the files that are tracked there.
#[derive(Debug)]
pub struct Places<'a> {
    root: &'a str,
    tracked: BTreeSet<&'a str>,
    by_name: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Places<'a> {
    /// The places of a worktree: its root as the tool saw it, absolute, and its tracked files.
    #[must_use]
    pub fn new(root: &'a str, tracked: impl IntoIterator<Item = &'a str>) -> Self {
        let tracked: BTreeSet<&str> = tracked.into_iter().collect();
        let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for &path in &tracked {
            by_name.entry(path.rsplit('/').next().unwrap_or(path)).or_default().push(path);
        }
        Self { root: root.trim_end_matches('/'), tracked, by_name }
    }

    /// The tracked file that a tool means; none where it means no tracked file.
    ///
    /// A path that names none from the root, for instance because the tool ran in a package's folder, still counts when
    /// exactly one tracked file ends so.
    #[must_use]
    pub fn tracked(&self, path: &str) -> Option<String> {
        let path = path.trim();
        let path = path.strip_prefix("file://").unwrap_or(path);
        let inside = match path.strip_prefix(self.root) {
            Some(rest) if rest.starts_with('/') && !self.root.is_empty() => &rest[1..],
            _ => path,
        };
        if inside.starts_with('/') {
            return None;
        }
        let plain = plain(inside)?;
        if self.tracked.contains(plain.as_str()) {
            return Some(plain);
        }
        let name = plain.rsplit('/').next().unwrap_or(&plain);
        let ending = format!("/{plain}");
        let mut fits = self.by_name.get(name).into_iter().flatten().filter(|path| path.ends_with(&ending));
        match (fits.next(), fits.next()) {
            (Some(only), None) => Some((*only).to_owned()),
            _ => None,
        }
    }
}

/// The path without `.` and `..`; none when it leaves the root.
fn plain(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
