//! What callers send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::capture::CaptureMode;
use windlass_domain::id::{ItemId, RunId, Seq};
use windlass_domain::item::{ItemChanges, ItemType, StateName};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::RunStatus;
use windlass_domain::run::request::{Budget, Door, Preset, RunKind, Scope, StepDecision, WriteMode};

/// Who calls, and through which door. Doors fill it in; it is never taken from the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caller {
    /// The user name.
    pub name: String,
    /// The door.
    pub door: Door,
}

/// Makes a repository known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// Any folder inside its checkout, absolute.
    pub folder: String,
}

/// Adds a work item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddItem {
    /// Any folder inside the repository's checkout, absolute.
    pub folder: String,
    /// Its type.
    #[serde(rename = "type")]
    pub item_type: ItemType,
    /// Its id.
    pub id: ItemId,
    /// Its title.
    pub title: String,
    /// Its description.
    #[serde(default)]
    pub description: String,
    /// The item it belongs to.
    #[serde(default)]
    pub parent_id: Option<ItemId>,
}

/// Names a work item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemRef {
    /// Any folder inside the repository's checkout, absolute.
    pub folder: String,
    /// Its id.
    pub id: ItemId,
}

/// Lists work items.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListItems {
    /// Any folder inside the repository's checkout, absolute.
    pub folder: String,
    /// Only this type.
    #[serde(rename = "type")]
    pub item_type: Option<ItemType>,
    /// Only this state.
    pub state: Option<StateName>,
    /// Only items with an active run.
    pub active: bool,
}

/// Changes fields of a work item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditItem {
    /// Any folder inside the repository's checkout, absolute.
    pub folder: String,
    /// Which item.
    pub id: ItemId,
    /// What changes.
    pub changes: ItemChanges,
}

/// Moves a work item to another state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveItem {
    /// Any folder inside the repository's checkout, absolute.
    pub folder: String,
    /// Which item.
    pub id: ItemId,
    /// Where to.
    pub to: StateName,
}

/// Moves a work item into the holding state of a kind of run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldItem {
    /// Any folder inside the repository's checkout, absolute.
    pub folder: String,
    /// Which item.
    pub id: ItemId,
    /// What it waits for.
    pub kind: RunKind,
}

/// Keeps the answers that a run of this item needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerContext {
    /// Any folder inside the repository's checkout, absolute.
    pub folder: String,
    /// Which item.
    pub id: ItemId,
    /// The answers.
    pub context: MaieuticContext,
}

/// Submits a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitRun {
    /// Any folder inside the repository's checkout, absolute.
    pub folder: String,
    /// The work item.
    pub id: ItemId,
    /// What to do.
    pub kind: RunKind,
    /// The commit to compare with.
    #[serde(default)]
    pub base: Option<String>,
    /// The commit to look at.
    #[serde(default)]
    pub head: Option<String>,
    /// How much may be stored.
    #[serde(default = "default_capture")]
    pub capture_mode: CaptureMode,
    /// Whether a worktree may be changed.
    #[serde(default = "default_write")]
    pub write_mode: WriteMode,
    /// How deep to look.
    #[serde(default = "default_preset")]
    pub preset: Preset,
    /// What to look for; empty means everything.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// The agent profile.
    #[serde(default)]
    pub agent_profile: Option<String>,
    /// Capabilities granted for this request where policy would ask.
    #[serde(default)]
    pub allow: Vec<String>,
    /// What it may use up.
    #[serde(default)]
    pub budget: Budget,
    /// Whether nobody can be asked.
    #[serde(default)]
    pub headless: bool,
    /// Move the item into its holding state in the same transaction.
    #[serde(default)]
    pub hold: bool,
    /// The answers, when they come with the request; kept on the item in the same transaction.
    #[serde(default)]
    pub context: Option<MaieuticContext>,
    /// Makes a repeated request the same request.
    #[serde(default)]
    pub dedupe_key: Option<String>,
    /// What caused it.
    #[serde(default)]
    pub url: Option<String>,
}

