//! What `windlass service doctor` looks at: everything around the service that keeps runs from going on.
//!
//! It only looks: it starts no service, takes no lock and changes nothing. Whatever goes wrong on the way is a finding.

pub(crate) mod capsule;
mod files;
mod mounts;
mod programs;
mod running;

use windlass_contract::document::{DoctorCheck, DoctorFinding, Verdict};

use crate::folders::Folders;

/// Looks at everything, in the order in which one thing needs another.
pub(crate) async fn look(folders: &Folders) -> Vec<DoctorFinding> {
    let (surroundings, manager) = running::surroundings().await;
    let mut findings = surroundings;
    findings.push(files::look(manager.as_ref()).await);
    let (service, pid) = running::service().await;
    findings.push(service);
    findings.push(running::crash_loop(folders));
    findings.push(capsule::look(folders).await);
    findings.push(capsule::writer(folders, pid));
    findings.push(mounts::look(folders));
    findings.push(programs::sandbox().await);
    findings.push(programs::git().await);
    findings
}

fn finding(check: DoctorCheck, verdict: Verdict, message: impl Into<String>) -> DoctorFinding {
    DoctorFinding { check, verdict, message: message.into(), mends: Vec::new() }
}

fn ok(check: DoctorCheck, message: impl Into<String>) -> DoctorFinding {
    finding(check, Verdict::Ok, message)
}

fn skipped(check: DoctorCheck, message: impl Into<String>) -> DoctorFinding {
    finding(check, Verdict::Skipped, message)
}

fn warning(check: DoctorCheck, message: impl Into<String>, mends: &[&str]) -> DoctorFinding {
    let mends = mends.iter().map(|mend| (*mend).to_owned()).collect();
    DoctorFinding { mends, ..finding(check, Verdict::Warning, message) }
}

fn problem(check: DoctorCheck, message: impl Into<String>, mends: &[&str]) -> DoctorFinding {
    DoctorFinding { verdict: Verdict::Problem, ..warning(check, message, mends) }
}
