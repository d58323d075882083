//! Where things are on this machine, by the XDG Base Directory Specification.

use std::path::{Path, PathBuf};

use windlass_contract::{ErrorCode, Fault};

/// The folders of this user's Windlass.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// The capsule, worktrees and projections.
    pub(crate) state: PathBuf,
    /// Policy and profiles.
    pub(crate) config: PathBuf,
    /// What only costs time to lose.
    cache: PathBuf,
}

impl Folders {
    /// `$XDG_STATE_HOME/windlass` and `$XDG_CONFIG_HOME/windlass`, or the state folder that was asked for.
    ///
    /// # Errors
    /// `io` where neither those variables nor `HOME` say anything usable.
    pub(crate) fn find(state: Option<&Path>) -> Result<Self, Fault> {
        let state = match state {
            Some(state) => std::path::absolute(state).map_err(|error| {
                Fault::new(
                    ErrorCode::Io,
                    format!("cannot make `{}` an absolute path: {error}", state.display()),
                )
            })?,
            None => home_folder("XDG_STATE_HOME", ".local/state")?,
        };
        let (config, cache) =
            (home_folder("XDG_CONFIG_HOME", ".config")?, home_folder("XDG_CACHE_HOME", ".cache")?);
        Ok(Self { state, config, cache })
    }

    /// The folders of a Windlass that has everything below one folder.
    pub(crate) fn below(root: &Path) -> Self {
        let folder = |name: &str| root.join(name).join("windlass");
        Self { state: folder("state"), config: folder("config"), cache: folder("cache") }
    }

    /// The folders as the actors know them.
    ///
    /// # Errors
    /// `io` where `HOME` names no folder.
    pub(crate) fn for_actors(&self) -> Result<windlass_actors::Folders, Fault> {
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = home.ok_or_else(|| Fault::new(ErrorCode::Io, "HOME names no absolute folder"))?;
        let (state, cache, config) = (self.state.clone(), self.cache.clone(), self.config.clone());
        Ok(windlass_actors::Folders::new(state, cache, config, home))
    }

    /// The system of record.
    pub(crate) fn capsule(&self) -> PathBuf {
        self.state.join("capsule")
    }

    /// The user's policy file, whether it exists or not.
    pub(crate) fn user_policy(&self) -> PathBuf {
        self.config.join("policy.toml")
    }
}

/// The folder `windlass` in one of the specification's base folders.
fn home_folder(variable: &str, below_home: &str) -> Result<PathBuf, Fault> {
    Ok(base_folder(variable, below_home)?.join("windlass"))
}

/// A base folder. The specification says that a relative path in these variables is to be ignored.
///
/// # Errors
/// `io` where neither the variable nor `HOME` names an absolute folder.
pub(crate) fn base_folder(variable: &str, below_home: &str) -> Result<PathBuf, Fault> {
    let absolute =
        |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home))).ok_or_else(|| {
        Fault::new(ErrorCode::Io, format!("neither {variable} nor HOME names an absolute folder"))
            .hint(format!("export {variable}=\"$(getent passwd \"$(id -u)\" | cut -d: -f6)/{below_home}\""))
    })
}

/// The folder that the command was typed in, as requests name it.
///
/// # Errors
/// `bad_request` where it is gone or is no UTF-8.
pub(crate) fn here() -> Result<String, Fault> {
    let folder = std::env::current_dir().map_err(|error| {
        Fault::new(ErrorCode::BadRequest, format!("the current folder cannot be found: {error}")).hint("cd ~")
    })?;
    text_of(&folder)
}

/// A path as requests carry it.
///
/// # Errors
/// `bad_request` where it is no UTF-8.
pub(crate) fn text_of(path: &Path) -> Result<String, Fault> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = path.to_string_lossy();
        Fault::new(ErrorCode::BadRequest, format!("`{}` is no UTF-8, and requests are", shown.escape_debug()))
            .hint("give the file or the folder a name in UTF-8")
    })
}
