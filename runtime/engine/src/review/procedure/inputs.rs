//! The first steps: what is looked at, with what, fixed for the whole run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_contract::document::{Confidence, Finding, FindingOrigin, Severity, TOOL_VERSION};
use windlass_domain::capture::DataClass;
use windlass_domain::diff::{ObjectId, TreeDiff};
use windlass_domain::digest::Digest;
use windlass_domain::item::ItemType;
use windlass_domain::run::Phase;
use windlass_domain::run::request::Scope;
use windlass_policy::{CheckOrigin, SandboxRule};

use super::Review;
use crate::context::Recorded;
use crate::ports::{Repository, RepositoryError, Surroundings, WorktreeRole};
use crate::review::checks::{
    CHECKS_PATH, Checks, MANIFEST_LIMIT_BYTES, MAX_CHECKS_BYTES, find_defaults, manifests, parse_checks,
};
use crate::stop::Stop;

/// Everything that the review looks at. The first step's result: nothing of it is looked up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// To compare with; none when the whole tree is looked at.
    pub(super) base: Option<ObjectId>,
    /// To look at.
    pub(super) head: ObjectId,
    /// The tree of the base.
    pub(super) base_tree: Option<ObjectId>,
    /// The branch that a patch is meant for, by its full name; none when a bare commit is looked at.
    pub(super) target: Option<String>,
    /// What the work item is.
    pub(super) item_type: ItemType,
    /// The program that the run began with; its documents name it.
    pub(super) tool_version: String,
    /// The digest of the policy that holds.
    pub(super) policy: Digest,
    /// Whether commands run inside a sandbox, in all attempts.
    pub(super) sandboxed: bool,
    /// The digest of the answers that the run was admitted with.
    pub(super) context: Digest,
    /// The digest of the checks file of the trusted commit; none where it has none.
    pub(super) checks_file: Option<Digest>,
    /// Where the run's worktrees stand, and what its branch is called.
    pub(super) worktrees: Worktrees,
    /// The machine around the checks.
    pub(super) surroundings: Surroundings,
}

/// Where a run's worktrees stand, and what its branch is called. A journal speaks of them by these names wherever it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Worktrees {
    pub(super) base: String,
    pub(super) head: String,
    pub(super) bot: String,
    pub(super) branch: String,
}

impl Worktrees {
    /// Where one of them stands, or will stand.
    pub(super) fn path(&self, role: WorktreeRole) -> &str {
        match role {
            WorktreeRole::Base => &self.base,
            WorktreeRole::Head => &self.head,
            WorktreeRole::Bot => &self.bot,
        }
    }
}

impl Recorded for Inputs {
    const CLASS: DataClass = DataClass::Metadata;
}

impl Inputs {
    /// The commit whose checks are trusted: the base, or the default branch itself.
    pub(super) fn trusted(&self) -> &ObjectId {
        self.base.as_ref().unwrap_or(&self.head)
    }
}

impl Recorded for TreeDiff {
    const CLASS: DataClass = DataClass::Output;
}

/// The tracked files of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Files {
    pub(super) head: Vec<String>,
    pub(super) base: Vec<String>,
}

impl Recorded for Files {
    const CLASS: DataClass = DataClass::Metadata;
}

/// The commands to run, and what was wrong with the file that names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) checks: Checks,
    pub(super) problem: Option<Finding>,
}

impl Recorded for Plan {
    const CLASS: DataClass = DataClass::Output;
}

/// The results of the first steps.
pub(super) struct Prepared {
    pub(super) inputs: Inputs,
    pub(super) diff: TreeDiff,
    pub(super) files: Files,
    pub(super) plan: Plan,
}

/// Does the first steps.
pub(super) async fn prepare(review: &Review<'_>) -> Result<Prepared, Stop> {
    let context = review.context;
    let inputs: Inputs = context.step("inputs", &context.request().work(), || fix_inputs(review)).await?;
    let diff: TreeDiff = context
        .step("change", &(&inputs.base, &inputs.head), || async {
            let patch = repository(review).patch(inputs.base.as_ref(), &inputs.head).await.map_err(failed)?;
            Ok(patch.diff)
        })
        .await?;
    let files: Files =
        context.step("files", &(&inputs.base, &inputs.head), || list_files(review, &inputs)).await?;
    let plan: Plan = context.step("plan", inputs.trusted(), || make_plan(review, &inputs, &files)).await?;
    let summary = format!(
        "{} changed files, {} checks from {}",
        diff.files.len(),
        plan.checks.checks.len(),
        origin_in_words(plan.checks.origin)
    );
    context.checkpoint(Phase::Prepare, 10, summary, Some(&inputs.head)).await?;
    Ok(Prepared { inputs, diff, files, plan })
}

const fn origin_in_words(origin: CheckOrigin) -> &'static str {
    match origin {
        CheckOrigin::Default => "the defaults",
        CheckOrigin::BaseCommit => "the base commit",
        CheckOrigin::User => "the user",
    }
}

