//! Write mode: fixers in the bot worktree, and their change carried onto the current target.

use serde::{Deserialize, Serialize};
use windlass_contract::document::{CommandRan, CommandResult};
use windlass_domain::capture::DataClass;
use windlass_domain::child::ChildLimits;
use windlass_domain::diff::{ObjectId, Rebase};
use windlass_domain::run::step::OnLost;
use windlass_domain::run::{BlockedReason, Phase};

use super::Review;
use super::checking::result_of;
use super::commands::{Command, NotRun};
use super::inputs::{Inputs, Prepared, failed, repository};
use super::patch;
use crate::context::{HeldChild, Recorded};
use crate::leave::Asking;
use crate::ports::WorktreeRole;
use crate::review::bounds::beyond;
use crate::review::checks::Fixer;
use crate::stop::Stop;

/// Between the request to end a fixer and its end by force.
const GRACE_MS: u64 = 5_000;

/// What the fixers left.
pub(super) struct Fixed {
    pub(super) commands: Vec<CommandRan>,
    /// The commit of their changes; none when they changed nothing.
    pub(super) commit: Option<ObjectId>,
}

/// How the change met its target.
pub(super) struct Finalized {
    /// Where the change begins: the target it was carried onto, or the commit that was analysed.
    pub(super) from: ObjectId,
    /// Where it ends.
    pub(super) to: ObjectId,
    /// How it met the target.
    pub(super) rebase: Rebase,
}

impl Finalized {
    /// Whether it could not be carried over.
    pub(super) const fn conflicts(&self) -> bool {
        matches!(self.rebase, Rebase::Conflict { .. })
    }
}

/// A command's end, without its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FixerRun {
    result: CommandResult,
    duration_ms: u64,
}

impl Recorded for FixerRun {
    const CLASS: DataClass = DataClass::Metadata;
}

impl Recorded for Option<ObjectId> {
    const CLASS: DataClass = DataClass::Metadata;
}

impl Recorded for Rebase {
    const CLASS: DataClass = DataClass::Output;
}

/// Where the change goes beyond the answers' bounds, if it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Beyond(Option<String>);

impl Recorded for Beyond {
    const CLASS: DataClass = DataClass::Output;
}

/// Runs the fixers in the bot worktree and commits what they changed.
pub(super) async fn fix(review: &Review<'_>, prepared: &Prepared) -> Result<Fixed, Stop> {
    let context = review.context.branch("bot");
    let inputs = &prepared.inputs;
    let worktree = review.worktree(&context, inputs, WorktreeRole::Bot, &inputs.head).await?;
    let mut commands = Vec::new();
    for fixer in prepared.plan.checks.selected_fixers(&review.context.request().scopes) {
        commands.push(run_fixer(review, prepared, &context, &worktree, fixer).await?);
    }
    let commit = commit(review, inputs, &context).await?;
    if let Some(commit) = &commit {
        stay_within_bounds(review, prepared, &context, commit).await?;
    }
    Ok(Fixed { commands, commit })
}

/// Ends the run when the change goes beyond what the answers let it edit: none of it is proposed then.
async fn stay_within_bounds(
    review: &Review<'_>,
    prepared: &Prepared,
    context: &crate::context::RunContext,
    commit: &ObjectId,
) -> Result<(), Stop> {
    let head = &prepared.inputs.head;
    let Beyond(why) = context
        .step("bounds", &(head, commit), || async {
            let answers = context.ports().record.asked().await?.context;
            let patch = repository(review).patch(Some(head), commit).await.map_err(failed)?;
            Ok(Beyond(beyond(&answers, &patch.diff)))
        })
        .await?;
    let Some(why) = why else { return Ok(()) };
    let message = format!(
        "the change goes beyond the answers: {why}; nothing of it is proposed, the bot worktree has it"
    );
    Err(Stop::Blocked { reason: BlockedReason::PolicyDenied, message })
}

