//! Looks and checks: at the head, and at the base to tell new problems from old ones.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use windlass_contract::document::{CommandRan, CommandResult, Finding};
use windlass_domain::capture::DataClass;
use windlass_domain::child::{ChildEnd, ChildLimits};
use windlass_domain::diff::ObjectId;
use windlass_domain::digest::Digest;
use windlass_domain::run::step::OnLost;
use windlass_policy::RunTool;

use super::Review;
use super::commands::{Command, NotRun};
use super::inputs::{Prepared, failed, repository};
use crate::context::{HeldChild, Recorded, RunContext};
use crate::leave::{Asking, Leave};
use crate::ports::{ChildFinish, WorktreeRole};
use crate::review::checks::Check;
use crate::review::looks::{Looked, Subject};
use crate::review::parse::{self, Output, Places, Reading};
use crate::review::{compare, looks, report};
use crate::stop::Stop;

/// Between the request to end a command and its end by force.
const GRACE_MS: u64 = 5_000;

/// Longest time that a tool may take to say its version.
const VERSION_TIME_MS: u64 = 60_000;

/// Everything that was found.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    /// How many more each check or look had beyond its limit.
    pub(super) dropped: BTreeMap<String, u64>,
    pub(super) commands: Vec<CommandRan>,
}

/// What one command came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CheckRun {
    pub(super) reading: Reading,
    pub(super) result: CommandResult,
    pub(super) duration_ms: u64,
    pub(super) output: Digest,
}

impl Recorded for CheckRun {
    const CLASS: DataClass = DataClass::Output;
}

impl Recorded for Option<CheckRun> {
    const CLASS: DataClass = DataClass::Output;
}

impl Recorded for Looked {
    const CLASS: DataClass = DataClass::Output;
}

impl Recorded for String {
    const CLASS: DataClass = DataClass::Metadata;
}

impl Recorded for () {
    const CLASS: DataClass = DataClass::Metadata;
}

/// One side of the comparison.
struct Side<'a> {
    role: WorktreeRole,
    name: &'static str,
    commit: &'a ObjectId,
    files: &'a [String],
    /// Set where results may be taken from earlier runs: the base.
    cached_for: Option<&'a ObjectId>,
}

/// What a side's checks came to, in the order of the plan; none for a check that was not run.
type SideRuns = Vec<(CommandRan, Option<Reading>)>;

/// Looks and checks.
pub(super) async fn check(review: &Review<'_>, prepared: &Prepared) -> Result<Checked, Stop> {
    let request = review.context.request();
    let protected: Vec<String> = review.policy.protected_paths().into_iter().map(str::to_owned).collect();
    let looked: Looked = review
        .context
        .step("looks", &(&request.preset, &request.scopes, &protected), || async {
            Ok(looks::look_at(&Subject {
                diff: &prepared.diff,
                whole_tree: prepared.inputs.base.is_none(),
                protected: &protected,
                preset: request.preset,
                scopes: &request.scopes,
            }))
        })
        .await?;
    let checks: Vec<&Check> = prepared.plan.checks.selected(request.preset, &request.scopes).collect();
    let versions = tool_versions(review, prepared, &checks).await?;
    let head = Side {
        role: WorktreeRole::Head,
        name: "head",
        commit: &prepared.inputs.head,
        files: &prepared.files.head,
        cached_for: None,
    };
    let base = prepared.inputs.base.as_ref().map(|commit| Side {
        role: WorktreeRole::Base,
        name: "base",
        commit,
        files: &prepared.files.base,
        cached_for: prepared.inputs.base_tree.as_ref(),
    });
    let mut branches = vec![check_side(review, prepared, &checks, &versions, head).boxed()];
    branches.extend(base.map(|side| check_side(review, prepared, &checks, &versions, side).boxed()));
    let mut sides = review.context.join(branches).await?.into_iter();
    let (head_runs, base_runs) = (sides.next().unwrap_or_default(), sides.next());
    Ok(gather(prepared, looked, &checks, head_runs, base_runs))
}

/// Tells new from old, check by check.
fn gather(
    prepared: &Prepared,
    looked: Looked,
    checks: &[&Check],
    head: SideRuns,
    base: Option<SideRuns>,
) -> Checked {
    let mut findings: Vec<Finding> = prepared.plan.problem.iter().cloned().collect();
    let mut commands = Vec::new();
    findings.extend(looked.findings);
    let mut dropped = looked.dropped;
    let mut base = base.map(Vec::into_iter);
    for (check, (command, reading)) in checks.iter().zip(head) {
        let before = base.as_mut().and_then(Iterator::next);
        let (base_command, base_reading) = match before {
            Some((command, reading)) => (Some(command), reading),
            None => (None, None),
        };
        if let Some(reading) = &reading {
            if let Reading::Complete { dropped: more @ 1.., .. } = reading {
                dropped.insert(check.name.clone(), *more);
            }
            // A list that was cut is no list to compare with: what was cut from it would look new.
            let whole = |reading: &&Reading| matches!(reading, Reading::Complete { dropped: 0, .. });
            let before = base_reading.as_ref().filter(whole);
            let told = compare::tell_origins(
                reading.findings().to_vec(),
                before.map(Reading::findings),
                &prepared.diff,
            );
            findings.extend(told);
            findings.extend(report::problem_of_check(check, reading));
        }
        commands.push(command);
        commands.extend(base_command);
    }
    Checked { findings: compare::fold(findings), dropped, commands }
}

