//! The demonstration's folder: repository, state, configuration, cache and home, all its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use windlass_contract::{ErrorCode, Fault};

use crate::folders::{Folders, text_of};

/// Where everything of one demonstration is.
pub(super) struct Place {
    root: PathBuf,
    /// Deletes the folder at the end, unless it is to be kept.
    _temporary: Option<TempDir>,
}

impl Place {
    /// A new folder: the one to keep, or a temporary one.
    pub(super) fn make(keep: Option<PathBuf>) -> Result<Self, Fault> {
        let failed =
            |error: std::io::Error| Fault::new(ErrorCode::Io, format!("cannot make a folder: {error}"));
        let (root, temporary) = match keep {
            Some(keep) => {
                let root = std::path::absolute(keep).map_err(failed)?;
                let named = |error| {
                    Fault::new(ErrorCode::BadRequest, format!("cannot make `{}`: {error}", root.display()))
                };
                std::fs::create_dir(&root).map_err(named)?;
                (root, None)
            }
            None => {
                let temporary = TempDir::with_prefix("windlass-demo-").map_err(failed)?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        // The system may show its temporary folder through a link, and git names folders by their real path.
        let root = root.canonicalize().map_err(failed)?;
        std::fs::create_dir(root.join("repository")).map_err(failed)?;
        Ok(Self { root, _temporary: temporary })
    }

    /// The planted repository.
    pub(super) fn repository(&self) -> PathBuf {
        self.root.join("repository")
    }

    /// Its path, for requests.
    pub(super) fn repository_text(&self) -> Result<String, Fault> {
        text_of(&self.repository())
    }

    /// The folders that Windlass uses here.
    pub(super) fn folders(&self) -> Folders {
        Folders::below(&self.root)
    }

    /// The variables that make a child `windlass` use the same folders.
    pub(super) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("XDG_STATE_HOME", self.root.join("state")),
            ("XDG_CONFIG_HOME", self.root.join("config")),
            ("XDG_CACHE_HOME", self.root.join("cache")),
        ]
    }

    /// Grants, for this demonstration alone, that commands run without a sandbox.
    pub(super) fn write_policy_without_sandbox(&self) -> Result<(), Fault> {
        let standard = windlass_policy::TEMPLATES[0].text;
        let text = standard.replace("sandbox = \"required\"", "sandbox = \"off\"");
        let file = self.folders().user_policy();
        let folder = file.parent().unwrap_or(&self.root);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, text));
        written
            .map_err(|error| Fault::new(ErrorCode::Io, format!("cannot write {}: {error}", file.display())))
    }

    /// Runs git in the repository, with nothing of the user's configuration.
    pub(super) async fn git(&self, arguments: &[&str]) -> Result<String, Fault> {
        let output = git(&self.repository(), arguments).output().await;
        let output = output.map_err(|error| no_git(&error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Fault::new(ErrorCode::Io, format!("`git {}` failed: {said}", arguments.join(" "))))
    }

    /// Whether `git apply --check` takes the patch at the reviewed branch.
    pub(super) async fn patch_applies(&self, patch: &str) -> Result<bool, Fault> {
        let mut child = git(&self.repository(), &["apply", "--check", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| no_git(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A git that refuses early closes its input; its exit status says so.
            let _ = stdin.write_all(patch.as_bytes()).await;
        }
        Ok(child.wait().await.map_err(|error| no_git(&error))?.success())
    }

    /// Whether the checkout, its index and its branches are as they were planted.
    pub(super) async fn is_untouched(&self) -> Result<bool, Fault> {
        let clean = self.git(&["status", "--porcelain"]).await?.is_empty();
        let head = self.git(&["symbolic-ref", "HEAD"]).await?;
        let branches = self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]).await?;
        let own: Vec<&str> = branches.lines().filter(|branch| !branch.starts_with("bot/")).collect();
        Ok(clean && head.trim() == "refs/heads/parser" && own == ["main", "parser"])
    }

    /// What to say at the end.
    pub(super) fn farewell(&self) -> String {
        if self._temporary.is_some() {
            return "\nEverything was in a temporary folder, which is gone now; --keep DIR keeps it.\n\
                    On your own repository: windlass init, then windlass item add --help.\n"
                .to_owned();
        }
        format!("\nEverything is in {}.\n", self.root.display())
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false"]);
    command.args(arguments).stdin(Stdio::null());
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_AUTHOR_NAME", "Demo"),
        ("GIT_AUTHOR_EMAIL", "demo@localhost"),
        ("GIT_COMMITTER_NAME", "Demo"),
        ("GIT_COMMITTER_EMAIL", "demo@localhost"),
    ] {
        command.env(name, OsStr::new(value));
    }
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command
}

fn no_git(error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::Io, format!("the program `git` cannot be run: {error}"))
        .hint("sudo apt install git")
}
