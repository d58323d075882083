//! What a command or a change of the review needs before it happens: leave, a worktree, walls and an environment built from nothing.

use std::collections::BTreeMap;

use windlass_domain::child::{ChildLimits, ChildSpec, Sandbox, Walls};
use windlass_domain::diff::ObjectId;
use windlass_domain::run::BlockedReason;
use windlass_policy::{Approved, Capability, CheckOrigin, RunTool, SandboxRule, WriteWorktree};

use super::Review;
use super::inputs::{Inputs, Prepared, failed, repository};
use crate::context::RunContext;
use crate::leave::{Asking, Leave, NoLeave, Wish};
use crate::ports::{SandboxSupport, WorktreeRole};
use crate::review::checks::Ecosystem;
use crate::stop::Stop;

/// What stands in the place of a rule's id where the run would have to go on outside the sandbox that policy now requires.
const SANDBOX_RULE: &str = "built-in/sandbox";

/// Why it does not, in a sentence fragment.
const UNWALLED: &str = "commands must run in a sandbox, and this run began without one";

/// A command that is about to be run.
pub(super) struct Command<'a> {
    pub(super) name: &'a str,
    pub(super) argv: &'a [String],
    pub(super) origin: CheckOrigin,
}

/// Why a command is not run.
pub(super) struct NotRun {
    pub(super) why: String,
    pub(super) rule: String,
}

impl Review<'_> {
    /// Makes a worktree of the run, or finds it as it is.
    pub(super) async fn worktree(
        &self,
        context: &RunContext,
        inputs: &Inputs,
        role: WorktreeRole,
        commit: &ObjectId,
    ) -> Result<String, Stop> {
        let leave = self.leave_to_write(context, inputs, role, "worktree").await?;
        let permit = leave.permit()?;
        let made = context
            .step("worktree", &(role, commit), || async {
                repository(self).make_worktree(permit, &role, commit).await.map_err(failed)
            })
            .await?;
        // It was removed since, for instance when the run that this one continues had ended.
        if !repository(self).has_worktree(&role).await.map_err(failed)? {
            repository(self).make_worktree(permit, &role, commit).await.map_err(failed)?;
        }
        Ok(made)
    }

    /// Asks for leave to change a worktree of the run. It cannot do without.
    pub(super) async fn leave_to_write(
        &self,
        context: &RunContext,
        inputs: &Inputs,
        role: WorktreeRole,
        step: &str,
    ) -> Result<Leave<WriteWorktree>, Stop> {
        let blocked =
            |NoLeave { why, .. }| Stop::Blocked { reason: BlockedReason::PolicyDenied, message: why };
        self.may_write(context, inputs, role, step, Asking::Person).await?.map_err(blocked)
    }

    /// As [`Self::leave_to_write`], for what the run can do without.
    pub(super) async fn may_write(
        &self,
        context: &RunContext,
        inputs: &Inputs,
        role: WorktreeRole,
        step: &str,
        asking: Asking,
    ) -> Result<Result<Leave<WriteWorktree>, NoLeave>, Stop> {
        let path = inputs.worktrees.path(role);
        let wish = Wish { capability: Capability::FsWrite, subject: path, step, asking };
        let judge = |yes: Option<&Approved>| match yes {
            None => self.policy.permit_worktree(path),
            Some(yes) => self.policy.permit_worktree_approved(path, yes),
        };
        context.leave(&wish, judge).await
    }

    /// Asks for leave to run a command, and whether there is a sandbox where one is required. A run that began without one starts
    /// nothing more once policy requires it.
    pub(super) async fn leave_to_run(
        &self,
        context: &RunContext,
        command: &Command<'_>,
        step: &str,
        asking: Asking,
        inputs: &Inputs,
    ) -> Result<Result<Leave<RunTool>, NotRun>, Stop> {
        let subject = command.argv.join(" ");
        let wish = Wish { capability: Capability::ToolRun, subject: &subject, step, asking };
        let judge = |yes: Option<&Approved>| match yes {
            None => self.policy.permit_tool(command.argv, command.origin),
            Some(yes) => self.policy.permit_tool_approved(command.argv, command.origin, yes),
        };
        let leave = match context.leave(&wish, judge).await? {
            Ok(leave) => leave,
            Err(NoLeave { why, rule }) => {
                let why = format!("{why}; see `windlass policy show`");
                return Ok(Err(NotRun { why, rule }));
            }
        };
        if !inputs.sandboxed {
            return match self.policy.sandbox() {
                SandboxRule::Off => Ok(Ok(leave)),
                SandboxRule::Required => context.withdraw(&wish, leave, SANDBOX_RULE, UNWALLED).await.map(Ok),
            };
        }
        if let SandboxSupport::Unusable { reason } = &inputs.surroundings.sandbox {
            let why = format!(
                "`{}` must run in a sandbox and there is none: {reason}; or say sandbox = \"off\" in your policy",
                command.name
            );
            return Ok(Err(NotRun { why, rule: leave.rule().to_owned() }));
        }
        Ok(Ok(leave))
    }

    /// The child for a command in a worktree, with a scratch folder of its own side.
    pub(super) fn spec(
        &self,
        prepared: &Prepared,
        argv: &[String],
        worktree: &str,
        scratch: &str,
        limits: ChildLimits,
    ) -> ChildSpec {
        let surroundings = &prepared.inputs.surroundings;
        let needs = Ecosystem::all_needs(&surroundings.home, scratch);
        let (home, temporary) = (format!("{scratch}/home"), format!("{scratch}/tmp"));
        let mut env: BTreeMap<String, String> = [
            ("HOME", home.as_str()),
            ("TMPDIR", &temporary),
            ("PATH", &surroundings.path),
            ("LANG", "C.UTF-8"),
            ("TERM", "dumb"),
            ("TZ", "UTC"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        env.extend(needs.env);
        let sandbox = if prepared.inputs.sandboxed {
            let mut readable = needs.readable;
            readable.extend([repository(self).git_folder(), format!("{worktree}/.git")]);
            let mut writable = vec![worktree.to_owned(), scratch.to_owned(), home, temporary];
            writable.extend(needs.writable);
            Sandbox::Bwrap(Walls { readable, writable })
        } else {
            Sandbox::Off
        };
        ChildSpec { argv: argv.to_vec(), cwd: worktree.to_owned(), env, sandbox, limits, call: None }
    }
}
