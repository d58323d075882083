//! The two files that let systemd and the session bus start the service: what stands in them, where they belong, and how
//! they are written and taken away.
//!
//! **Invariant:** a file is replaced whole or not at all, and one that is as it should be is not touched.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use windlass_contract::document::{FileChange, ServiceFile};
use windlass_contract::{ErrorCode, Fault};

use crate::folders::base_folder;

/// The service's unit.
pub(crate) const UNIT: &str = "windlass.service";

/// What stands where the program's path belongs.
const PROGRAM: &str = "@BIN@";

const UNIT_TEXT: &str = include_str!("../../../systemd/windlass.service");
const ACTIVATION_TEXT: &str = include_str!("../../../systemd/dev.windlass.Windlass1.service");

/// A file that belongs somewhere, with what is to stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Where the user's unit belongs (`systemd.unit(5)`).
///
/// # Errors
/// `io` where no home is known.
pub(crate) fn unit_path() -> Result<PathBuf, Fault> {
    Ok(base_folder("XDG_CONFIG_HOME", ".config")?.join("systemd/user").join(UNIT))
}

/// Where the user's activation file belongs (the D-Bus specification, "Message Bus Starting Services").
///
/// # Errors
/// `io` where no home is known.
pub(crate) fn activation_path() -> Result<PathBuf, Fault> {
    let services = base_folder("XDG_DATA_HOME", ".local/share")?.join("dbus-1/services");
    Ok(services.join("dev.windlass.Windlass1.service"))
}

/// Both files as they should be for this program.
///
/// # Errors
/// `bad_request` where the program's path cannot stand in such a file.
pub(crate) fn wanted(program: &Path) -> Result<[Wanted; 2], Fault> {
    let shown = program.to_string_lossy();
    let text = program.to_str().filter(|text| !text.chars().any(char::is_control)).ok_or_else(|| {
        let message = format!("the path of this program, `{}`, cannot stand in a unit", shown.escape_debug());
        Fault::new(ErrorCode::BadRequest, message).hint("mkdir -p ~/.local/bin && cp windlass ~/.local/bin/")
    })?;
    Ok([
        Wanted { path: unit_path()?, text: UNIT_TEXT.replace(PROGRAM, &in_unit(text)) },
        Wanted { path: activation_path()?, text: ACTIVATION_TEXT.replace(PROGRAM, &in_activation(text)) },
    ])
}

/// A path as `ExecStart=` takes it: in quotes, and with what systemd would replace doubled (`systemd.service(5)`). A `$` stays:
/// in a program's path it stands for itself.
fn in_unit(path: &str) -> String {
    let doubled = path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    quoted(path, doubled)
}

/// A path as `Exec=` takes it: in quotes, with what a shell would take for more than a character escaped.
fn in_activation(path: &str) -> String {
    let mut escaped = String::new();
    for character in path.chars() {
        if matches!(character, '\\' | '"' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    quoted(path, escaped)
}

/// A plain path needs no quotes, and reads better without.
fn quoted(path: &str, escaped: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(plain) { escaped } else { format!("\"{escaped}\"") }
}

/// The program that a unit of ours starts, as its text says; none where it says none.
pub(crate) fn program_of(unit_text: &str) -> Option<PathBuf> {
    let line = unit_text.lines().find_map(|line| line.strip_prefix("ExecStart="))?;
    let line = line.trim();
    let path = match line.strip_prefix('"') {
        Some(rest) => until_quote(rest)?,
        None => line.split(' ').next()?.to_owned(),
    };
    Some(PathBuf::from(path.replace("%%", "%")))
}

fn until_quote(text: &str) -> Option<String> {
    let mut path = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some(path),
            '\\' => path.push(characters.next()?),
            character => path.push(character),
        }
    }
}

/// Makes a file what it should be: beside it, synced, renamed into its place.
///
/// # Errors
/// `io`, with the path and what the system said.
pub(crate) fn write(wanted: &Wanted) -> Result<ServiceFile, Fault> {
    let Wanted { path, text } = wanted;
    let change = match fs::read(path) {
        Ok(there) if there == text.as_bytes() => FileChange::Unchanged,
        Ok(_) => FileChange::Replaced,
        Err(error) if error.kind() == ErrorKind::NotFound => FileChange::Written,
        Err(error) => return Err(fault("read", path, &error)),
    };
    if change != FileChange::Unchanged {
        replace(path, text.as_bytes()).map_err(|error| fault("write", path, &error))?;
    }
    Ok(ServiceFile { path: path.to_string_lossy().into_owned(), change })
}

/// Takes a file away.
///
/// # Errors
/// `io`, with the path and what the system said.
pub(crate) fn remove(path: &Path) -> Result<ServiceFile, Fault> {
    let change = match fs::remove_file(path) {
        Ok(()) => FileChange::Removed,
        Err(error) if error.kind() == ErrorKind::NotFound => FileChange::Absent,
        Err(error) => return Err(fault("remove", path, &error)),
    };
    Ok(ServiceFile { path: path.to_string_lossy().into_owned(), change })
}

/// Writes a file whole and synced, or leaves what was there.
///
/// # Errors
/// What the system said.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn fault(what: &str, path: &Path, error: &io::Error) -> Fault {
    let shown = path.display();
    let fault = Fault::new(ErrorCode::Io, format!("cannot {what} {shown}: {error}"));
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::NotADirectory => {
            fault.hint(format!("ls -ld {}", path.parent().unwrap_or(path).display()))
        }
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_path_stands_in_both_files_so_that_it_is_found_again() {
        for path in ["/usr/bin/windlass", "/home/kim/my bin/100%/a$b\"c\\d`e/windlass"] {
            let [unit, activation] = wanted(Path::new(path)).unwrap();
            assert_eq!(program_of(&unit.text).as_deref(), Some(Path::new(path)), "{}", unit.text);
            assert!(!unit.text.contains(PROGRAM) && !activation.text.contains(PROGRAM));
        }
        let odd = "/a b/100%/$x`y\"z";
        assert_eq!(in_unit(odd), "\"/a b/100%%/$x`y\\\"z\"");
        assert_eq!(in_activation(odd), "\"/a b/100%/\\$x\\`y\\\"z\"");
        assert_eq!(in_unit("/usr/bin/windlass"), "/usr/bin/windlass");
    }

    #[test]
    fn a_path_that_would_end_the_line_is_refused() {
        let fault = wanted(Path::new("/a\nExecStart=/bin/false")).unwrap_err();
        assert_eq!(fault.code(), ErrorCode::BadRequest);
    }

    #[test]
    fn a_file_is_written_once_replaced_when_it_differs_and_removed_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Wanted { path: folder.path().join("a/b/x.service"), text: "one\n".to_owned() };
        assert_eq!(write(&file).unwrap().change, FileChange::Written);
        assert_eq!(write(&file).unwrap().change, FileChange::Unchanged);
        file.text = "two\n".to_owned();
        assert_eq!(write(&file).unwrap().change, FileChange::Replaced);
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "two\n");
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1, "no leftovers");
        assert_eq!(remove(&file.path).unwrap().change, FileChange::Removed);
        assert_eq!(remove(&file.path).unwrap().change, FileChange::Absent);
    }
}
