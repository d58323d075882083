//! What is done without a tree, because there is no capsule yet or none is needed: checking an exported run anywhere, and
//! putting a backup in place.

use std::io::Read;
use std::path::Path;

use windlass_capsule::{BadExport, RestoreError, restore};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::view::{CapsuleCopy, ExportView, Verification};
use windlass_domain::digest::Digest;

use crate::control::capsule::{backup, export};
use crate::control::{faults, with_sources};
use crate::folders::Folders;

/// Checks an exported run, with no capsule at all. What does not fit is told in the verification; an export that is sound is
/// described as well.
///
/// # Errors
/// `bad_request` for a head that is none and for what is no export, `capsule_newer` for one of a newer format, `io` when it
/// cannot be read.
pub fn verify_export(
    input: impl Read,
    head: Option<&str>,
) -> Result<(Verification, Option<ExportView>), Fault> {
    let head = head.map(str::parse::<Digest>).transpose();
    let head = head.map_err(|error| faults::bad_head(&error))?;
    match windlass_capsule::verify_export(input, head) {
        Ok(report) => {
            let view = export::view(&report.manifest);
            let verification = Verification {
                sound: true,
                events: view.events,
                links: view.links,
                blobs: view.blobs,
                first_problem: None,
                capsule_head: view.capsule_head,
            };
            Ok((verification, Some(view)))
        }
        Err(error @ (BadExport::Damaged { .. } | BadExport::HeadNotFound { .. })) => {
            let verification = Verification {
                sound: false,
                events: 0,
                links: 0,
                blobs: 0,
                first_problem: Some(with_sources(&error)),
                capsule_head: Digest::ZERO,
            };
            Ok((verification, None))
        }
        Err(error) => Err(export::bad(&error)),
    }
}

/// Puts a backup into a state folder that has no capsule. Blocks until it is verified.
///
/// # Errors
/// `bad_request` where there is a capsule already or no backup, `capsule_damaged`, `capsule_newer`, `disk_full`, `io`; nothing
/// was changed then.
pub fn restore_capsule(folders: &Folders, from: &Path) -> Result<CapsuleCopy, Fault> {
    let capsule = folders.capsule();
    match restore(from, &capsule) {
        Ok(done) => Ok(backup::copy(&capsule, &done)),
        Err(error @ RestoreError::Exists { .. }) => {
            let (here, aside) = (capsule.display(), folders.state().join("capsule.before-restore"));
            Err(Fault::new(ErrorCode::BadRequest, with_sources(&error))
                .hint("windlass service stop")
                .hint(format!("mv {here} {}", aside.display())))
        }
        Err(error @ RestoreError::NotABackup { .. }) => {
            Err(Fault::new(ErrorCode::BadRequest, with_sources(&error))
                .hint("windlass capsule backup --out FOLDER"))
        }
        Err(RestoreError::Copy(error)) => Err(backup::refused(&error)),
    }
}
