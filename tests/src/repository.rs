//! Real git repositories, and what must not change in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A repository in a temporary folder.
pub struct Repository {
    folder: TempDir,
}

/// Everything of a user's checkout that a run must leave alone, byte for byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Fingerprint {
    files: BTreeMap<PathBuf, Vec<u8>>,
    index: Vec<u8>,
    head: Vec<u8>,
    config: Vec<u8>,
    references: String,
    stashes: String,
    status: String,
}

impl Repository {
    /// A repository with one commit of these files on `main`.
    #[must_use]
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self::unborn(&[]);
        repository.write_all(files);
        repository.commit("first");
        repository
    }

    /// A repository without a commit, made with these arguments for `git init`.
    ///
    /// # Panics
    /// git fails.
    #[must_use]
    pub fn unborn(arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("windlass-repository-").expect("a temporary folder can be made");
        let repository = Self { folder };
        repository.git(&[&["init", "--quiet", "--initial-branch=main"], arguments].concat());
        repository
    }

    /// The top folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The top folder as requests name it.
    ///
    /// # Panics
    /// It is no UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        self.path().to_str().expect("temporary folders have plain names").to_owned()
    }

    /// Runs git here with nothing of the user's configuration, and gives its trimmed output.
    ///
    /// # Panics
    /// git fails.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        assert!(output.0, "git {arguments:?}: {}", output.1);
        output.1
    }

    /// Runs git here, and gives whether it succeeded with what it said.
    ///
    /// # Panics
    /// There is no git.
    #[must_use]
    pub fn try_git(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("git");
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        for (name, value) in [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "Somebody"),
            ("GIT_AUTHOR_EMAIL", "somebody@example.org"),
            ("GIT_COMMITTER_NAME", "Somebody"),
            ("GIT_COMMITTER_EMAIL", "somebody@example.org"),
            ("GIT_ALLOW_PROTOCOL", "file"),
        ] {
            command.env(name, value);
        }
        let output = command.output().expect("git is installed");
        let text = if output.status.success() { &output.stdout } else { &output.stderr };
        (output.status.success(), String::from_utf8_lossy(text).trim().to_owned())
    }

    /// Writes files.
    ///
    /// # Panics
    /// One cannot be written.
    pub fn write_all(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let file = self.path().join(path);
            std::fs::create_dir_all(file.parent().expect("it is below the top folder"))
                .expect("folders can be made");
            std::fs::write(file, text).expect("files can be written");
        }
    }

    /// Commits everything, and gives the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Everything that a run must leave alone. The bot's own branches are left out.
    ///
    /// # Panics
    /// Something cannot be read.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut files = BTreeMap::new();
        collect(self.path(), &mut files);
        let git_dir = self.path().join(".git");
        let read = |name: &str| std::fs::read(git_dir.join(name)).unwrap_or_default();
        // Read before `git status`, which may refresh the index.
        let (index, head, config) = (read("index"), read("HEAD"), read("config"));
        let references = self.git(&["for-each-ref"]);
        let own = |line: &&str| !line.contains("refs/heads/bot/");
        Fingerprint {
            files,
            index,
            head,
            config,
            references: references.lines().filter(own).collect::<Vec<_>>().join("\n"),
            stashes: self.git(&["stash", "list"]),
            status: self.git(&["--no-optional-locks", "status", "--porcelain=v2", "--untracked-files=all"]),
        }
    }
}

impl Fingerprint {
    /// The same without what stands below a folder of the checkout.
    #[must_use]
    pub fn beside(mut self, repository: &Repository, folder: &str) -> Self {
        let place = repository.path().join(folder);
        self.files.retain(|path, _| !path.starts_with(&place));
        let below = format!(" {folder}/");
        let lines = self.status.lines().filter(|line| !line.contains(&below));
        self.status = lines.collect::<Vec<_>>().join("\n");
        self
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("the checkout can be read") {
        let entry = entry.expect("the checkout can be read");
        let (path, kind) = (entry.path(), entry.file_type().expect("it has a type"));
        if entry.file_name() == ".git" && folder.join(".git/HEAD").exists() {
            continue;
        }
        if kind.is_dir() {
            collect(&path, files);
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&path).expect("a link can be read");
            files.insert(path, target.to_string_lossy().into_owned().into_bytes());
        } else {
            files.insert(path.clone(), std::fs::read(path).expect("a file can be read"));
        }
    }
}
