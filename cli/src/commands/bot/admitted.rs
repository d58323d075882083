//! What a command that admits a run does once it is admitted: says so, or follows the run to its end.

use windlass_contract::document::{Header, ResultDocument};
use windlass_contract::error::exit_of;
use windlass_contract::request::RunRef;
use windlass_contract::view::{Accepted, RunView};
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::{ItemId, RunId, Seq};
use windlass_domain::run::RunStatus;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::RunKind;

use super::result;
use crate::args::choice::word;
use crate::failure::Failure;
use crate::follow::to_the_end;
use crate::progress::Progress;
use crate::reach::{Need, Reach};
use crate::render::run::standing;
use crate::render::text::{safe, shell_word};
use crate::session::Session;

/// Where the run is to be driven: by a service, or by this process.
pub(super) const fn need(ephemeral: bool) -> Need {
    if ephemeral { Need::Ephemeral } else { Need::Service }
}

/// Without a bus, the same command with one more flag is the way on.
pub(super) fn or_ephemeral(need: Need, fault: Fault) -> Fault {
    match need {
        Need::Service if fault.code() == ErrorCode::BusUnavailable => {
            fault.hint(format!("{} --ephemeral", typed()))
        }
        _ => fault,
    }
}

/// Says that the run was accepted, or follows it to its end.
pub(super) async fn go_on(
    session: &Session,
    need: Need,
    waits: bool,
    accepted: Accepted,
    item: ItemId,
    kind: RunKind,
) -> Result<ExitCode, Failure> {
    for warning in &accepted.warnings {
        session.output.note(&format!("warning: {}", safe(warning)));
    }
    if need == Need::Ephemeral && session.way() == Some(Reach::Bus) {
        session.output.note("a service has the capsule already; it drives the run");
    }
    let run_id = accepted.run_id;
    if waits {
        wait(session, need, run_id).await.map_err(|failure| of_run(failure, run_id))
    } else {
        acknowledge(session, need, &accepted, item, kind).await
    }
}

/// The command as it was typed, to be pasted with one more flag.
fn typed() -> String {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| shell_word(&word.to_string_lossy()).into_owned()).collect();
    format!("windlass {}", words.join(" "))
}

/// Says that the run was accepted. It is on disk by now, so failing to look at it changes nothing about that.
async fn acknowledge(
    session: &Session,
    need: Need,
    accepted: &Accepted,
    item: ItemId,
    kind: RunKind,
) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let run_id = accepted.run_id;
    if output.json() {
        let shown = session.control(need).await?.show_run(RunRef { run_id }).await;
        let summary = sentence(accepted);
        let document = match shown {
            Ok(view) => result::of(&view, ExitCode::Success, summary),
            Err(fault) => {
                tracing::info!(reason = fault.first().message, "the accepted run cannot be looked at");
                bare(accepted, item, kind, summary)
            }
        };
        output.document(&document)?;
    } else if output.quiet() {
        output.text(&format!("{run_id}\n"))?;
    } else {
        output.text(&format!("run {run_id}: {} of {item} {}\n", kind.word(), sentence(accepted)))?;
    }
    output
        .next(&[format!("windlass bot watch --run {run_id}"), format!("windlass bot show --run {run_id}")])?;
    Ok(ExitCode::Success)
}

fn sentence(accepted: &Accepted) -> String {
    match (accepted.new, accepted.queue_place) {
        (false, _) => "was accepted before; the same request is the same run".to_owned(),
        (true, 0) => "is accepted and goes on".to_owned(),
        (true, place) => format!("is accepted and waits at place {place} of the queue"),
    }
}

/// The result of a run of which nothing but its acceptance is known.
fn bare(accepted: &Accepted, item: ItemId, kind: RunKind, summary: String) -> ResultDocument {
    ResultDocument {
        header: Header::of(ResultDocument::SCHEMA),
        work_item_id: Some(item),
        kind: Some(kind),
        run_id: Some(accepted.run_id),
        status: Some(RunStatus::Queued),
        exit_code: ExitCode::Success as u8,
        summary,
        queue_place: (accepted.queue_place > 0).then_some(accepted.queue_place),
        artifact_uris: Vec::new(),
        projection_paths: Vec::new(),
        errors: Vec::new(),
        blocked_reason: None,
        patch_bundle_uri: None,
        worktree_path: None,
        branch_name: None,
        capsule_head: None,
    }
}

async fn wait(session: &Session, need: Need, run_id: RunId) -> Result<ExitCode, Failure> {
    let output = &session.output;
    if output.has_person() && need == Need::Service {
        output
            .note(&format!("run {run_id} goes on without this terminal: windlass bot watch --run {run_id}"));
    }
    let progress = Progress::new(output, "waiting for its turn");
    let following = to_the_end(session, need, run_id, Seq(1), |event| {
        if let Some(doing) = doing(event) {
            progress.say(&doing);
        }
        Ok(())
    });
    let fresh = progress.during(following).await?;
    let current = fresh.as_ref().unwrap_or(session);
    let shown = match current.control_here(need).await {
        Ok(control) => control.show_run(RunRef { run_id }).await,
        Err(fault) => Err(fault),
    };
    if let Some(fresh) = fresh {
        fresh.leave().await;
    }
    finish(session, &shown?)
}

/// What a waiting person wants to read of an event.
fn doing(event: &Event) -> Option<String> {
    match &event.data {
        EventData::Run(RunEvent::PhaseChanged { phase }) => Some(word(phase)),
        EventData::Run(RunEvent::Checkpoint(checkpoint)) => Some(match checkpoint.percent {
            Some(percent) => format!("{percent}%  {}", checkpoint.summary),
            None => checkpoint.summary.clone(),
        }),
        EventData::Run(RunEvent::StepStarted(intent)) => Some(intent.key.name.as_str().to_owned()),
        EventData::Run(RunEvent::ApprovalAsked { approval_id, capability, subject, .. }) => Some(format!(
            "waiting for an approval: {capability} for `{subject}`; windlass approvals answer {approval_id} --allow"
        )),
        EventData::Run(_) | EventData::Item(_) | EventData::Workspace(_) => None,
    }
}

fn finish(session: &Session, view: &RunView) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let run_id = view.row.run_id;
    let Some(ended) = &view.ended else {
        let message = format!("run {run_id} was said to have ended, but it is {}", view.row.status.word());
        return Err(Fault::new(ErrorCode::Io, message)
            .hint(format!("windlass bot watch --run {run_id}"))
            .into());
    };
    let code = exit_of(&ended.outcome);
    if output.json() {
        output.document(&result::of(view, code, ended.summary.clone()))?;
    } else {
        output.text(&format!(
            "run {run_id}: {} of {} {}\n{}\n",
            view.row.kind.word(),
            view.row.work_item_id,
            standing(view),
            safe(&ended.summary)
        ))?;
    }
    let report =
        result::markdown_report(view).map(|_| format!("windlass bot show --run {run_id} --format md"));
    let next = result::ways_on(view).into_iter().chain(report);
    output.next(&next.chain([format!("windlass bot show --run {run_id}")]).collect::<Vec<_>>())?;
    Ok(code)
}

/// A run was accepted, so whatever fails afterwards names it.
fn of_run(failure: Failure, run_id: RunId) -> Failure {
    match failure {
        Failure::Fault(fault) if fault.first().hints.is_empty() => {
            Failure::OfRun(Box::new(fault.hint(format!("windlass bot watch --run {run_id}"))), run_id)
        }
        Failure::Fault(fault) => Failure::OfRun(fault, run_id),
        other => other,
    }
}
