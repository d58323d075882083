//! The merged policy: its layers in the order of authority, and what they say together.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::digest::{Digest, NotJson};
use windlass_domain::run::event::PolicyVerdict;

use crate::approval::Approved;
use crate::judge::{Ask, CheckOrigin, Judgement, narrowness};
use crate::layer::{Layer, LayerKind, Limits, SandboxRule};
use crate::permit::{CallTool, Connect, Permit, RunTool, WriteWorktree};
use crate::provider::Provider;
use crate::rule::Capability;
use crate::standard::standard;

/// The merged policy of one request.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    pub(crate) layers: Vec<Layer>,
    grants: BTreeSet<Capability>,
    /// A policy that this one must not exceed: the snapshot of the run's admission.
    #[serde(skip)]
    pub(crate) ceiling: Option<Box<Self>>,
}

/// What policy did not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy says {} to {capability} for `{subject}` (rule {})", verdict_word(judgement.verdict), judgement.rule)]
pub struct Denied {
    /// What was to be done.
    pub capability: Capability,
    /// To what.
    pub subject: String,
    /// The answer: ask or deny.
    pub judgement: Judgement,
}

const fn verdict_word(verdict: PolicyVerdict) -> &'static str {
    match verdict {
        PolicyVerdict::Allow => "allow",
        PolicyVerdict::Ask => "ask",
        PolicyVerdict::Deny => "deny",
    }
}

impl Policy {
    /// Runs at once over all workspaces where no layer says otherwise: the machine is also somebody's desk.
    pub const DEFAULT_RUNS: u32 = 4;
    /// Runs at once in one workspace where no layer says otherwise.
    pub const DEFAULT_RUNS_PER_WORKSPACE: u32 = 2;
    /// Longest command where no layer says otherwise: 20 minutes, as long as a slow test suite.
    pub const DEFAULT_COMMAND_TIME_MS: u64 = 20 * 60 * 1000;
    /// Most output of a command where no layer says otherwise: 64 MiB, more than any report that a person reads.
    pub const DEFAULT_COMMAND_OUTPUT_BYTES: u64 = 64 * 1024 * 1024;
    /// How long a question waits where no layer says otherwise: a week, so that a holiday of a few days loses no run.
    pub const DEFAULT_APPROVAL_TIME_MS: u64 = 7 * 24 * 60 * 60 * 1000;

    /// Merges layers. Without a user layer the built-in `standard` stands in its place.
    #[must_use]
    pub fn merge(mut layers: Vec<Layer>, grants: BTreeSet<Capability>) -> Self {
        if !layers.iter().any(|layer| layer.kind == LayerKind::User) {
            layers.push(standard());
        }
        layers.sort_by_key(|layer| layer.kind);
        Self { layers, grants, ceiling: None }
    }

    /// This policy, but nothing that `ceiling` does not grant too. An attempt judges by today's policy within the snapshot
    /// of its admission, so that resuming never widens anything.
    #[must_use]
    pub fn within(self, ceiling: Self) -> Self {
        Self { ceiling: Some(Box::new(ceiling)), ..self }
    }

    /// The layers in the order of authority.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What identifies this policy: the digest of its canonical JSON.
    ///
    /// # Errors
    /// Never for a policy that was parsed.
    pub fn digest(&self) -> Result<Digest, NotJson> {
        Digest::of_json(self)
    }

    /// What the layers say together: the narrowest of those that speak. The topmost layer must speak, else it is deny; a
    /// grant of the request turns `ask` into `allow`, never `deny`.
    #[must_use]
    pub fn judge(&self, ask: &Ask<'_>) -> Judgement {
        let own = self.judge_alone(ask);
        match self.ceiling.as_ref().map(|ceiling| ceiling.judge(ask)) {
            Some(above) if narrowness(above.verdict) > narrowness(own.verdict) => above,
            _ => own,
        }
    }

