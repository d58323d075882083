//! `windlass project rebuild`

use windlass_contract::document::RebuildReply;
use windlass_contract::error::ErrorBody;
use windlass_contract::request::RebuildProjections;
use windlass_contract::view::{RebuiltFile, RebuiltProjections, RebuiltState};
use windlass_contract::{ErrorCode, ExitCode, Fault};

use crate::args::choice::word;
use crate::args::project::RebuildArgs;
use crate::failure::Failure;
use crate::folders::here;
use crate::progress::Progress;
use crate::reach::Need;
use crate::render::table::{Look, cell, facts, table};
use crate::session::Session;

/// Makes the files for people again, or looks how they stand.
///
/// # Errors
/// Those of `Control::rebuild_projections`; `io` when a file could not be written, or with `--check` stands otherwise.
pub(crate) async fn run(session: &Session, args: RebuildArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let request =
        RebuildProjections { folder: if args.all { None } else { Some(here()?) }, check: args.check };
    let control = session.control(if args.check { Need::Read } else { Need::Change }).await?;
    let rebuilt =
        Progress::new(output, "rebuilding projections").during(control.rebuild_projections(request)).await?;
    let errors: Vec<ErrorBody> = error(&rebuilt, args).into_iter().collect();
    if output.json() {
        let code = if errors.is_empty() { ExitCode::Success } else { ExitCode::Failed };
        session.document(RebuildReply { rebuilt, exit_code: code as u8, errors })?;
        return Ok(code);
    }
    output.text(&text(Look::of(output), &rebuilt))?;
    match Fault::of(errors) {
        Some(fault) => Err(fault.into()),
        None => Ok(ExitCode::Success),
    }
}

fn error(rebuilt: &RebuiltProjections, args: RebuildArgs) -> Option<ErrorBody> {
    let (message, hint) = match (rebuilt.failed, rebuilt.outdated) {
        (0, 0) => return None,
        (0, outdated) => {
            let all = if args.all { " --all" } else { "" };
            (format!("{outdated} files are missing or differ"), format!("windlass project rebuild{all}"))
        }
        (failed, _) => {
            let hint = "mend what each line says, then: windlass project rebuild".to_owned();
            (format!("{failed} files could not be written; nothing of record is lost"), hint)
        }
    };
    Some(ErrorBody { code: ErrorCode::Io, message, hints: vec![hint] })
}

fn text(look: Look, rebuilt: &RebuiltProjections) -> String {
    let row = |file: &RebuiltFile| {
        let state = match file.state {
            RebuiltState::Stranger => "belongs to nobody".to_owned(),
            RebuiltState::Written | RebuiltState::Outdated | RebuiltState::Failed => word(&file.state),
        };
        vec![cell(&state), cell(&file.path), cell(file.why.as_deref().unwrap_or_default())]
    };
    let mut text = String::new();
    if !rebuilt.files.is_empty() {
        text = table(look, &["state", "file", "why"], rebuilt.files.iter().map(row).collect());
        text.push('\n');
    }
    let counted = |count: u64| if count == 0 { String::new() } else { count.to_string() };
    text.push_str(&facts(&[
        ("ended runs", rebuilt.runs.to_string()),
        ("written", counted(rebuilt.written)),
        ("unchanged", rebuilt.unchanged.to_string()),
        ("outdated", counted(rebuilt.outdated)),
        ("failed", counted(rebuilt.failed)),
        ("strangers", counted(rebuilt.strangers)),
        ("not listed", counted(rebuilt.more)),
    ]));
    text
}
