//! Where things stand on the disk.

use std::path::{Path, PathBuf};

use windlass_domain::id::{ItemId, RunId, WorkspaceId};

/// The folders of one user's Windlass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    state: PathBuf,
    cache: PathBuf,
    config: PathBuf,
    home: PathBuf,
}

impl Folders {
    /// The folders below these roots. All are absolute.
    #[must_use]
    pub const fn new(state: PathBuf, cache: PathBuf, config: PathBuf, home: PathBuf) -> Self {
        Self { state, cache, config, home }
    }

    /// The root of what must be kept.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The system of record.
    #[must_use]
    pub fn capsule(&self) -> PathBuf {
        self.state.join("capsule")
    }

    /// Exported runs that were imported; no part of the record.
    #[must_use]
    pub fn imports(&self) -> PathBuf {
        self.state.join("imports")
    }

    /// One folder for each hold that is under way.
    #[must_use]
    pub fn holds(&self) -> PathBuf {
        self.state.join("holds")
    }

    /// The folder of all scratch folders.
    #[must_use]
    pub fn scratch_root(&self) -> PathBuf {
        self.state.join("scratch")
    }

    /// The private folder of a run that goes on: HOME, temporary files, build folders.
    #[must_use]
    pub fn scratch(&self, run_id: RunId) -> PathBuf {
        self.scratch_root().join(run_id.to_string())
    }

    /// The worktrees of a run.
    #[must_use]
    pub fn worktrees(&self, workspace_id: WorkspaceId, item: &ItemId, run_id: RunId) -> PathBuf {
        self.state
            .join("worktrees")
            .join(workspace_id.to_string())
            .join(item.as_str())
            .join(run_id.to_string())
    }

    /// Where removed worktrees wait to be deleted.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.state.join("quarantine")
    }

    /// Results of checks on trees that were looked at before.
    #[must_use]
    pub fn check_cache(&self) -> PathBuf {
        self.cache.join("checks")
    }

    /// The user's policy, if it is there.
    #[must_use]
    pub fn policy_file(&self) -> PathBuf {
        self.config.join("policy.toml")
    }

    /// The user's own checks, if they are there.
    #[must_use]
    pub fn checks_file(&self) -> PathBuf {
        self.config.join("checks.toml")
    }

    /// The user's home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }
}