/// What each program says of its version, for the cache's keys. A tool that does not say is not cached.
async fn tool_versions(
    review: &Review<'_>,
    prepared: &Prepared,
    checks: &[&Check],
) -> Result<BTreeMap<String, String>, Stop> {
    let mut versions = BTreeMap::new();
    if prepared.inputs.base.is_none() {
        return Ok(versions);
    }
    let programs: std::collections::BTreeSet<&String> =
        checks.iter().filter_map(|check| check.argv.first()).collect();
    let scratch = format!("{}/version", prepared.inputs.surroundings.scratch);
    for program in programs {
        let flag = if program == "go" { "version" } else { "--version" };
        let argv = vec![program.clone(), flag.to_owned()];
        let command = Command { name: program, argv: &argv, origin: prepared.plan.checks.origin };
        let step = format!("version {program}");
        // A version only makes results of the base reusable: no reason to trouble a person.
        let leave =
            review.leave_to_run(review.context, &command, &step, Asking::Nobody, &prepared.inputs).await?;
        let Ok(leave) = leave else { continue };
        let limits = ChildLimits { time_ms: VERSION_TIME_MS, output_bytes: 64 * 1024, grace_ms: GRACE_MS };
        let spec = review.spec(prepared, &argv, &scratch, &scratch, limits);
        let child = HeldChild { spec: &spec, leave: &leave, on_lost: OnLost::Redo };
        let said: String = review
            .context
            .held(&step, &argv, child, |finish| match finish.end {
                ChildEnd::Exited { code: 0 } => parse::one_line(
                    String::from_utf8_lossy(&finish.stdout).lines().next().unwrap_or_default(),
                ),
                _ => String::new(),
            })
            .await?;
        if !said.is_empty() {
            versions.insert(program.clone(), said);
        }
    }
    Ok(versions)
}

async fn check_side(
    review: &Review<'_>,
    prepared: &Prepared,
    checks: &[&Check],
    versions: &BTreeMap<String, String>,
    side: Side<'_>,
) -> Result<SideRuns, Stop> {
    let context = review.context.branch(side.name);
    if checks.is_empty() {
        return Ok(Vec::new());
    }
    let worktree = review.worktree(&context, &prepared.inputs, side.role, side.commit).await?;
    let mut runs = Vec::with_capacity(checks.len());
    for check in checks {
        runs.push(review.check_one(&context, prepared, versions, &side, &worktree, check).await?);
    }
    Ok(runs)
}

impl Review<'_> {
    async fn check_one(
        &self,
        context: &RunContext,
        prepared: &Prepared,
        versions: &BTreeMap<String, String>,
        side: &Side<'_>,
        worktree: &str,
        check: &Check,
    ) -> Result<(CommandRan, Option<Reading>), Stop> {
        let command = Command { name: &check.name, argv: &check.argv, origin: prepared.plan.checks.origin };
        let mut ran = CommandRan {
            name: check.name.clone(),
            at: side.name.to_owned(),
            argv: check.argv.clone(),
            rule: String::new(),
            sandboxed: prepared.inputs.sandboxed,
            result: CommandResult::NotRun { why: String::new() },
            duration_ms: 0,
            output_digest: None,
        };
        let (step, inputs) = (format!("check {}", check.name), &prepared.inputs);
        let leave = match self.leave_to_run(context, &command, &step, Asking::Person, inputs).await? {
            Ok(leave) => leave,
            Err(NotRun { why, rule }) => {
                (ran.result, ran.rule) = (CommandResult::NotRun { why }, rule);
                return Ok((ran, None));
            }
        };
        leave.rule().clone_into(&mut ran.rule);
        let key = cache_key(side, check, versions, inputs.sandboxed)?;
        let cached = match key {
            Some(key) => self.cached(context, check, key).await?,
            None => None,
        };
        let run = match cached {
            Some(run) => run,
            None => self.run_check(context, prepared, side, worktree, check, &leave, key).await?,
        };
        (ran.result, ran.duration_ms, ran.output_digest) = (run.result, run.duration_ms, Some(run.output));
        Ok((ran, Some(run.reading)))
    }

    async fn cached(
        &self,
        context: &RunContext,
        check: &Check,
        key: Digest,
    ) -> Result<Option<CheckRun>, Stop> {
        context
            .step(&format!("recall {}", check.name), &key, || async {
                let kept = self.context.ports().cache.get(key).await;
                let run = kept.and_then(|bytes| serde_json::from_slice::<CheckRun>(&bytes).ok());
                Ok(run.map(|run| CheckRun {
                    result: match run.result {
                        CommandResult::Exited { code } => CommandResult::Cached { code },
                        other => other,
                    },
                    duration_ms: 0,
                    ..run
                }))
            })
            .await
    }

    #[expect(clippy::too_many_arguments, reason = "one call; a struct for it would only rename them")]
    async fn run_check(
        &self,
        context: &RunContext,
        prepared: &Prepared,
        side: &Side<'_>,
        worktree: &str,
        check: &Check,
        leave: &Leave<RunTool>,
        key: Option<Digest>,
    ) -> Result<CheckRun, Stop> {
        let scratch = format!("{}/{}", prepared.inputs.surroundings.scratch, side.name);
        let limits = ChildLimits {
            time_ms: within(check.time_limit_ms, self.policy.command_time_ms()),
            output_bytes: within(check.output_limit_bytes, self.policy.command_output_bytes()),
            grace_ms: GRACE_MS,
        };
        let spec = self.spec(prepared, &check.argv, worktree, &scratch, limits);
        let child = HeldChild { spec: &spec, leave, on_lost: OnLost::Redo };
        let derive = |finish: &ChildFinish| {
            let places = Places::new(worktree, side.files.iter().map(String::as_str));
            check_run(check, finish, &places)
        };
        let run: CheckRun =
            context.held(&format!("check {}", check.name), &(check, side.commit), child, derive).await?;
        if let (Some(key), CommandResult::Exited { .. }) = (key, &run.result) {
            context
                .step(&format!("keep {}", check.name), &key, || async {
                    if let Ok(bytes) = serde_json::to_vec(&run) {
                        self.context.ports().cache.put(key, bytes).await;
                    }
                    Ok(())
                })
                .await?;
        }
        Ok(run)
    }
}

