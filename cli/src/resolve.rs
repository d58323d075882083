//! From what was typed for a run to its id.

use windlass_contract::request::{ListRuns, RunRef};
use windlass_contract::view::RunSummary;
use windlass_contract::{Control, ErrorCode, Fault};
use windlass_domain::id::{ItemId, RunId};

use crate::args::reference::{RunArg, RunName};
use crate::folders::here;

/// How many pages of 500 runs a beginning of an id is looked for in: whoever means an older run has its whole id.
const MAX_PAGES: usize = 4;

/// Rows of a page that is searched.
const PAGE: u32 = 500;

/// The run that was named.
///
/// # Errors
/// `unknown_run` when there is none, `bad_request` when there are several or it belongs to another item.
pub(crate) async fn run_id(control: &dyn Control, run: &RunArg) -> Result<RunId, Fault> {
    match run.named() {
        Some(RunName::Id(run_id)) => {
            if let Some(item) = &run.id {
                let found = control.show_run(RunRef { run_id: *run_id }).await?;
                check_item(&found.row, item)?;
            }
            Ok(*run_id)
        }
        Some(RunName::Latest) => latest(control, run.id.clone()).await,
        Some(RunName::Prefix(prefix)) => {
            let found = by_prefix(control, prefix).await?;
            if let Some(item) = &run.id {
                check_item(&found, item)?;
            }
            Ok(found.run_id)
        }
        None => Err(Fault::new(ErrorCode::BadRequest, "no run was named").hint("windlass bot runs")),
    }
}

/// The same, but not `latest`: another run may have become the latest since the person looked.
///
/// # Errors
/// Those of [`run_id`].
pub(crate) async fn definite_run_id(control: &dyn Control, run: &RunArg) -> Result<RunId, Fault> {
    if run.named() == Some(&RunName::Latest) {
        return Err(Fault::new(
            ErrorCode::BadRequest,
            "`latest` may be another run by now; name the run by its id",
        )
        .hint("windlass bot runs --status running --status queued"));
    }
    run_id(control, run).await
}

fn check_item(run: &RunSummary, item: &ItemId) -> Result<(), Fault> {
    if run.work_item_id == *item {
        return Ok(());
    }
    let message = format!("run {} belongs to `{}`, not to `{item}`", run.run_id, run.work_item_id);
    Err(Fault::new(ErrorCode::BadRequest, message).hint(format!("windlass bot runs --id {item}")))
}

async fn latest(control: &dyn Control, id: Option<ItemId>) -> Result<RunId, Fault> {
    let request = ListRuns { folder: Some(here()?), id: id.clone(), limit: 1, ..ListRuns::default() };
    let page = control.list_runs(request).await?;
    page.runs.first().map(|run| run.run_id).ok_or_else(|| {
        let message = match id {
            Some(id) => format!("there is no run of `{id}` yet"),
            None => "there is no run in this repository yet".to_owned(),
        };
        Fault::new(ErrorCode::UnknownRun, message).hint("windlass bot runs --all")
    })
}

async fn by_prefix(control: &dyn Control, prefix: &str) -> Result<RunSummary, Fault> {
    let mut found: Option<RunSummary> = None;
    let mut after = None;
    for _ in 0..MAX_PAGES {
        let page = control.list_runs(ListRuns { after, limit: PAGE, ..ListRuns::default() }).await?;
        for run in page.runs.into_iter().filter(|run| run.run_id.to_string().starts_with(prefix)) {
            match &found {
                None => found = Some(run),
                Some(other) => {
                    let message =
                        format!("`{prefix}` begins {} and {}; type more of it", other.run_id, run.run_id);
                    return Err(Fault::new(ErrorCode::BadRequest, message).hint("windlass bot runs --all"));
                }
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.ok_or_else(|| {
        let searched = MAX_PAGES * PAGE as usize;
        let message = format!("no run among the newest {searched} has an id that begins with `{prefix}`");
        Fault::new(ErrorCode::UnknownRun, message).hint("windlass bot runs --all")
    })
}
