//! Why a command did not do what it was asked, and how that is said: as text on standard error, or as a result document.

use windlass_contract::document::{Header, ResultDocument};
use windlass_contract::{ExitCode, Fault};
use windlass_domain::id::{ItemId, RunId};
use windlass_domain::run::request::RunKind;

use crate::output::{Output, OutputLost};
use crate::render::text::safe;

/// What a refusal is about, as far as it is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) item: Option<ItemId>,
    pub(crate) kind: Option<RunKind>,
    pub(crate) run_id: Option<RunId>,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was refused, or something failed.
    Fault(Box<Fault>),
    /// The same, once there was a run.
    OfRun(Box<Fault>, RunId),
    /// Standard output is gone.
    Output(OutputLost),
    /// A child process did the work, and has said all there is to say.
    Told(ExitCode),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl From<OutputLost> for Failure {
    fn from(lost: OutputLost) -> Self {
        Self::Output(lost)
    }
}

/// Says what failed, and gives the exit code.
pub(crate) fn report(output: &Output, about: &About, failure: Failure) -> ExitCode {
    match failure {
        Failure::Fault(fault) => refuse(output, about, *fault),
        Failure::OfRun(fault, run_id) => {
            refuse(output, &About { run_id: Some(run_id), ..about.clone() }, *fault)
        }
        Failure::Told(code) => code,
        // Whoever read has read enough.
        Failure::Output(lost) if lost.reader_left() => ExitCode::Success,
        Failure::Output(lost) => {
            output.complain(&format!("error: cannot write to standard output: {}\n", lost.reason()));
            ExitCode::Failed
        }
    }
}

fn refuse(output: &Output, about: &About, fault: Fault) -> ExitCode {
    let code = fault.code().exit();
    let document = document(about, fault);
    output.complain(&text(&document));
    if output.json() {
        match output.document(&document) {
            Ok(()) => {}
            Err(lost) => tracing::debug!(reason = lost.reason(), "nobody reads the result document"),
        }
    }
    code
}

fn document(about: &About, fault: Fault) -> ResultDocument {
    ResultDocument {
        header: Header::of(ResultDocument::SCHEMA),
        work_item_id: about.item.clone(),
        kind: about.kind,
        run_id: about.run_id,
        status: None,
        exit_code: fault.code().exit() as u8,
        summary: fault.first().message.clone(),
        queue_place: None,
        artifact_uris: Vec::new(),
        projection_paths: Vec::new(),
        errors: fault.errors(),
        blocked_reason: None,
        patch_bundle_uri: None,
        worktree_path: None,
        branch_name: None,
        capsule_head: None,
    }
}

/// Each error with its code, then its hints, a line each so that they can be pasted.
fn text(document: &ResultDocument) -> String {
    use crate::render::style::BAD;
    let mut text = String::new();
    for error in &document.errors {
        let message = safe(&error.message);
        text.push_str(&format!("{BAD}error{BAD:#}: {message} ({})\n", error.code.word()));
        for hint in &error.hints {
            text.push_str(&format!("  try: {}\n", safe(hint)));
        }
    }
    text
}
