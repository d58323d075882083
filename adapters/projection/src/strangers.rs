//! Files in the folder of a run that belong to nobody: they are told, and never touched.

use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{Dir, FileType};
use windlass_policy::ProjectionPlace;

use crate::NotWritten;
use crate::folder::{RunFolder, enter};

/// Most files that are told of one run: whoever has more of them has seen that they are there.
pub const MAX_STRANGERS: usize = 100;

/// What stands in the folder of a run and is none of these files, relative to it, in the order of names; at most [`MAX_STRANGERS`].
/// Blocks.
///
/// # Errors
/// [`NotWritten`] when the folder cannot be looked through.
pub fn strangers(place: &ProjectionPlace, known: &BTreeSet<&str>) -> Result<Vec<String>, NotWritten> {
    let mut found = BTreeSet::new();
    if let Some(run) = RunFolder::find(place)? {
        let mut waiting: Vec<(String, OwnedFd)> = vec![(String::new(), run.folder)];
        while let Some((path, folder)) = waiting.pop() {
            for entry in Dir::read_from(&folder).map_err(NotWritten::io("listed"))? {
                let entry = entry.map_err(NotWritten::io("listed"))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if matches!(name.as_str(), "." | "..") {
                    continue;
                }
                let inner = format!("{path}{name}");
                let is_ours_to_enter = known.iter().any(|known| known.starts_with(&format!("{inner}/")));
                if is_ours_to_enter && entry.file_type() == FileType::Directory {
                    if let Some(entered) = enter(folder.as_fd(), &name, place.in_tree())? {
                        waiting.push((format!("{inner}/"), entered));
                    }
                } else if !known.contains(inner.as_str()) && found.len() < MAX_STRANGERS {
                    found.insert(inner);
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}
