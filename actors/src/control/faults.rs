//! What went wrong inside, as callers see it: a stable code, a message and the next step.

use std::path::Path;

use windlass_capsule::{ContinuationRefusal, NoRoom, ReadError, StageError, WriteError};
use windlass_contract::error::{ErrorBody, ErrorCode, Fault};
use windlass_domain::admission::{AdmissionRefusal, hold_for};
use windlass_domain::digest::BadDigest;
use windlass_domain::item::ItemRefusal;
use windlass_domain::maieutic::MissingAnswer;
use windlass_domain::run::Refusal;

use super::with_sources;
use crate::store::StoreError;

/// A read failed.
pub(super) fn read(error: ReadError) -> Fault {
    let damaged = |text| {
        Fault::new(ErrorCode::CapsuleDamaged, text)
            .hint("windlass capsule verify")
            .hint("keep the folder as it is; nothing is deleted or repaired by itself")
    };
    match error.is_damage() {
        true => damaged(with_sources(&error)),
        false => io(with_sources(&error)),
    }
}

/// A write failed or was refused.
pub(super) fn write(error: StoreError) -> Fault {
    match error {
        StoreError::Overloaded(overloaded) => Fault::new(ErrorCode::Overloaded, overloaded.to_string())
            .hint("try again in a moment; nothing of this request was done"),
        StoreError::Stage(error) => stage(&error),
        StoreError::ReadOnly(refusal) => *refusal,
        StoreError::Write(error) => match *error {
            WriteError::Admission(refusal) => admission(refusal),
            WriteError::Continuation(refusal) => continuation(&refusal),
            WriteError::Run(refusal) => run(&refusal),
            WriteError::Item(refusal) => item(&refusal),
            WriteError::UnknownRun { run_id } => unknown_run(run_id),
            WriteError::UnknownItem { id, .. } => unknown_item(id.as_str()),
            WriteError::Read(error) => read(error),
            WriteError::NoRoom(missing) => no_room(&missing),
            other => uncommon(&other),
        },
    }
}

fn stage(error: &StageError) -> Fault {
    match error {
        StageError::DiskFull { path, .. } => {
            Fault::new(ErrorCode::DiskFull, with_sources(error)).hint(df(path))
        }
        _ => io(with_sources(error)),
    }
}

/// There is no room for what is asked.
fn no_room(no_room: &NoRoom) -> Fault {
    let fault = Fault::new(ErrorCode::DiskFull, no_room.to_string());
    match no_room {
        NoRoom::Disk { path, .. } => fault.hint(df(path)),
        NoRoom::Map { .. } => fault.hint("windlass capsule backup --out FOLDER"),
    }
}

fn df(path: &Path) -> String {
    format!("df -h {}", path.display())
}

/// Rows that cannot be read.
pub(super) fn unreadable(rows: &[String]) -> Fault {
    Fault::new(ErrorCode::CapsuleDamaged, rows.join("; "))
        .hint("windlass capsule verify")
        .hint("keep the folder as it is; nothing is deleted or repaired by itself")
}

fn uncommon(error: &WriteError) -> Fault {
    let code = match error {
        WriteError::ItemExists { .. }
        | WriteError::BadParent { .. }
        | WriteError::ItemChanged { .. }
        | WriteError::TooLarge { .. } => ErrorCode::BadRequest,
        WriteError::UnknownWorkspace { .. } => ErrorCode::UnknownWorkspace,
        WriteError::CorruptRun(_) | WriteError::CorruptItem(_) => ErrorCode::CapsuleDamaged,
        _ => ErrorCode::Io,
    };
    let fault = Fault::new(code, with_sources(error));
    match error {
        WriteError::ItemExists { id } => fault.hint(format!("windlass item show --id {id}")),
        WriteError::BadParent { .. } | WriteError::ItemChanged { .. } => fault.hint("windlass item list"),
        WriteError::TooLarge { .. } => fault.hint("shorten it, or link to a longer text"),
        WriteError::UnknownWorkspace { .. } => fault.hint("windlass init"),
        _ => fault.hint("windlass service doctor"),
    }
}