    pub(crate) fn granted(&self) -> &BTreeSet<Capability> {
        &self.grants
    }

    fn judge_alone(&self, ask: &Ask<'_>) -> Judgement {
        let mut answer: Option<Judgement> = None;
        for (place, layer) in self.layers.iter().enumerate() {
            match (layer.judge(ask), &answer) {
                (None, _) if place == 0 => return Judgement::no_rule(),
                (Some(judgement), Some(before))
                    if narrowness(judgement.verdict) <= narrowness(before.verdict) => {}
                (Some(judgement), _) => answer = Some(judgement),
                (None, _) => {}
            }
        }
        match answer {
            Some(judgement)
                if judgement.verdict == PolicyVerdict::Ask && self.grants.contains(&ask.capability) =>
            {
                Judgement {
                    verdict: PolicyVerdict::Allow,
                    layer: LayerKind::Request,
                    rule: format!("request/allow:{}", ask.capability),
                }
            }
            Some(judgement) => judgement,
            None => Judgement::no_rule(),
        }
    }

    /// Leave to run a program.
    ///
    /// # Errors
    /// [`Denied`] when the answer is ask or deny.
    pub fn permit_tool(&self, argv: &[String], origin: CheckOrigin) -> Result<Permit<RunTool>, Denied> {
        self.permit(Capability::ToolRun, argv.join(" "), Some(origin), None)
    }

    /// Leave to run a program that a person said yes to.
    ///
    /// # Errors
    /// [`Denied`] when the answer is deny, or ask and the yes was to something else.
    pub fn permit_tool_approved(
        &self,
        argv: &[String],
        origin: CheckOrigin,
        yes: &Approved,
    ) -> Result<Permit<RunTool>, Denied> {
        self.permit(Capability::ToolRun, argv.join(" "), Some(origin), Some(yes))
    }

    /// Leave to create and change the worktree in this folder.
    ///
    /// # Errors
    /// [`Denied`] when the answer is ask or deny.
    pub fn permit_worktree(&self, folder: &str) -> Result<Permit<WriteWorktree>, Denied> {
        self.permit(Capability::FsWrite, folder.to_owned(), None, None)
    }

    /// Leave to create and change the worktree in this folder, which a person said yes to.
    ///
    /// # Errors
    /// [`Denied`] when the answer is deny, or ask and the yes was to something else.
    pub fn permit_worktree_approved(
        &self,
        folder: &str,
        yes: &Approved,
    ) -> Result<Permit<WriteWorktree>, Denied> {
        self.permit(Capability::FsWrite, folder.to_owned(), None, Some(yes))
    }

    /// Leave to connect to this host, perhaps because a person said yes to it.
    ///
    /// # Errors
    /// [`Denied`] when the answer is deny, or ask and there is no yes to it.
    pub fn permit_connect(&self, host: &str, yes: Option<&Approved>) -> Result<Permit<Connect>, Denied> {
        self.permit(Capability::NetConnect, host.to_owned(), None, yes)
    }

    /// Leave to call this tool of an MCP server (`server/tool`), perhaps because a person said yes to it.
    ///
    /// # Errors
    /// [`Denied`] when the answer is deny, or ask and there is no yes to it.
    pub fn permit_call(&self, tool: &str, yes: Option<&Approved>) -> Result<Permit<CallTool>, Denied> {
        self.permit(Capability::AgentTool, tool.to_owned(), None, yes)
    }

    pub(crate) fn permit<Act>(
        &self,
        capability: Capability,
        subject: String,
        origin: Option<CheckOrigin>,
        yes: Option<&Approved>,
    ) -> Result<Permit<Act>, Denied> {
        let judgement = self.judge(&Ask { capability, subject: &subject, origin });
        match judgement.verdict {
            PolicyVerdict::Allow => Ok(Permit::granted(judgement.rule, subject)),
            PolicyVerdict::Ask => match yes {
                Some(yes) if yes.capability == capability && yes.subject == subject => {
                    Ok(Permit::granted(yes.rule(), subject))
                }
                _ => Err(Denied { capability, subject, judgement }),
            },
            PolicyVerdict::Deny => Err(Denied { capability, subject, judgement }),
        }
    }

