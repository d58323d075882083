//! `windlass capsule replay`

use windlass_contract::document::ReplayReply;
use windlass_contract::error::ErrorBody;
use windlass_contract::request::RunRef;
use windlass_contract::view::{ReplayedArtifact, ReplayedRun};
use windlass_contract::{ErrorCode, ExitCode, Fault};

use crate::args::capsule::ReplayArgs;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reach::Need;
use crate::render::style::GOOD;
use crate::render::table::{Look, cell, facts, table};
use crate::render::text::safe;
use crate::resolve::run_id;
use crate::session::Session;

/// Makes an ended run's artifacts again from its journal and compares; what differs makes the exit code 3.
///
/// # Errors
/// Those of `Control::replay_run`; `io` when something differs.
pub(crate) async fn run(session: &Session, args: ReplayArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let control = session.control(Need::Look).await?;
    let run_id = run_id(control, &args.run).await?;
    let replayed = Progress::new(output, "replaying").during(control.replay_run(RunRef { run_id })).await?;
    let difference = difference(&replayed);
    if output.json() {
        let code = if replayed.same { ExitCode::Success } else { ExitCode::Failed };
        let errors = difference.into_iter().collect();
        session.document(ReplayReply { replayed, exit_code: code as u8, errors })?;
        return Ok(code);
    }
    output.text(&text(Look::of(output), &replayed))?;
    if let Some(fault) = difference.and_then(|error| Fault::of(vec![error])) {
        return Err(fault.into());
    }
    output
        .text(&format!("{GOOD}the same{GOOD:#}: the journal gives the stored bytes of every artifact\n"))?;
    Ok(ExitCode::Success)
}

fn difference(replayed: &ReplayedRun) -> Option<ErrorBody> {
    if replayed.same {
        return None;
    }
    let paths: Vec<&str> = replayed
        .artifacts
        .iter()
        .filter(|artifact| !artifact.same())
        .map(|artifact| artifact.path.as_str())
        .collect();
    let differ = (!paths.is_empty()).then(|| format!("not the stored bytes: {}", paths.join(", ")));
    let said: Vec<String> = differ.into_iter().chain(replayed.problems.iter().cloned()).collect();
    let message = format!("the replay of run {} differs: {}", replayed.run_id, said.join("; "));
    let hints = vec![
        "windlass capsule verify".to_owned(),
        format!("windlass capsule events --run {}", replayed.run_id),
    ];
    Some(ErrorBody { code: ErrorCode::Io, message, hints })
}

fn text(look: Look, replayed: &ReplayedRun) -> String {
    let row = |artifact: &ReplayedArtifact| {
        let found = match (artifact.stored, artifact.regenerated) {
            (Some(stored), Some(again)) if stored == again => "the same",
            (Some(_), Some(_)) => "differs",
            (Some(_), None) => "not made again",
            (None, _) => "not stored",
        };
        vec![cell(found), cell(artifact.path.as_str())]
    };
    let mut text = facts(&[
        ("run", replayed.run_id.to_string()),
        ("status", replayed.status.word().to_owned()),
        ("driven by", safe(&replayed.driven_by).into_owned()),
        ("record ends at", replayed.stopped_at.as_deref().map(safe).unwrap_or_default().into_owned()),
    ]);
    text.push('\n');
    text.push_str(&table(look, &["replay", "artifact"], replayed.artifacts.iter().map(row).collect()));
    text
}
