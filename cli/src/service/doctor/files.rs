//! The unit and the activation file: whether they are there, and whether they start this program.

use std::fs;
use std::path::{Path, PathBuf};

use windlass_contract::document::{DoctorCheck, DoctorFinding};
use windlass_process::{UnitView, UserManager};

use super::{ok, problem, skipped, warning};
use crate::reach::this_program;
use crate::service::files::{UNIT, Wanted, program_of, unit_path, wanted};

const INSTALL: [&str; 1] = ["windlass service install"];

/// Looks at both files and at what the manager knows of the unit.
pub(super) async fn look(manager: Option<&UserManager>) -> DoctorFinding {
    let view = match manager {
        Some(manager) => manager.unit(UNIT).await.ok(),
        None => None,
    };
    let wants = this_program().and_then(|program| Ok((wanted(&program)?, unit_path()?)));
    let (wants, home) = match wants {
        Ok(found) => found,
        Err(fault) => return skipped(DoctorCheck::Files, fault.to_string()),
    };
    let loaded =
        view.as_ref().map(|view| PathBuf::from(&view.file)).filter(|file| !file.as_os_str().is_empty());
    let file = loaded.unwrap_or(home);
    let Ok(text) = fs::read_to_string(&file) else {
        return not_there(manager.is_some(), &file);
    };
    if let Some(stale) = stale(&file, &text, &wants) {
        return stale;
    }
    view.and_then(|view| unread(&view)).unwrap_or_else(|| {
        ok(DoctorCheck::Files, format!("{} is there and starts this program", file.display()))
    })
}

fn not_there(has_manager: bool, file: &Path) -> DoctorFinding {
    let text =
        format!("{} is not there, so nobody starts the service at boot or after a crash", file.display());
    if has_manager {
        warning(DoctorCheck::Files, text, &INSTALL)
    } else {
        skipped(
            DoctorCheck::Files,
            "the service is not installed, and there is no user manager that would start it",
        )
    }
}

/// Whether the files are of another program or another version.
fn stale(file: &Path, text: &str, wants: &[Wanted; 2]) -> Option<DoctorFinding> {
    let shown = file.display();
    let Some(program) = program_of(text) else {
        return Some(problem(DoctorCheck::Files, format!("{shown} names no program"), &INSTALL));
    };
    if !program.exists() {
        let text = format!("{shown} starts {}, which is gone", program.display());
        return Some(problem(DoctorCheck::Files, text, &INSTALL));
    }
    let [unit, activation] = wants;
    // A file for all users is the distribution's to keep up to date.
    if file != unit.path {
        return None;
    }
    for (wanted, there) in
        [(unit, Some(text.to_owned())), (activation, fs::read_to_string(&activation.path).ok())]
    {
        let path = wanted.path.display();
        match there {
            None => {
                return Some(warning(
                    DoctorCheck::Files,
                    format!("{path} is not there, so no call starts the service"),
                    &INSTALL,
                ));
            }
            Some(there) if there != wanted.text => {
                let text = format!(
                    "{path} is not what this program would write: it was changed, or is of another version or place"
                );
                return Some(warning(DoctorCheck::Files, text, &INSTALL));
            }
            Some(_) => {}
        }
    }
    None
}

/// Whether the manager knows the unit as it is on the disk, and starts it by itself.
fn unread(view: &UnitView) -> Option<DoctorFinding> {
    if view.load_state != "loaded" || view.needs_reload {
        let text = format!("systemd knows {UNIT} as it was before ({})", view.load_state);
        return Some(warning(DoctorCheck::Files, text, &["systemctl --user daemon-reload"]));
    }
    if view.file_state != "enabled" {
        let text = format!("{UNIT} is {}: it is not started at boot or login", view.file_state);
        return Some(warning(DoctorCheck::Files, text, &INSTALL));
    }
    None
}