const fn default_capture() -> CaptureMode {
    CaptureMode::PromptsOnly
}

const fn default_write() -> WriteMode {
    WriteMode::None
}

const fn default_preset() -> Preset {
    Preset::Standard
}

/// Names a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRef {
    /// Which.
    pub run_id: RunId,
}

/// Lists runs, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListRuns {
    /// Only runs of the repository around this folder; without it, of all.
    pub folder: Option<String>,
    /// Only runs of this item; needs `folder`.
    pub id: Option<ItemId>,
    /// Only this kind.
    pub kind: Option<RunKind>,
    /// Only runs of these statuses; empty means all.
    pub statuses: Vec<RunStatus>,
    /// Go on after this page; taken from [`crate::view::RunPage::next`].
    pub after: Option<String>,
    /// Longest page, 1 to 500; 0 means 50.
    pub limit: u32,
}

/// Asks a run to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRun {
    /// Which.
    pub run_id: RunId,
    /// Why, in the caller's words.
    #[serde(default)]
    pub reason: Option<String>,
}

/// To continue a run that was cancelled, blocked or needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeRun {
    /// The run that ended.
    pub run_id: RunId,
    /// Move the item into its holding state in the same transaction.
    #[serde(default)]
    pub hold: bool,
    /// What became of the step that a crash left in doubt.
    #[serde(default)]
    pub step: Option<StepDecision>,
    /// Whether nobody can be asked.
    #[serde(default)]
    pub headless: bool,
    /// Makes a repeated request the same request.
    #[serde(default)]
    pub dedupe_key: Option<String>,
}

/// Lists the questions that runs wait on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListApprovals {
    /// Only those of the repository around this folder; without it, of all.
    pub folder: Option<String>,
}

/// Answers a question that a run waits on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerApproval {
    /// The approval's id, or that of the run that waits for it.
    pub id: String,
    /// The answer.
    pub answer: PersonsAnswer,
}

/// What a person can say to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonsAnswer {
    /// It may be done.
    Allow,
    /// It may not, and the run ends as blocked.
    Deny,
}

/// Follows a run's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchRun {
    /// Which.
    pub run_id: RunId,
    /// The first event wanted; 1 replays from the start.
    pub from: Seq,
}

/// Reads recorded events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadEvents {
    /// Of which run.
    pub run_id: RunId,
    /// The first event wanted.
    pub from: Seq,
    /// Most events wanted, 1 to 1,000; 0 means 1,000.
    #[serde(default)]
    pub limit: u32,
}

/// Reads an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetArtifact {
    /// Its `mv2://` address.
    pub uri: String,
}

/// Verifies the capsule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerifyCapsule {
    /// A head that was noted earlier; it must still be part of the chain.
    pub head: Option<String>,
}

/// Exports a run that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRun {
    /// Which.
    pub run_id: RunId,
    /// How much the export may hold of what the run stored.
    #[serde(default = "default_capture")]
    pub capture_mode: CaptureMode,
}

/// Copies the whole capsule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupCapsule {
    /// The folder to make, absolute.
    pub folder: String,
}

/// Makes the files for people of ended runs again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RebuildProjections {
    /// Of the repository around this folder, absolute; without it, of all.
    pub folder: Option<String>,
    /// Only look how they stand, and change nothing.
    pub check: bool,
}

/// Asks what policy says to one act, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainPolicy {
    /// For the repository around this folder; without it, the user's alone.
    #[serde(default)]
    pub folder: Option<String>,
    /// What is to be done, for instance `tool.run`.
    pub capability: String,
    /// To what: an argv joined by single spaces, a path, a host.
    pub subject: String,
    /// For `tool.run`: where the command comes from.
    #[serde(default)]
    pub origin: Option<String>,
    /// Capabilities that a request would allow itself where policy asks.
    #[serde(default)]
    pub allow: Vec<String>,
}

/// Shows what policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShowPolicy {
    /// For the repository around this folder; without it, the user's alone.
    pub folder: Option<String>,
}