/// A head is not a digest.
pub(crate) fn bad_head(error: &BadDigest) -> Fault {
    Fault::new(ErrorCode::BadRequest, error.to_string()).hint("windlass capsule verify")
}

/// Something outside failed, or the machine is not as it should be.
pub(crate) fn io(text: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::Io, text).hint("windlass service doctor")
}

/// There is no such run.
pub(super) fn unknown_run(run_id: windlass_domain::id::RunId) -> Fault {
    Fault::new(ErrorCode::UnknownRun, format!("there is no run {run_id}")).hint("windlass bot runs")
}

/// Nothing waits under this id.
pub(super) fn unknown_approval(approval_id: windlass_domain::id::ApprovalId) -> Fault {
    Fault::new(ErrorCode::UnknownApproval, format!("no open approval and no run is {approval_id}"))
        .hint("windlass approvals list")
}

/// There is no such item.
pub(super) fn unknown_item(id: &str) -> Fault {
    Fault::new(ErrorCode::UnknownItem, format!("there is no work item `{id}` in this repository"))
        .hint(format!("windlass item add --type task --id {id} --title '…'"))
        .hint("windlass item list")
}

/// A submission was refused.
pub(super) fn admission(refusal: AdmissionRefusal) -> Fault {
    let text = refusal.to_string();
    match refusal {
        AdmissionRefusal::DedupeConflict { run_id, .. } => Fault::new(ErrorCode::DedupeConflict, text)
            .hint("use another --dedupe-key, or none")
            .hint(format!("windlass bot show --run {run_id}")),
        AdmissionRefusal::UnknownWorkspace { .. } => {
            Fault::new(ErrorCode::UnknownWorkspace, text).hint("windlass init")
        }
        AdmissionRefusal::UnknownItem { id } => unknown_item(id.as_str()),
        AdmissionRefusal::NotEligible { id, kind, .. } => Fault::new(ErrorCode::ItemNotEligible, text)
            .hint(format!("windlass item show --id {id}"))
            .hint(format!("use --hold to move it to {} with the submission", hold_for(kind).word())),
        AdmissionRefusal::NoContext { id } => missing_context(id.as_str(), &[]),
        AdmissionRefusal::ContextChanged { .. } => Fault::new(ErrorCode::MaieuticIncomplete, text)
            .hint("ask again, with the answers as they are now"),
        AdmissionRefusal::CaptureNone => {
            Fault::new(ErrorCode::CaptureNone, text).hint("use --capture prompts_only or --capture full_io")
        }
        AdmissionRefusal::ResearchWrites => {
            Fault::new(ErrorCode::BadRequest, text).hint("use --write-mode none, or --kind review")
        }
        AdmissionRefusal::AlreadyActive { run_id, .. } => Fault::new(ErrorCode::AlreadyActive, text)
            .hint(format!("windlass bot watch --run {run_id}"))
            .hint(format!("windlass bot cancel --run {run_id}")),
    }
}

/// The maieutic context is missing or incomplete: one error for each field.
pub(super) fn missing_context(id: &str, missing: &[MissingAnswer]) -> Fault {
    let none_at_all = [
        MissingAnswer { field: "goal".to_owned(), problem: "no goal is given".to_owned() },
        MissingAnswer {
            field: "acceptance_criteria".to_owned(),
            problem: "no acceptance criterion is given".to_owned(),
        },
    ];
    let missing = if missing.is_empty() { &none_at_all } else { missing };
    let body = |answer: &MissingAnswer| ErrorBody {
        code: ErrorCode::MaieuticIncomplete,
        message: format!("`{id}`: {}: {}", answer.field, answer.problem),
        hints: vec![match answer.field.as_str() {
            "goal" => "--goal 'what is to be achieved'".to_owned(),
            "acceptance_criteria" => "--accept 'how one will know that it is done'".to_owned(),
            _ => format!("windlass item intake --id {id}"),
        }],
    };
    Fault::of(missing.iter().map(body).collect())
        .unwrap_or_else(|| Fault::new(ErrorCode::MaieuticIncomplete, format!("`{id}` has no context")))
}

