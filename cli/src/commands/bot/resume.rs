//! `windlass bot resume`

use uuid::Uuid;
use windlass_contract::ExitCode;
use windlass_contract::request::{ResumeRun, RunRef};
use windlass_domain::run::request::StepDecision;

use super::admitted;
use crate::args::bot::ResumeArgs;
use crate::caller::caller;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::resolve::definite_run_id;
use crate::session::Session;

/// Continues an ended run with a new one, and follows that to its end when asked to.
///
/// # Errors
/// Those of `Control::resume_run`, and of following it.
pub(crate) async fn run(session: &Session, args: ResumeArgs) -> Result<ExitCode, Failure> {
    let need = admitted::need(args.manner.ephemeral);
    let waits = args.manner.wait || args.manner.ephemeral;
    let control = session.control_here(need).await.map_err(|fault| admitted::or_ephemeral(need, fault))?;
    let run_id = definite_run_id(control, &args.run).await?;
    let step = match (args.step_done, args.step_redo) {
        (true, _) => Some(StepDecision::Done),
        (false, true) => Some(StepDecision::Redo),
        (false, false) => None,
    };
    let request = ResumeRun {
        run_id,
        hold: args.manner.hold,
        step,
        headless: args.manner.headless || args.manner.ephemeral || !session.output.has_person(),
        // A key of its own makes a request that is sent again after a broken connection the same request.
        dedupe_key: Some(args.manner.dedupe_key.unwrap_or_else(|| format!("cli:{}", Uuid::now_v7()))),
    };
    let before = control.show_run(RunRef { run_id }).await?;
    let submitting = Progress::new(&session.output, "submitting");
    let accepted = submitting.during(control.resume_run(caller(), request)).await?;
    let (item, kind) = (before.row.work_item_id, before.row.kind);
    admitted::go_on(session, need, waits, accepted, item, kind).await
}
