//! Walls as arguments of `bwrap` (bwrap(1)).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use windlass_domain::child::Walls;

/// System folders that are links into `/usr` on most machines and folders of their own on the others.
const BESIDE_USR: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What programs need of `/etc`: the linker's cache, which program an alternative stands for, certificates, names of
/// users, and what there is to know of hosts and services without a network.
const FROM_ETC: [&str; 15] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl",
];

/// What of `/proc` speaks to the whole machine. Its owner is root, and root's number needs no capability to write it, in a
/// user namespace or not.
const READ_ONLY_OF_PROC: [&str; 7] =
    ["/proc/acpi", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/scsi", "/proc/sys", "/proc/sysrq-trigger"];

/// Folders that no wall may open or contain: the kernel's, and `/run` with its doors (`/run/user`, `/run/dbus`).
const NEVER: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// Why walls are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WallsError {
    /// A relative path, or one with `..`.
    #[error("the sandbox path {path:?} is not absolute and free of `..`; give the full path")]
    NotAbsolute {
        /// The path.
        path: String,
    },
    /// A path that would open the sandbox.
    #[error("the sandbox path {path:?} would open {opens} to the child; name a narrower folder")]
    OpensADoor {
        /// The path.
        path: String,
        /// What would become reachable.
        opens: String,
    },
    /// A NUL byte, which separates arguments.
    #[error("the {what} of a sandboxed child holds a NUL byte or is not a variable's name; correct it")]
    NotText {
        /// Which part.
        what: &'static str,
    },
}

/// The arguments that build the walls, without the program itself.
///
/// `holds` is the folder of all holds; nothing inside sees it.
pub(crate) fn arguments(
    walls: &Walls,
    environment: &BTreeMap<String, String>,
    cwd: &str,
    holds: &Path,
) -> Result<Vec<String>, WallsError> {
    let mut all = Arguments::default();
    all.add(&["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]);
    for (name, value) in environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(WallsError::NotText { what: "environment" });
        }
        all.add(&["--setenv", name, value]);
    }
    all.add_system();
    for path in &walls.writable {
        check(path, holds)?;
        all.add(&["--bind", path, path]);
    }
    for path in &walls.readable {
        check(path, holds)?;
        all.add(&["--ro-bind-try", path, path]);
    }
    if cwd.contains('\0') {
        return Err(WallsError::NotText { what: "working folder" });
    }
    // The folder in which all of this is mounted is bwrap's own and would be writable.
    all.add(&["--remount-ro", "/", "--chdir", cwd]);
    Ok(all.0)
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn add(&mut self, arguments: &[&str]) {
        self.0.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    }

    fn add_system(&mut self) {
        self.add(&["--ro-bind", "/usr", "/usr"]);
        for path in BESIDE_USR {
            match fs::read_link(path) {
                Ok(target) => self.add(&["--symlink", &target.to_string_lossy(), path]),
                Err(_not_a_link) => self.add(&["--ro-bind-try", path, path]),
            }
        }
        for path in FROM_ETC {
            self.add(&["--ro-bind-try", path, path]);
        }
        self.add(&["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]);
        for path in READ_ONLY_OF_PROC {
            self.add(&["--ro-bind-try", path, path]);
        }
    }
}

fn check(path: &str, holds: &Path) -> Result<(), WallsError> {
    if path.contains('\0') {
        return Err(WallsError::NotText { what: "path" });
    }
    let given = Path::new(path);
    if !given.is_absolute() || given.components().any(|part| part == Component::ParentDir) {
        return Err(WallsError::NotAbsolute { path: path.to_owned() });
    }
    // What counts is where it leads, on both sides: a link to a door is a door.
    let real = fs::canonicalize(given).unwrap_or_else(|_| given.to_path_buf());
    let real_holds = fs::canonicalize(holds).unwrap_or_else(|_| holds.to_path_buf());
    let opens =
        |what: &Path| WallsError::OpensADoor { path: path.to_owned(), opens: what.display().to_string() };
    let closed: Vec<PathBuf> = NEVER.iter().map(PathBuf::from).chain([real_holds]).collect();
    for closed in &closed {
        if real.starts_with(closed) || closed.starts_with(&real) || given.starts_with(closed) {
            return Err(opens(closed));
        }
    }
    if real == Path::new("/tmp") || given == Path::new("/tmp") {
        return Err(opens(Path::new("the shared /tmp")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(readable: &[&str], writable: &[&str]) -> Result<Vec<String>, WallsError> {
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let walls = Walls { readable: owned(readable), writable: owned(writable) };
        arguments(&walls, &BTreeMap::new(), "/", Path::new("/var/lib/holds"))
    }

    #[test]
    fn read_only_folders_come_after_writable_ones() {
        let all = with(&["/home/a/work/.git"], &["/home/a/work"]).unwrap();
        let place = |wanted: &str| all.iter().position(|argument| argument == wanted).unwrap();
        assert!(place("/home/a/work/.git") > place("/home/a/work"));
    }

    #[test]
    fn walls_that_would_open_a_door_are_refused() {
        for path in [
            "/",
            "/run",
            "/run/user/1000",
            "/proc",
            "/dev/shm",
            "/sys/fs",
            "/tmp",
            "/var/lib",
            "/var/lib/holds/x",
        ] {
            assert!(matches!(with(&[path], &[]), Err(WallsError::OpensADoor { .. })), "{path}");
            assert!(matches!(with(&[], &[path]), Err(WallsError::OpensADoor { .. })), "{path}");
        }
        assert!(with(&["/var/libexec"], &["/running"]).is_ok(), "a longer name is another folder");
    }

    #[test]
    fn a_link_to_a_door_is_a_door() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("innocent");
        std::os::unix::fs::symlink("/run", &link).unwrap();
        let refused = with(&[link.to_str().unwrap()], &[]);
        assert!(matches!(refused, Err(WallsError::OpensADoor { .. })), "{refused:?}");
    }

    #[test]
    fn no_value_can_smuggle_an_argument() {
        for path in ["relative", "/a/../b"] {
            assert!(matches!(with(&[path], &[]), Err(WallsError::NotAbsolute { .. })), "{path}");
        }
        assert!(with(&["/a\0--bind\0/\0/"], &[]).is_err());
        for (name, value) in [("A", "x\0--bind\0/\0/"), ("A=B", ""), ("", "x"), ("A\0", "x")] {
            let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let refused = arguments(&Walls::default(), &environment, "/", Path::new("/holds"));
            assert_eq!(refused, Err(WallsError::NotText { what: "environment" }), "{name:?}={value:?}");
        }
    }
}