pub(super) fn continuation(refusal: &ContinuationRefusal) -> Fault {
    use windlass_domain::run::NotContinuable;
    let (code, hints) = match refusal {
        ContinuationRefusal::Unknown { .. } => (ErrorCode::UnknownRun, vec!["windlass bot runs".to_owned()]),
        ContinuationRefusal::Active { run_id } => {
            (ErrorCode::BadRequest, vec![format!("windlass bot watch --run {run_id}")])
        }
        ContinuationRefusal::Outcome { run_id, why: NotContinuable::InDoubt { .. } } => {
            let settle = |flag: &str| format!("windlass bot resume --run {run_id} {flag}");
            (ErrorCode::BadRequest, vec![settle("--step-done"), settle("--step-redo")])
        }
        ContinuationRefusal::Outcome { run_id, why: NotContinuable::Over { .. } } => {
            (ErrorCode::RunEnded, vec![format!("windlass bot show --run {run_id}")])
        }
        ContinuationRefusal::Outcome { run_id, .. } | ContinuationRefusal::OtherWork { run_id } => {
            (ErrorCode::BadRequest, vec![format!("windlass bot show --run {run_id}")])
        }
        ContinuationRefusal::Continued { by, .. } => {
            (ErrorCode::BadRequest, vec![format!("windlass bot show --run {by}")])
        }
        ContinuationRefusal::Worktree { .. } => (ErrorCode::BadRequest, vec!["windlass bot runs".to_owned()]),
    };
    hints.into_iter().fold(Fault::new(code, refusal.to_string()), Fault::hint)
}

fn run(refusal: &Refusal) -> Fault {
    let code = match refusal {
        Refusal::RunEnded { .. } => ErrorCode::RunEnded,
        Refusal::NotAsked { .. } | Refusal::Lapsed { .. } => ErrorCode::UnknownApproval,
        _ => ErrorCode::BadRequest,
    };
    let fault = Fault::new(code, refusal.to_string());
    match refusal {
        Refusal::RunEnded { run_id, .. } => fault.hint(format!("windlass bot show --run {run_id}")),
        Refusal::NotAsked { .. } | Refusal::Lapsed { .. } => fault.hint("windlass approvals list"),
        _ => fault.hint("windlass bot runs"),
    }
}

fn item(refusal: &ItemRefusal) -> Fault {
    let text = refusal.to_string();
    match refusal {
        ItemRefusal::IllegalMove { id, allowed, .. } => {
            let fault = Fault::new(ErrorCode::IllegalMove, text);
            match allowed.first() {
                Some(to) => fault.hint(format!("windlass item move --id {id} --to {}", to.word())),
                None => fault.hint(format!("windlass item show --id {id}")),
            }
        }
        ItemRefusal::HoldActive { run_id, .. } => {
            Fault::new(ErrorCode::IllegalMove, text).hint(format!("windlass bot cancel --run {run_id}"))
        }
        ItemRefusal::NotReady { id, .. } | ItemRefusal::OpenQuestions { id, .. } => {
            Fault::new(ErrorCode::IllegalMove, text).hint(format!("windlass item intake --id {id} --form"))
        }
        ItemRefusal::NoSuchField { .. } => {
            Fault::new(ErrorCode::BadRequest, text).hint("windlass item edit --help")
        }
        ItemRefusal::BadTitle { .. } => {
            Fault::new(ErrorCode::BadRequest, text).hint("say the rest in the description")
        }
    }
}
