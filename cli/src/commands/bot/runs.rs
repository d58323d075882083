//! `windlass bot runs`

use windlass_contract::ExitCode;
use windlass_contract::request::ListRuns;

use crate::args::bot::RunsArgs;
use crate::caller::now;
use crate::failure::Failure;
use crate::folders::here;
use crate::reach::Need;
use crate::render::text::shell_word;
use crate::render::{run as rows, table::Look};
use crate::session::Session;

/// Lists runs, the newest first.
///
/// # Errors
/// Those of `Control::list_runs`.
pub(crate) async fn run(session: &Session, args: RunsArgs) -> Result<ExitCode, Failure> {
    let request = ListRuns {
        folder: if args.all { None } else { Some(here()?) },
        id: args.id,
        kind: args.kind,
        statuses: args.status,
        after: args.after,
        limit: args.limit,
    };
    let again = typed(&request, args.all);
    let page = session.control(Need::Look).await?.list_runs(request).await?;
    let output = &session.output;
    session.name_unreadable(&page.unreadable);
    let mut next = Vec::new();
    if let Some(run) = page.runs.first() {
        next.push(format!("windlass bot show --run {}", run.run_id));
    }
    if let Some(token) = &page.next {
        next.push(format!("{again} --after {}", shell_word(token)));
    }
    if output.json() {
        session.document(page)?;
    } else if page.runs.is_empty() {
        output.note("no run fits");
    } else {
        output.text(&rows::list(Look::of(output), &page.runs, now()))?;
    }
    output.next(&next)?;
    Ok(ExitCode::Success)
}

/// The command that asks for the same page, without where it begins.
fn typed(request: &ListRuns, all: bool) -> String {
    let mut words = vec!["windlass bot runs".to_owned()];
    words.extend(all.then(|| "--all".to_owned()));
    words.extend(request.id.iter().map(|id| format!("--id {id}")));
    words.extend(request.kind.iter().map(|kind| format!("--kind {}", kind.word())));
    words.extend(request.statuses.iter().map(|status| format!("--status {}", status.word())));
    words.push(format!("--limit {}", request.limit));
    words.join(" ")
}
