//! `windlass policy init`

use std::fs;
use std::io::{ErrorKind, Write};

use windlass_contract::document::{Document, WrittenReply};
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_policy::TEMPLATES;

use crate::args::policy::InitArgs;
use crate::failure::Failure;
use crate::render::text::safe;
use crate::session::Session;

/// Writes a policy file to start from, where there is none yet.
///
/// # Errors
/// `bad_request` when there is one; `io` when it cannot be written.
pub(crate) fn run(session: &Session, args: &InitArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let template = TEMPLATES.iter().find(|template| template.name == args.template).ok_or_else(|| {
        Fault::new(ErrorCode::BadRequest, format!("there is no template `{}`", args.template))
    })?;
    if args.print {
        output.text(template.text)?;
        return Ok(ExitCode::Success);
    }
    let path = session.folders.user_policy();
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Fault::new(ErrorCode::BadRequest, format!("{shown} exists and is not overwritten"))
                .hint("windlass policy check")
                .hint(format!("windlass policy init --template {} --print", template.name))
        }
        _ => Fault::new(ErrorCode::Io, format!("cannot write {shown}: {error}"))
            .hint("windlass service doctor"),
    };
    fs::create_dir_all(&session.folders.config).map_err(failed)?;
    let mut file = fs::File::create_new(&path).map_err(failed)?;
    file.write_all(template.text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    if output.json() {
        output.document(&Document::of(WrittenReply { written: vec![shown] }))?;
    } else {
        output.text(&format!("{} holds now: {}\n", safe(&shown), template.purpose))?;
    }
    output.next(&["windlass policy check".to_owned(), "windlass policy show".to_owned()])?;
    Ok(ExitCode::Success)
}
