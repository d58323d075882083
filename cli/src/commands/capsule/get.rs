//! `windlass capsule get`

use std::fs;
use std::path::Path;

use windlass_contract::document::ArtifactReply;
use windlass_contract::request::GetArtifact;
use windlass_contract::view::ArtifactBytes;
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_domain::digest::Digest;

use crate::args::capsule::GetArgs;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reach::Need;
use crate::render::text::{safe_lines, shell_word};
use crate::session::Session;

/// Prints an artifact, or writes it to a file.
///
/// # Errors
/// Those of `Control::get_artifact`; `bad_request` when what is no text would go to a terminal or into JSON.
pub(crate) async fn run(session: &Session, args: GetArgs) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let control = session.control(Need::Look).await?;
    let reading = Progress::new(output, "reading the artifact");
    let stored = reading.during(control.get_artifact(GetArtifact { uri: args.uri.clone() })).await?;
    let written_to = match &args.out {
        Some(path) => Some(write(path, &stored.bytes)?),
        None => None,
    };
    if output.json() {
        let text = if written_to.is_some() { None } else { Some(text(&stored, &args.uri)?.to_owned()) };
        session.document(ArtifactReply {
            uri: args.uri,
            bytes: stored.bytes.len() as u64,
            digest: Digest::of(&stored.bytes),
            media_type: stored.media_type,
            written_to,
            text,
        })?;
    } else if let Some(path) = written_to {
        output.note(&format!("{} bytes written to {path}", stored.bytes.len()));
    } else if output.stdout_is_terminal() {
        output.text(&safe_lines(text(&stored, &args.uri)?))?;
    } else {
        output.bytes(&stored.bytes)?;
    }
    Ok(ExitCode::Success)
}

fn write(path: &Path, bytes: &[u8]) -> Result<String, Fault> {
    fs::write(path, bytes).map_err(|error| {
        Fault::new(ErrorCode::Io, format!("cannot write `{}`: {error}", path.display()))
            .hint("name another file with --out")
    })?;
    Ok(path.display().to_string())
}

fn text<'a>(stored: &'a ArtifactBytes, uri: &str) -> Result<&'a str, Fault> {
    std::str::from_utf8(&stored.bytes).map_err(|_| {
        let message = format!("the artifact is no text ({})", stored.media_type);
        Fault::new(ErrorCode::BadRequest, message)
            .hint(format!("windlass capsule get {} --out artifact", shell_word(uri)))
    })
}
