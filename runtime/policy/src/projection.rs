//! Where files for people stand, and leave to write them there.
//!
//! Without a word of policy they stand in a folder of Windlass's own, which nothing of the user's is in. Only the workspace's
//! layer, for its own tree, or the user's, by the repository's name, puts them into a tree.
//!
//! **Invariant:** a place in a tree is a folder below the tree's top that is named by the item and the run, and no part of it
//! leads elsewhere or into `.git`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::id::{ItemId, RunId, WorkspaceId};

use crate::layer::{LayerKind, Projections};
use crate::permit::{Permit, WriteProjection};
use crate::policy::{Denied, Policy};
use crate::rule::Capability;

/// Longest folder in a tree, in bytes: paths of items, runs and files come behind it.
const MAX_TREE_FOLDER_BYTES: usize = 200;

/// What stands in the place of a rule's id for the folder of Windlass's own, which no rule speaks of.
const OWN_RULE: &str = "built-in/own-projections";

/// A folder of a tree, relative to its top, for instance `docs/specs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct TreeFolder(String);

/// The text is no folder of a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no folder for projections: it is 1 to {MAX_TREE_FOLDER_BYTES} bytes, relative to the top of the tree, in parts \
     divided by `/`, and none of them is empty, `.`, `..` or `.git`"
)]
pub struct BadTreeFolder {
    text: String,
}

impl TreeFolder {
    /// Parses a folder.
    ///
    /// # Errors
    /// [`BadTreeFolder`] for whatever could lead out of the tree or into what git keeps in it.
    pub fn new(text: impl Into<String>) -> Result<Self, BadTreeFolder> {
        let text = text.into();
        // A file system that ignores case, or drops what it does not know at the end of a name, has `.git` under these names too.
        let is_git = |part: &str| {
            let bare = part.trim_end_matches(['.', ' ']).to_ascii_lowercase();
            bare == ".git" || bare == "git~1"
        };
        let fits = |part: &str| {
            !matches!(part, "" | "." | "..")
                && !is_git(part)
                && !part.contains(|found: char| found.is_control() || matches!(found, '\\' | ':'))
        };
        if text.len() <= MAX_TREE_FOLDER_BYTES && text.split('/').all(fits) {
            Ok(Self(text))
        } else {
            Err(BadTreeFolder { text: text.escape_debug().to_string() })
        }
    }

    /// The folder as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreeFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TreeFolder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What a layer says that only another one can say, with the byte where it says so.
pub(crate) fn misplaced(kind: LayerKind, said: &Projections, text: &str) -> Option<(usize, String)> {
    let (key, message) = if said.folder.is_some() && kind != LayerKind::Workspace {
        let message = format!(
            "a {kind} policy holds for every repository and names one with: [projections.workspaces] \"/its/top/folder\" = \"…\""
        );
        ("folder", message)
    } else if !said.workspaces.is_empty() && kind != LayerKind::User {
        let message = format!(
            "only a user's policy speaks of other repositories; a {kind} policy says: folder = \"…\""
        );
        ("workspaces", message)
    } else {
        return None;
    };
    let table = toml::de::DeTable::parse(text).ok()?;
    let projections = table.get_ref().get("projections")?.get_ref().as_table()?;
    Some((projections.get(key)?.span().start, message))
}

/// Where the files of a run may stand: what a place is chosen from.
#[derive(Debug, Clone, Copy)]
pub struct ProjectionPlaces<'a> {
    /// The state folder, absolute.
    pub state: &'a str,
    /// The top folder of the repository, absolute.
    pub tree: &'a str,
    /// The repository's workspace.
    pub workspace_id: WorkspaceId,
    /// The run's item.
    pub work_item_id: &'a ItemId,
    /// The run.
    pub run_id: RunId,
}

/// The folder for the files of one run. Only [`Policy::projection_place`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionPlace {
    anchor: String,
    folder: String,
    in_tree: bool,
}

impl ProjectionPlace {
    /// The folder that it stands in and that must be there already, absolute: the state folder, or the top of the tree.
    #[must_use]
    pub fn anchor(&self) -> &str {
        &self.anchor
    }

    /// The folder itself, relative to the anchor.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The folder itself, absolute.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.anchor.trim_end_matches('/'), self.folder)
    }

    /// Whether it is among the user's own files.
    #[must_use]
    pub const fn in_tree(&self) -> bool {
        self.in_tree
    }
}

impl Policy {
    /// The folder of a tree that takes the files of its runs; none where they stand in a folder of Windlass's own. Within a
    /// ceiling both must choose the same.
    #[must_use]
    pub fn tree_folder(&self, tree: &str) -> Option<&TreeFolder> {
        let said = |kind| {
            self.layers.iter().find(move |layer| layer.kind == kind).map(|layer| &layer.file.projections)
        };
        if self.layers.iter().any(|layer| layer.file.projections.in_tree == Some(false)) {
            return None;
        }
        let of_user = said(LayerKind::User).and_then(|said| said.workspaces.get(tree));
        let own = of_user.or_else(|| said(LayerKind::Workspace)?.folder.as_ref());
        match &self.ceiling {
            Some(ceiling) => own.filter(|own| ceiling.tree_folder(tree) == Some(*own)),
            None => own,
        }
    }

    /// Where the files of a run stand.
    #[must_use]
    pub fn projection_place(&self, of: &ProjectionPlaces<'_>) -> ProjectionPlace {
        let below = format!("{}/runs/{}", of.work_item_id, of.run_id);
        match self.tree_folder(of.tree) {
            Some(folder) => ProjectionPlace {
                anchor: of.tree.to_owned(),
                folder: format!("{folder}/{below}"),
                in_tree: true,
            },
            None => ProjectionPlace {
                anchor: of.state.to_owned(),
                folder: format!("projections/{}/{below}", of.workspace_id),
                in_tree: false,
            },
        }
    }

    /// Leave to write the files of a run to their place. In a tree that is `fs.write` of the folder, and nobody is asked for it.
    ///
    /// # Errors
    /// [`Denied`] when the answer is ask or deny.
    pub fn permit_projection(&self, place: &ProjectionPlace) -> Result<Permit<WriteProjection>, Denied> {
        if place.in_tree {
            self.permit(Capability::FsWrite, place.path(), None, None)
        } else {
            Ok(Permit::granted(OWN_RULE.to_owned(), place.path()))
        }
    }
}
