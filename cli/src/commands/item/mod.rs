//! `windlass item …`

mod add;
mod edit;
mod hold;
mod intake;
mod list;
mod r#move;
mod show;

use windlass_contract::request::ItemRef;
use windlass_contract::view::ItemView;
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_domain::admission::hold_for;
use windlass_domain::id::ItemId;
use windlass_domain::item::StateName;
use windlass_domain::run::request::RunKind;

use crate::args::item::ItemCommand;
use crate::failure::Failure;
use crate::folders::here;
use crate::render;
use crate::session::Session;

/// Does what was typed.
///
/// # Errors
/// Those of the verb.
pub(crate) async fn run(session: &Session, command: ItemCommand) -> Result<ExitCode, Failure> {
    match command {
        ItemCommand::Add(args) => add::run(session, args).await,
        ItemCommand::List(args) => list::run(session, args).await,
        ItemCommand::Show(args) => show::run(session, args).await,
        ItemCommand::Edit(args) => edit::run(session, args).await,
        ItemCommand::Move(args) => r#move::run(session, args).await,
        ItemCommand::Hold(args) => hold::run(session, args).await,
        ItemCommand::Intake(args) => intake::run(session, args).await,
    }
}

/// The request that names an item of this repository.
fn item_ref(id: Option<&ItemId>) -> Result<ItemRef, Fault> {
    let id = id.cloned().ok_or_else(|| {
        Fault::new(ErrorCode::BadRequest, "no work item was named").hint("windlass item list")
    })?;
    Ok(ItemRef { folder: here()?, id })
}

/// Prints an item, after a sentence on what was done to it.
fn print(session: &Session, done: &str, view: ItemView) -> Result<ExitCode, Failure> {
    let output = &session.output;
    let next = next(&view);
    if output.json() {
        session.document(view)?;
    } else if done.is_empty() {
        output.text(&render::item::show(&view))?;
    } else {
        output.text(&format!("{} {done}\n", view.item.id))?;
    }
    output.next(&next)?;
    Ok(ExitCode::Success)
}

/// What a person would type next for an item, by where it stands.
fn next(view: &ItemView) -> Vec<String> {
    let id = &view.item.id;
    if let Some(run_id) = view.active_runs.first() {
        return vec![format!("windlass bot watch --run {run_id}")];
    }
    let intake = view.item.context.is_none().then(|| format!("windlass item intake {id}"));
    let run = |kind: RunKind| {
        let hold = match view.item.state_name() {
            Some(StateName::Open) => "",
            Some(state) if state == hold_for(kind) => "",
            Some(_) | None => " --hold",
        };
        format!("windlass bot run --id {id} --kind {}{hold}", kind.word())
    };
    let kind = match view.item.state_name() {
        Some(StateName::Backlog | StateName::Planned | StateName::NeedsResearch) => Some(RunKind::Research),
        Some(StateName::InProgress | StateName::NeedsReview | StateName::Open) => Some(RunKind::Review),
        Some(StateName::Completed | StateName::Deprecated | StateName::Archived | StateName::Failed)
        | None => None,
    };
    match kind {
        Some(kind) => intake.into_iter().chain([run(kind)]).collect(),
        None => vec!["windlass item list".to_owned()],
    }
}