/// The run's repository.
pub(super) fn repository<'a>(review: &'a Review<'_>) -> &'a dyn Repository {
    review.context.ports().repository.as_ref()
}

/// A failure of the repository ends the run: what it says can be mended by a person.
pub(super) fn failed(error: RepositoryError) -> Stop {
    Stop::failed(error.message)
}

async fn fix_inputs(review: &Review<'_>) -> Result<Inputs, Stop> {
    let request = review.context.request();
    let resolve = async |revision: &str| {
        let found = repository(review).resolve(revision).await.map_err(failed)?;
        found.ok_or_else(|| Stop::failed(format!("`{revision}` names no commit any more")))
    };
    let named = request.head.as_deref().unwrap_or("HEAD");
    let head = resolve(named).await?;
    let base = match request.base.as_deref() {
        Some(base) => Some(resolve(base).await?),
        None => None,
    };
    let base_tree = match &base {
        Some(base) => Some(repository(review).tree_of(base).await.map_err(failed)?),
        None => None,
    };
    let policy = review.policy.digest().map_err(|error| Stop::failed(error.to_string()))?;
    let limit = MAX_CHECKS_BYTES as u64;
    let checks_file = repository(review).read(base.as_ref().unwrap_or(&head), CHECKS_PATH, limit).await;
    let path = |role| repository(review).worktree_path(&role);
    let worktrees = Worktrees {
        base: path(WorktreeRole::Base),
        head: path(WorktreeRole::Head),
        bot: path(WorktreeRole::Bot),
        branch: repository(review).bot_branch(),
    };
    let surroundings = review.context.ports().children.surroundings().await;
    Ok(Inputs {
        base,
        head,
        base_tree,
        target: named.starts_with("refs/heads/").then(|| named.to_owned()),
        item_type: review.context.ports().record.item_type().await?,
        tool_version: TOOL_VERSION.to_owned(),
        policy,
        sandboxed: review.policy.sandbox() == SandboxRule::Required,
        context: review.context.context_digest(),
        checks_file: checks_file.map_err(failed)?.map(|bytes| Digest::of(&bytes)),
        worktrees,
        surroundings: surroundings.map_err(|error| Stop::failed(error.message))?,
    })
}

async fn list_files(review: &Review<'_>, inputs: &Inputs) -> Result<Files, Stop> {
    let head = repository(review).files(&inputs.head).await.map_err(failed)?;
    let base = match &inputs.base {
        Some(base) => repository(review).files(base).await.map_err(failed)?,
        None => Vec::new(),
    };
    Ok(Files { head, base })
}

/// The checks of the trusted commit, else the user's, else the defaults. A file that cannot be read as checks is a finding,
/// and the defaults are run instead.
async fn make_plan(review: &Review<'_>, inputs: &Inputs, files: &Files) -> Result<Plan, Stop> {
    let trusted = inputs.trusted();
    let limit = MAX_CHECKS_BYTES as u64;
    let in_commit = repository(review).read(trusted, CHECKS_PATH, limit).await;
    let parsed = match in_commit.map_err(failed)? {
        Some(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Some(parse_checks(CheckOrigin::BaseCommit, CHECKS_PATH, &text))
        }
        None => inputs
            .surroundings
            .user_checks
            .as_ref()
            .map(|user| parse_checks(CheckOrigin::User, &user.file, &user.text)),
    };
    let problem = match parsed {
        Some(Ok(checks)) => return Ok(Plan { checks, problem: None }),
        Some(Err(error)) => Some(unusable_checks(&error.to_string())),
        None => None,
    };
    let paths = if inputs.base.is_some() { &files.base } else { &files.head };
    let mut contents = BTreeMap::new();
    for path in manifests(paths) {
        let read = repository(review).read(trusted, path, MANIFEST_LIMIT_BYTES).await;
        // A manifest that is too large to be one is as good as none.
        if let Ok(Some(bytes)) = read {
            contents.insert(path.clone(), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(Plan { checks: find_defaults(paths, &contents), problem })
}

fn unusable_checks(message: &str) -> Finding {
    Finding {
        file: CHECKS_PATH.to_owned(),
        line: line_of(message),
        end_line: None,
        rule: Some("windlass/checks-file".to_owned()),
        message: message.to_owned(),
        rationale: "The checks that the project wants were not run; the defaults were. Mend the file on the base branch.".to_owned(),
        scope: Scope::Correctness,
        severity: Severity::Error,
        // It was there before, but it keeps this review from what it should have done, so it stands first.
        origin: FindingOrigin::Unknown,
        confidence: Confidence::High,
    }
}

/// The line that a message of the form `file:line:column: …` names.
fn line_of(message: &str) -> u32 {
    message.split(':').nth(1).and_then(|line| line.parse().ok()).unwrap_or(1)
}
