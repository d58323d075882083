//! Whether `bwrap` works here, found out by using it once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use windlass_domain::child::Walls;

use super::walls;

/// Where distributions put `bwrap`; asked before `PATH`, which may name folders that others write.
const USUAL_FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin"];

/// Longest wait for one run of `bwrap`, which takes some milliseconds on an idle machine.
const PROBE_WITHIN: Duration = Duration::from_secs(30);

/// What this machine offers as a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxSupport {
    /// `bwrap` works.
    Bwrap {
        /// The program.
        path: PathBuf,
        /// What it says of itself, for instance `bubblewrap 0.8.0`.
        version: String,
    },
    /// Nothing can be sandboxed.
    Unusable {
        /// What went wrong.
        reason: String,
        /// What a person can do about it.
        mend: String,
    },
}

/// Runs `bwrap` with the walls that every sandboxed child gets, around `true`.
pub async fn probe() -> SandboxSupport {
    let Some(path) = find_bwrap() else {
        return SandboxSupport::Unusable {
            reason: "the program `bwrap` is not installed".to_owned(),
            mend: "install the package `bubblewrap`, for instance with `sudo apt install bubblewrap`"
                .to_owned(),
        };
    };
    match try_out(&path).await {
        Ok(version) => SandboxSupport::Bwrap { path, version },
        Err(reason) => SandboxSupport::Unusable { reason, mend: mend(Path::new("/proc/sys")) },
    }
}

/// The `bwrap` program, or `None` if there is none.
pub(crate) fn find_bwrap() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    USUAL_FOLDERS
        .iter()
        .map(PathBuf::from)
        .chain(std::env::split_paths(&path).filter(|folder| folder.is_absolute()))
        .map(|folder| folder.join("bwrap"))
        .find(|candidate| candidate.is_file())
}

async fn try_out(bwrap: &Path) -> Result<String, String> {
    let environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    let mut arguments = walls::arguments(&Walls::default(), &environment, "/", Path::new("/nowhere"))
        .expect("empty walls open nothing");
    arguments.extend(["--".to_owned(), "true".to_owned()]);
    let version = run(bwrap, &["--version".to_owned()]).await?;
    let tried = run(bwrap, &arguments).await?;
    if tried.status.success() {
        Ok(String::from_utf8_lossy(&version.stdout).trim().to_owned())
    } else {
        let said = String::from_utf8_lossy(&tried.stderr);
        Err(format!("{} does not work here: {} ({})", bwrap.display(), said.trim(), tried.status))
    }
}

async fn run(bwrap: &Path, arguments: &[String]) -> Result<Output, String> {
    let output =
        Command::new(bwrap).args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(PROBE_WITHIN, output).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(format!("{} cannot be started: {error}", bwrap.display())),
        Err(_elapsed) => Err(format!("{} does not end within {PROBE_WITHIN:?}", bwrap.display())),
    }
}

/// What to do about a `bwrap` that does not work, judged by the kernel's settings under `settings`.
fn mend(settings: &Path) -> String {
    let setting = |name: &str| {
        fs::read_to_string(settings.join(name)).ok().map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    if setting("kernel/apparmor_restrict_unprivileged_userns") == "1" {
        "this kernel lets only programs with an AppArmor profile make namespaces: add one for bwrap that grants `userns` \
         (on Ubuntu: copy /usr/share/apparmor/extra-profiles/bwrap-userns-restrict to /etc/apparmor.d and load it)"
            .to_owned()
    } else if setting("kernel/unprivileged_userns_clone") == "0" {
        "allow user namespaces: `sudo sysctl kernel.unprivileged_userns_clone=1`".to_owned()
    } else if setting("user/max_user_namespaces") == "0" {
        "allow user namespaces: `sudo sysctl user.max_user_namespaces=15000`".to_owned()
    } else {
        "let this account make user namespaces; inside a container, the container must be allowed to nest them".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_follows_the_kernels_settings() {
        let settings = tempfile::tempdir().unwrap();
        let set = |name: &str, value: &str| {
            let path = settings.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        };
        assert!(mend(settings.path()).contains("let this account"));
        set("user/max_user_namespaces", "0\n");
        assert!(mend(settings.path()).contains("max_user_namespaces"));
        set("kernel/unprivileged_userns_clone", "0\n");
        assert!(mend(settings.path()).contains("unprivileged_userns_clone"));
        set("kernel/apparmor_restrict_unprivileged_userns", "1\n");
        assert!(mend(settings.path()).contains("AppArmor"));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_a_reason_and_not_support() {
        let reason = try_out(Path::new("/bin/false")).await.unwrap_err();
        assert!(reason.contains("/bin/false does not work here"), "{reason}");
        assert!(try_out(Path::new("/no/such/bwrap")).await.unwrap_err().contains("cannot be started"));
    }
}
