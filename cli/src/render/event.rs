//! Events as text: one line each.

use windlass_domain::event::{Event, EventData};
use windlass_domain::item::ItemEvent;
use windlass_domain::run::event::{AttemptLoss, RunEvent};
use windlass_domain::run::step::StepResult;
use windlass_domain::workspace::WorkspaceEvent;

use super::style::{DIM, HEADING, of_status};
use super::text::safe;
use super::time::{clock, in_words};
use crate::args::choice::word;

/// One event on one line: its place, its time, its type, and what matters of it.
pub(crate) fn line(event: &Event) -> String {
    let detail = match &event.data {
        EventData::Run(event) => of_run(event),
        EventData::Item(event) => of_item(event),
        EventData::Workspace(WorkspaceEvent::Registered(workspace)) => safe(&workspace.root).into_owned(),
    };
    let (seq, at, name) = (event.seq.0, clock(event.at), event.data.type_name());
    format!("{DIM}{seq:>5}  {at}{DIM:#}  {HEADING}{name:<18}{HEADING:#} {detail}\n")
}

/// What a run's event says, in one line.
pub(crate) fn of_run(event: &RunEvent) -> String {
    match event {
        RunEvent::Submitted { request, .. } => {
            format!("{} of {}, preset {}", request.kind.word(), request.work_item_id, word(&request.preset))
        }
        RunEvent::StepInherited(step) => format!("{} was done before", safe(&step.key.to_string())),
        RunEvent::Queued {} | RunEvent::Started {} => String::new(),
        RunEvent::AttemptStarted { epoch, tool_version, .. } => {
            format!("attempt {epoch} by {}", safe(tool_version))
        }
        RunEvent::AttemptLost { epoch, why } => match why {
            AttemptLoss::ProcessGone => format!("attempt {epoch}: its process is gone"),
            AttemptLoss::MachineRestarted => format!("attempt {epoch}: the machine was started anew"),
            AttemptLoss::ActorFailed { message } => format!("attempt {epoch}: {}", safe(message)),
        },
        RunEvent::StepStarted(intent) => safe(&intent.key.to_string()).into_owned(),
        RunEvent::StepFinished { key, result, duration_ms } => {
            let size = match result {
                StepResult::Inline { .. } => String::new(),
                StepResult::Stored { bytes, .. } => format!(", {bytes} bytes"),
            };
            format!("{} after {}{size}", safe(&key.to_string()), in_words(*duration_ms))
        }
        RunEvent::PhaseChanged { phase } => word(phase),
        RunEvent::Checkpoint(checkpoint) => match checkpoint.percent {
            Some(percent) => format!("{percent}%  {}", safe(&checkpoint.summary)),
            None => safe(&checkpoint.summary).into_owned(),
        },
        RunEvent::PolicyDecided(decision) => format!(
            "{} {} for `{}` (rule {})",
            word(&decision.verdict),
            safe(&decision.capability),
            safe(&decision.subject),
            safe(&decision.rule)
        ),
        RunEvent::ApprovalAsked { capability, subject, .. } => {
            format!("{} for `{}`", safe(capability), safe(subject))
        }
        RunEvent::ApprovalAnswered { answer, by, .. } => format!("{} by {}", word(answer), safe(by)),
        RunEvent::CaptureBlocked { target, class, mode, .. } => {
            format!("{} holds {}, which mode {} does not keep", safe(target), word(class), word(mode))
        }
        RunEvent::SpoolLostTail { key, bytes, .. } => {
            format!("{} lost {bytes} bytes of output", safe(&key.to_string()))
        }
        RunEvent::ArtifactStored(artifact) => format!("{}, {} bytes", artifact.path, artifact.bytes),
        RunEvent::CancelRequested(request) => match &request.reason {
            Some(reason) => format!("by {}: {}", safe(&request.by), safe(reason)),
            None => format!("by {}", safe(&request.by)),
        },
        RunEvent::Ended { outcome, summary } => {
            let style = of_status(outcome.status());
            format!("{style}{}{style:#}: {}", outcome.status().word(), safe(summary))
        }
    }
}

fn of_item(event: &ItemEvent) -> String {
    match event {
        ItemEvent::Created { item } => format!("{}: {}", item.id, safe(&item.title)),
        ItemEvent::Edited { by, .. } => format!("by {}", safe(by)),
        ItemEvent::Moved { from, to, by } => format!("{} to {} by {}", from.word(), to.word(), safe(by)),
        ItemEvent::Returned { from, to, run_id } => {
            format!("{} to {}, because run {run_id} ended", from.word(), to.word())
        }
        ItemEvent::ContextAnswered { by, .. } => format!("by {}", safe(by)),
        ItemEvent::ProjectionWritten { run_id, files, unwritten, .. } if unwritten.is_empty() => {
            format!("{} files of run {run_id}", files.len())
        }
        ItemEvent::ProjectionWritten { run_id, files, unwritten, .. } => {
            format!(
                "{} files of run {run_id}, and {} that could not be written",
                files.len(),
                unwritten.len()
            )
        }
        ItemEvent::ProjectionIntended { run_id, files } => {
            format!("{} files of run {run_id} are about to be written", files.len())
        }
    }
}
