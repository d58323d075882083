//! `windlass item intake`: the one command that may ask, and only a person at a terminal.

use std::path::Path;

use windlass_contract::request::{AnswerContext, EditItem, ItemRef};
use windlass_contract::view::ItemView;
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_domain::item::{IntakeForm, ItemBody, ItemChanges};
use windlass_domain::maieutic::MaieuticContext;

use super::{item_ref, print};
use crate::args::item::IntakeArgs;
use crate::caller::{caller, now, user_name};
use crate::failure::Failure;
use crate::intake::{ask, context, file, form};
use crate::reach::Need;
use crate::session::Session;

/// Keeps the answers from a file or from a person.
///
/// # Errors
/// `would_prompt` where nobody can be asked and no file is given; those of `Control::answer_context` and
/// `Control::edit_item`.
pub(crate) async fn run(session: &Session, args: IntakeArgs) -> Result<ExitCode, Failure> {
    if args.template {
        let template = if args.form { file::FORM_TEMPLATE } else { file::ANSWERS_TEMPLATE };
        session.output.text(template)?;
        return Ok(ExitCode::Success);
    }
    let item = item_ref(args.item())?;
    let nobody_to_ask = session.output.json() || !session.output.has_person();
    if args.answers.is_none() && nobody_to_ask {
        let form = if args.form { " --form" } else { "" };
        let hint = format!("windlass item intake {}{form} --answers answers.toml", item.id);
        return Err(ask::would_prompt(form).hint(hint).into());
    }
    if !session.output.stdout_has_color() {
        ask::without_color();
    }
    if args.form {
        answer_form(session, item, args.answers.as_deref()).await
    } else {
        answer_context(session, item, args.answers.as_deref()).await
    }
}

async fn answer_context(
    session: &Session,
    item: ItemRef,
    answers: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let context = match answers {
        Some(path) => file::read_context(path, user_name(), now())?,
        None => {
            let earlier = session.control(Need::Change).await?.show_item(item.clone()).await?.answers;
            ask_context(session, earlier).await?
        }
    };
    let request = AnswerContext { folder: item.folder, id: item.id, context };
    let view = session.control(Need::Change).await?.answer_context(caller(), request).await?;
    print(session, "has its answers", view)
}

async fn answer_form(session: &Session, item: ItemRef, answers: Option<&Path>) -> Result<ExitCode, Failure> {
    let intake = match answers {
        Some(path) => file::read_form(path)?,
        None => {
            let view = session.control(Need::Change).await?.show_item(item.clone()).await?;
            ask_form(session, form_of(view)?).await?
        }
    };
    let changes = ItemChanges { intake: Some(intake), ..ItemChanges::default() };
    let request = EditItem { folder: item.folder, id: item.id, changes };
    let view = session.control(Need::Change).await?.edit_item(caller(), request).await?;
    let score = view.quality_score.unwrap_or(0);
    print(session, &format!("has its intake form, which scores {score} of 100"), view)
}

fn form_of(view: ItemView) -> Result<IntakeForm, Fault> {
    let word = view.item.item_type().word();
    match view.item.body {
        ItemBody::Feature { intake, .. } | ItemBody::Spec { intake, .. } => Ok(intake),
        ItemBody::Project | ItemBody::Task { .. } => Err(Fault::new(
            ErrorCode::BadRequest,
            format!("`{}` is a {word}, and only features and specs have an intake form", view.item.id),
        )
        .hint(format!("windlass item intake {}", view.item.id))),
    }
}

/// Asks on a thread of its own, so that the way to the service stays alive while a person thinks.
async fn ask_context(session: &Session, earlier: Option<MaieuticContext>) -> Result<MaieuticContext, Fault> {
    let output = session.output.clone();
    asked(tokio::task::spawn_blocking(move || context::ask(&output, earlier, &user_name(), now)).await)
}

async fn ask_form(session: &Session, earlier: IntakeForm) -> Result<IntakeForm, Fault> {
    let output = session.output.clone();
    asked(tokio::task::spawn_blocking(move || form::ask(&output, earlier)).await)
}

fn asked<T>(answer: Result<Result<T, Fault>, tokio::task::JoinError>) -> Result<T, Fault> {
    answer.unwrap_or_else(|error| Err(Fault::new(ErrorCode::Io, format!("the questions broke off: {error}"))))
}
