//! The procedure of a review, as journaled steps.
//!
//! ```text
//! prepare   inputs → change → files → plan → versions
//! execute   looks;  head ∥ base: worktree → each check;   in write mode: bot worktree → each fixer → commit
//! finalize  target → rebase
//! publish   patch;  bundle and report as artifacts; analysis worktrees are removed
//! ```
//!
//! **Invariant:** what is run comes from the base commit, the user or the defaults, never from the commit under review.

mod checking;
mod commands;
mod fixing;
mod inputs;
mod patch;
mod publishing;

use std::sync::Arc;

use windlass_domain::run::request::WriteMode;
use windlass_domain::run::{AttentionReason, Outcome, Phase};
use windlass_policy::Policy;

use crate::context::RunContext;
use crate::drive::Conclusion;
use crate::stop::Stop;

use checking::Checked;
use fixing::{Finalized, Fixed};
use inputs::Prepared;

/// What the parts of one review share.
struct Review<'a> {
    context: &'a RunContext,
    policy: Arc<Policy>,
}

/// Reviews, from where the journal ends.
///
/// # Errors
/// [`Stop`] when the run must not go on.
pub async fn run(context: &RunContext, policy: Arc<Policy>) -> Result<Conclusion, Stop> {
    let review = Review { context, policy };
    let prepared = inputs::prepare(&review).await?;
    match review.work(&prepared).await {
        Err(Stop::Cancelled) => {
            fixing::salvage(&review, &prepared).await?;
            Err(Stop::Cancelled)
        }
        concluded => concluded,
    }
}

impl Review<'_> {
    async fn work(&self, prepared: &Prepared) -> Result<Conclusion, Stop> {
        self.context.enter(Phase::Execute).await?;
        let checked = checking::check(self, prepared).await?;
        let summary = format!("{} findings so far", checked.findings.len());
        self.context.checkpoint(Phase::Execute, 60, summary, Some(&prepared.inputs.head)).await?;
        let fixed = match self.context.request().write_mode {
            WriteMode::Worktree => Some(fixing::fix(self, prepared).await?),
            WriteMode::None => None,
        };
        self.context.enter(Phase::Finalize).await?;
        let finalized = match &fixed {
            Some(Fixed { commit: Some(commit), .. }) => Some(fixing::finalize(self, prepared, commit).await?),
            _ => None,
        };
        self.context
            .checkpoint(Phase::Finalize, 90, "the results are gathered", Some(&prepared.inputs.head))
            .await?;
        self.context.enter(Phase::Publish).await?;
        let commands = fixed.map(|fixed| fixed.commands).unwrap_or_default();
        self.publish(prepared, checked, commands, finalized).await
    }

    async fn publish(
        &self,
        prepared: &Prepared,
        checked: Checked,
        fixers: Vec<windlass_contract::document::CommandRan>,
        finalized: Option<Finalized>,
    ) -> Result<Conclusion, Stop> {
        let conflict = finalized.as_ref().is_some_and(Finalized::conflicts);
        let summary = publishing::publish(self, prepared, checked, fixers, finalized.as_ref()).await?;
        checking::clean(self, prepared).await?;
        let outcome = if conflict {
            Outcome::NeedsAttention { reason: AttentionReason::RebaseConflict }
        } else {
            Outcome::Succeeded
        };
        Ok(Conclusion { outcome, summary })
    }
}