    /// Whether commands must run in a sandbox: yes, unless the topmost layer says `off` and none below says otherwise.
    #[must_use]
    pub fn sandbox(&self) -> SandboxRule {
        let above = self.ceiling.as_ref().map_or(SandboxRule::Off, |ceiling| ceiling.sandbox());
        let top = self.layers.first().and_then(|layer| layer.file.sandbox).unwrap_or(SandboxRule::Required);
        self.layers.iter().filter_map(|layer| layer.file.sandbox).fold(top.max(above), Ord::max)
    }

    /// How much may go on at once: the smallest number of any layer, or the default.
    #[must_use]
    pub fn runs(&self) -> u32 {
        self.smallest(Self::DEFAULT_RUNS, |limits| limits.runs).max(1)
    }

    /// How much may go on at once in one workspace.
    #[must_use]
    pub fn runs_per_workspace(&self) -> u32 {
        self.smallest(Self::DEFAULT_RUNS_PER_WORKSPACE, |limits| limits.runs_per_workspace).max(1)
    }

    /// Longest command, in milliseconds.
    #[must_use]
    pub fn command_time_ms(&self) -> u64 {
        self.smallest(Self::DEFAULT_COMMAND_TIME_MS, |limits| limits.command_time_ms)
    }

    /// Most output of a command, in bytes.
    #[must_use]
    pub fn command_output_bytes(&self) -> u64 {
        self.smallest(Self::DEFAULT_COMMAND_OUTPUT_BYTES, |limits| limits.command_output_bytes)
    }

    /// Whether research may go on without a provider: yes, unless a layer says no.
    #[must_use]
    pub fn allow_degraded(&self) -> bool {
        let above = self.ceiling.as_ref().is_none_or(|ceiling| ceiling.allow_degraded());
        above && self.layers.iter().all(|layer| layer.file.research.allow_degraded != Some(false))
    }

    /// What research may draw on beside the repository: what the user's layer names, no layer leaves out, and the ceiling
    /// knows in the same words.
    #[must_use]
    pub fn providers(&self) -> Vec<&Provider> {
        let left_out =
            |name: &str| self.layers.iter().any(|layer| layer.file.research.without.contains(name));
        let above = self.ceiling.as_ref().map(|ceiling| ceiling.providers());
        let named = self.layers.iter().flat_map(|layer| &layer.file.research.provider);
        named
            .filter(|provider| !left_out(provider.name()))
            .filter(|provider| above.as_ref().is_none_or(|above| above.contains(provider)))
            .collect()
    }

    /// How long a question waits for a person, in milliseconds.
    #[must_use]
    pub fn approval_time_ms(&self) -> u64 {
        self.smallest(Self::DEFAULT_APPROVAL_TIME_MS, |limits| limits.approval_time_ms)
    }

    /// Patterns of protected paths, from all layers. They grant nothing and make findings only, so that within a ceiling its
    /// own hold: a run goes on with those that it began with.
    #[must_use]
    pub fn protected_paths(&self) -> BTreeSet<&str> {
        if let Some(ceiling) = &self.ceiling {
            return ceiling.protected_paths();
        }
        self.layers.iter().flat_map(|layer| &layer.file.protected_paths).map(String::as_str).collect()
    }

    /// The smallest number of any layer, or the default; and no more than the ceiling's.
    fn smallest<T: Ord + Copy>(&self, default: T, limit: impl Fn(&Limits) -> Option<T> + Copy) -> T {
        let own = self.layers.iter().filter_map(|layer| limit(&layer.file.limits)).min().unwrap_or(default);
        self.ceiling.as_ref().map_or(own, |ceiling| own.min(ceiling.smallest(default, limit)))
    }
}
