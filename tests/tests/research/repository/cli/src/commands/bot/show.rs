//! `windlass bot show`

use windlass_contract::document::{Header, RunDocument};
use windlass_contract::request::{GetArtifact, RunRef};
use windlass_contract::view::RunView;
use windlass_contract::{Control, ErrorCode, ExitCode, Fault};

use super::result;
use crate::args::bot::{ShowArgs, ShowFormat};
use crate::failure::Failure;
use crate::reach::Need;
use crate::render::run::show;
use crate::render::text::safe_lines;
use crate::resolve::run_id;
use crate::session::Session;

/// Shows one run, or its report.
///
/// # Errors
/// Those of `Control::show_run`; `unknown_artifact` when the report is wanted and there is none.
pub(crate) async fn run(session: &Session, args: ShowArgs) -> Result<ExitCode, Failure> {
    let control = session.control(Need::Look).await?;
    let run_id = run_id(control, &args.run).await?;
    let view = control.show_run(RunRef { run_id }).await?;
    let format = if session.output.json() { ShowFormat::Json } else { args.format };
    match format {
        ShowFormat::Json => {
            let mut document = document(view);
            document.result.header.unserved = session.unserved();
            session.output.as_json().document(&document)?;
        }
        ShowFormat::Md => report(session, control, &view).await?,
        ShowFormat::Text => {
            session.output.text(&show(&view))?;
            session.output.next(&next(&view))?;
        }
    }
    Ok(ExitCode::Success)
}

fn document(view: RunView) -> RunDocument {
    let mut result = result::of(&view, ExitCode::Success, view.row.summary.clone());
    result.header = Header::of(RunDocument::SCHEMA);
    RunDocument { result, run: view }
}

async fn report(session: &Session, control: &dyn Control, view: &RunView) -> Result<(), Failure> {
    let run_id = view.row.run_id;
    let artifact = result::markdown_report(view).ok_or_else(|| {
        let message = format!("run {run_id} has no report in Markdown; it is {}", view.row.status.word());
        Fault::new(ErrorCode::UnknownArtifact, message).hint(format!("windlass bot show --run {run_id}"))
    })?;
    let stored = control.get_artifact(GetArtifact { uri: artifact.uri.to_string() }).await?;
    let output = &session.output;
    if output.stdout_is_terminal() {
        output.text(&safe_lines(&String::from_utf8_lossy(&stored.bytes)))?;
    } else {
        output.bytes(&stored.bytes)?;
    }
    Ok(())
}

fn next(view: &RunView) -> Vec<String> {
    let run_id = view.row.run_id;
    if view.row.status.is_active() {
        return vec![
            format!("windlass bot watch --run {run_id}"),
            format!("windlass bot cancel --run {run_id}"),
        ];
    }
    let look = match result::markdown_report(view) {
        Some(_) => format!("windlass bot show --run {run_id} --format md"),
        None => format!("windlass capsule events --run {run_id}"),
    };
    result::ways_on(view).into_iter().chain([look]).collect()
}
