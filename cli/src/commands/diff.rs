//! `windlass diff`

use windlass_contract::document::PatchBundle;
use windlass_contract::request::{GetArtifact, RunRef};
use windlass_contract::view::RunView;
use windlass_contract::{Control, ErrorCode, ExitCode, Fault};

use super::bot::result::patch_bundle;
use crate::args::diff::DiffArgs;
use crate::failure::Failure;
use crate::reach::Need;
use crate::render::patch;
use crate::render::table::Look;
use crate::render::text::{safe_lines, shell_word};
use crate::resolve::run_id;
use crate::session::Session;

/// Prints the change that a run proposes, as it is stored.
///
/// # Errors
/// Those of `Control::get_artifact`; `unknown_artifact` when the run proposes none.
pub(crate) async fn run(session: &Session, args: DiffArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let control = session.control(Need::Look).await?;
    let run_id = run_id(control, &args.run).await?;
    let view = control.show_run(RunRef { run_id }).await?;
    let bundle = bundle(control, &view).await?;
    if output.json() {
        let mut bundle = bundle;
        bundle.header.unserved = session.unserved();
        output.document(&bundle)?;
        return Ok(ExitCode::Success);
    }
    if args.stat {
        output.text(&patch::files(Look::of(output), &bundle))?;
    } else {
        let stored = control.get_artifact(GetArtifact { uri: bundle.diff_uri.to_string() }).await?;
        if output.stdout_is_terminal() {
            output.text(&safe_lines(&String::from_utf8_lossy(&stored.bytes)))?;
        } else {
            output.bytes(&stored.bytes)?;
        }
    }
    output.next(&bundle.apply_instructions)?;
    Ok(ExitCode::Success)
}

async fn bundle(control: &dyn Control, view: &RunView) -> Result<PatchBundle, Fault> {
    let Some(artifact) = patch_bundle(view) else { return Err(no_patch(view)) };
    let uri = artifact.uri.to_string();
    let stored = control.get_artifact(GetArtifact { uri: uri.clone() }).await?;
    serde_json::from_slice(&stored.bytes).map_err(|error| {
        Fault::new(ErrorCode::CapsuleNewer, format!("the patch bundle {uri} cannot be read here: {error}"))
            .hint(format!("windlass capsule get {}", shell_word(&uri)))
    })
}

/// Why there is nothing to show, and what there is instead.
fn no_patch(view: &RunView) -> Fault {
    let run_id = view.row.run_id;
    let message = format!("run {run_id} proposes no change; it is {}", view.row.status.word());
    let partial = view.artifacts.iter().find(|artifact| artifact.artifact.path.as_str().ends_with(".diff"));
    let hint = match partial {
        Some(partial) => format!("windlass capsule get {}", shell_word(&partial.uri.to_string())),
        None => format!("windlass bot show --run {run_id}"),
    };
    Fault::new(ErrorCode::UnknownArtifact, message).hint(hint)
}
