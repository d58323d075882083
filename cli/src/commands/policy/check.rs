//! `windlass policy check`

use std::fs;
use std::io::ErrorKind;

use windlass_contract::document::{Document, PolicyCheckReply};
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_policy::{Layer, LayerKind};

use crate::args::policy::CheckArgs;
use crate::failure::Failure;
use crate::render::text::safe;
use crate::session::Session;

/// Reads a policy file as the service would, and says what is wrong with it.
///
/// # Errors
/// `bad_request` with line and column where it is not in order.
pub(crate) fn run(session: &Session, args: CheckArgs) -> Result<ExitCode, Failure> {
    let path = args.file.unwrap_or_else(|| session.folders.user_policy());
    let shown = path.display().to_string();
    let text = fs::read_to_string(&path).map_err(|error| {
        let fault = Fault::new(ErrorCode::BadRequest, format!("cannot read {shown}: {error}"));
        fault.hint(match error.kind() {
            ErrorKind::NotFound => "windlass policy init",
            _ => "windlass policy init --print",
        })
    })?;
    let layer = Layer::parse(LayerKind::User, &shown, &text).map_err(|bad| {
        Fault::new(ErrorCode::BadRequest, bad.to_string()).hint("windlass policy init --print")
    })?;
    let rules = layer.file.rule.len();
    let output = &session.output;
    if output.json() {
        output.document(&Document::of(PolicyCheckReply {
            file: shown,
            layer: layer.kind.to_string(),
            rules: rules as u64,
        }))?;
    } else {
        output.text(&format!("{} is in order: {rules} rules\n", safe(&shown)))?;
    }
    output.next(&["windlass policy show".to_owned()])?;
    Ok(ExitCode::Success)
}