fn within(wanted: Option<u64>, limit: u64) -> u64 {
    wanted.unwrap_or(limit).min(limit)
}

fn check_run(check: &Check, finish: &ChildFinish, places: &Places<'_>) -> CheckRun {
    let output = Output { end: &finish.end, stdout: &finish.stdout, stderr: &finish.stderr };
    let reading = parse::read(check, output, places);
    let result = match (result_of(&finish.end), &reading) {
        // Its exit status tells of a launcher, not of the check: it is not counted as run, and not kept for another time.
        (CommandResult::Exited { .. }, Reading::Unavailable { why }) => {
            CommandResult::NotStarted { why: why.clone() }
        }
        (result, _) => result,
    };
    CheckRun {
        reading,
        result,
        duration_ms: finish.duration_ms,
        output: Digest::of_pieces([finish.stdout.as_slice(), b"\0", &finish.stderr]),
    }
}

/// How a child ended, as the report says it.
pub(super) fn result_of(end: &ChildEnd) -> CommandResult {
    match end {
        ChildEnd::Exited { code } => CommandResult::Exited { code: *code },
        ChildEnd::Signalled { signal } => CommandResult::Ended { why: format!("signal {signal} ended it") },
        ChildEnd::Ended { why } => CommandResult::Ended {
            why: match why {
                windlass_domain::child::EndedBecause::TimeLimit => "it ran into its time limit".to_owned(),
                windlass_domain::child::EndedBecause::OutputLimit => {
                    "it printed more than its limit".to_owned()
                }
                windlass_domain::child::EndedBecause::Cancelled => "the run was cancelled".to_owned(),
            },
        },
        ChildEnd::NotStarted { reason } => CommandResult::NotStarted { why: reason.clone() },
    }
}

/// What the same result would be found under: tree, command, tool version, and how it is read.
fn cache_key(
    side: &Side<'_>,
    check: &Check,
    versions: &BTreeMap<String, String>,
    sandboxed: bool,
) -> Result<Option<Digest>, Stop> {
    let version = check.argv.first().and_then(|program| versions.get(program));
    let (Some(tree), Some(version)) = (side.cached_for, version) else { return Ok(None) };
    Digest::of_json(&("check@1", tree, check, version, sandboxed))
        .map(Some)
        .map_err(|error| Stop::failed(error.to_string()))
}

/// Removes the worktrees for analysis; their content is all in commits.
pub(super) async fn clean(review: &Review<'_>, prepared: &Prepared) -> Result<(), Stop> {
    let sides = [
        (WorktreeRole::Head, Some(&prepared.inputs.head)),
        (WorktreeRole::Base, prepared.inputs.base.as_ref()),
    ];
    for (role, commit) in sides {
        let Some(commit) = commit else { continue };
        // One that is not there to be removed is no reason to trouble a person; one that stays is removed by a clean-up.
        let leave = review.may_write(review.context, &prepared.inputs, role, "clean", Asking::Nobody).await?;
        let Ok(leave) = leave else { continue };
        review
            .context
            .step("clean", &(role, commit), || async {
                let permit = leave.permit()?;
                repository(review).remove_analysis_worktree(permit, &role, commit).await.map_err(failed)
            })
            .await?;
    }
    Ok(())
}
