//! The answers that come with a submission: from a file, from flags, or none.

use windlass_contract::Fault;
use windlass_domain::maieutic::MaieuticContext;

use crate::args::bot::AnswerArgs;
use crate::caller::{now, user_name};
use crate::intake::file::read_context;

/// The context that the flags give; none when they say nothing, and the item's own answers hold then.
///
/// # Errors
/// `bad_request` for a file that cannot be read as answers.
pub(crate) fn of(args: &AnswerArgs) -> Result<Option<MaieuticContext>, Fault> {
    if let Some(path) = &args.answers {
        return read_context(path, user_name(), now()).map(Some);
    }
    if args.goal.is_none() && args.accept.is_empty() {
        return Ok(None);
    }
    let goal = args.goal.clone().unwrap_or_default();
    Ok(Some(MaieuticContext::from_flags(goal, args.accept.clone(), user_name(), now())))
}