async fn run_fixer(
    review: &Review<'_>,
    prepared: &Prepared,
    context: &crate::context::RunContext,
    worktree: &str,
    fixer: &Fixer,
) -> Result<CommandRan, Stop> {
    let command = Command { name: &fixer.name, argv: &fixer.argv, origin: prepared.plan.checks.origin };
    let mut ran = CommandRan {
        name: fixer.name.clone(),
        at: "worktree".to_owned(),
        argv: fixer.argv.clone(),
        rule: String::new(),
        sandboxed: prepared.inputs.sandboxed,
        result: CommandResult::NotRun { why: String::new() },
        duration_ms: 0,
        output_digest: None,
    };
    let (step, inputs) = (format!("fix {}", fixer.name), &prepared.inputs);
    let leave = match review.leave_to_run(context, &command, &step, Asking::Person, inputs).await? {
        Ok(leave) => leave,
        Err(NotRun { why, rule }) => {
            (ran.result, ran.rule) = (CommandResult::NotRun { why }, rule);
            return Ok(ran);
        }
    };
    leave.rule().clone_into(&mut ran.rule);
    let limits = ChildLimits {
        time_ms: review.policy.command_time_ms(),
        output_bytes: review.policy.command_output_bytes(),
        grace_ms: GRACE_MS,
    };
    let scratch = format!("{}/bot", prepared.inputs.surroundings.scratch);
    let spec = review.spec(prepared, &fixer.argv, worktree, &scratch, limits);
    // A fixer that ran half way and runs again ends where one run would have.
    let child = HeldChild { spec: &spec, leave: &leave, on_lost: OnLost::Redo };
    let run: FixerRun = context
        .held(&step, fixer, child, |finish| FixerRun {
            result: result_of(&finish.end),
            duration_ms: finish.duration_ms,
        })
        .await?;
    (ran.result, ran.duration_ms) = (run.result, run.duration_ms);
    Ok(ran)
}

async fn commit(
    review: &Review<'_>,
    inputs: &Inputs,
    context: &crate::context::RunContext,
) -> Result<Option<ObjectId>, Stop> {
    let leave = review.leave_to_write(context, inputs, WorktreeRole::Bot, "commit").await?;
    let message =
        format!("windlass: fixes for {}\n\nRun: {}\n", context.request().work_item_id, context.worktree_of());
    context
        .step("commit", &message, || async {
            repository(review).commit_worktree(leave.permit()?, &message).await.map_err(failed)
        })
        .await
}

/// Carries the change onto the target as it is now. On a conflict the original change stands.
pub(super) async fn finalize(
    review: &Review<'_>,
    prepared: &Prepared,
    commit: &ObjectId,
) -> Result<Finalized, Stop> {
    let context = review.context.branch("finalize");
    let head = &prepared.inputs.head;
    let target: Option<ObjectId> = context
        .step("target", &prepared.inputs.target, || async {
            match &prepared.inputs.target {
                Some(branch) => repository(review).resolve(branch).await.map_err(failed),
                None => Ok(Some(head.clone())),
            }
        })
        .await?;
    // A target that is gone leaves the change where it was made.
    let target = target.unwrap_or_else(|| head.clone());
    let rebase: Rebase = context
        .step("rebase", &(head, commit, &target), || async {
            repository(review).rebase(head, commit, &target).await.map_err(failed)
        })
        .await?;
    let (from, to) = match &rebase {
        Rebase::Clean { target, head } => {
            move_branch(review, &prepared.inputs, &context, commit, head).await?;
            (target.clone(), head.clone())
        }
        Rebase::NotNeeded | Rebase::Conflict { .. } => (head.clone(), commit.clone()),
    };
    Ok(Finalized { from, to, rebase })
}

async fn move_branch(
    review: &Review<'_>,
    inputs: &Inputs,
    context: &crate::context::RunContext,
    from: &ObjectId,
    to: &ObjectId,
) -> Result<(), Stop> {
    let leave = review.leave_to_write(context, inputs, WorktreeRole::Bot, "move branch").await?;
    context
        .step("move branch", &(from, to), || async {
            repository(review).move_bot_branch(leave.permit()?, &inputs.head, from, to).await.map_err(failed)
        })
        .await
}

/// What a cancelled run had changed, kept as a patch.
pub(super) async fn salvage(review: &Review<'_>, prepared: &Prepared) -> Result<(), Stop> {
    review.context.enter(Phase::Finalize).await?;
    let context = review.context.branch("salvage");
    let there: bool = context
        .step("look", &prepared.inputs.worktrees.bot, || async {
            repository(review).has_worktree(&WorktreeRole::Bot).await.map_err(failed)
        })
        .await?;
    if !there {
        return Ok(());
    }
    let Some(commit) = commit(review, &prepared.inputs, &context).await? else { return Ok(()) };
    let (from, to) = (&prepared.inputs.head, &commit);
    patch::keep(review, &context, "review/partial.diff", from, to).await.map(drop)
}

impl Recorded for bool {
    const CLASS: DataClass = DataClass::Metadata;
}
