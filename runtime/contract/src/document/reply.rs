//! Replies as documents: what commands print with `--json` where there is no run to report on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::digest::Digest;
use windlass_domain::run::request::{Preset, Scope};
use windlass_domain::workspace::Workspace;

use super::{Header, ResultDocument};
use crate::error::ErrorBody;
use crate::view::{
    ApprovalList, CapsuleCopy, CapsuleStats, EventPage, ExportView, ImportList, Imported, ItemList, ItemView,
    PolicyExplanation, PolicyView, RebuiltProjections, ReplayedRun, RunPage, RunSummary, RunView,
    ServiceStatus, Verification,
};

/// A reply that stands as a document of its own once it has a header.
pub trait Reply {
    /// The schema that this program writes, as `name@major.minor`.
    const SCHEMA: &'static str;
}

/// A reply with its header; the fields of both stand side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document<T> {
    /// The schema is [`Reply::SCHEMA`].
    #[serde(flatten)]
    pub header: Header,
    /// The reply.
    #[serde(flatten)]
    pub reply: T,
}

impl<T: Reply> Document<T> {
    /// The reply as a document of its own.
    #[must_use]
    pub fn of(reply: T) -> Self {
        Self { header: Header::of(T::SCHEMA), reply }
    }
}

impl Reply for Workspace {
    const SCHEMA: &'static str = "workspace@1.0";
}

impl Reply for ItemView {
    const SCHEMA: &'static str = "item@1.0";
}

impl Reply for ItemList {
    const SCHEMA: &'static str = "item_list@1.0";
}

impl Reply for RunPage {
    const SCHEMA: &'static str = "run_page@1.0";
}

impl Reply for ApprovalList {
    const SCHEMA: &'static str = "approval_list@1.0";
}

impl Reply for PolicyExplanation {
    const SCHEMA: &'static str = "policy_explanation@1.0";
}

impl Reply for EventPage {
    const SCHEMA: &'static str = "event_page@1.0";
}

/// What policy says, and what each preset of a review does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyReply {
    /// What policy says.
    #[serde(flatten)]
    pub policy: PolicyView,
    /// What a review does, and from which preset on.
    pub presets: Vec<PresetLine>,
}

/// Something that a review does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PresetLine {
    /// A look, or a kind of check.
    pub what: String,
    /// What kind of problem it finds; none where each check has its own.
    pub scope: Option<Scope>,
    /// The shallowest preset that does it.
    pub from: Preset,
    /// What it does, in words.
    pub does: String,
}

impl Reply for PolicyReply {
    const SCHEMA: &'static str = "policy@1.0";
}

/// A run that was looked at: its result document, and everything else about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunDocument {
    /// `run@1.0`; otherwise the fields of a result.
    #[serde(flatten)]
    pub result: ResultDocument,
    /// Everything about it.
    pub run: RunView,
}

impl RunDocument {
    /// The schema that this program writes.
    pub const SCHEMA: &str = "run@1.0";
}

/// The service, and what goes on in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusReply {
    /// The service.
    pub service: ServiceStatus,
    /// The active runs, the newest first; at most 500.
    pub active_runs: Vec<RunSummary>,
    /// Active runs that cannot be read, where a damaged record is looked at for what is sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

impl Reply for StatusReply {
    const SCHEMA: &'static str = "status@1.0";
}

/// What a verification found, and what that means for the command's exit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerificationReply {
    /// What was found.
    #[serde(flatten)]
    pub verification: Verification,
    /// What the file holds, when a sound exported run was verified and not the capsule.
    #[serde(default)]
    pub export: Option<ExportView>,
    /// The exit code of the command: 0 when everything fits, 3 when not.
    pub exit_code: u8,
    /// `capsule_damaged` when something does not fit.
    pub errors: Vec<ErrorBody>,
}

impl Reply for VerificationReply {
    const SCHEMA: &'static str = "verification@1.0";
}

/// An exported run that was written to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportReply {
    /// The file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// What it holds.
    pub export: ExportView,
}

impl Reply for ExportReply {
    const SCHEMA: &'static str = "export@1.0";
}

impl Reply for Imported {
    const SCHEMA: &'static str = "import@1.0";
}

impl Reply for ImportList {
    const SCHEMA: &'static str = "import_list@1.0";
}

impl Reply for CapsuleStats {
    const SCHEMA: &'static str = "capsule_stats@1.0";
}

impl Reply for CapsuleCopy {
    const SCHEMA: &'static str = "capsule_copy@1.0";
}

/// What making the files for people again came to, and what that means for the command's exit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RebuildReply {
    /// What came of it.
    #[serde(flatten)]
    pub rebuilt: RebuiltProjections,
    /// The exit code of the command: 0 when every file stands as it should, 3 when not.
    pub exit_code: u8,
    /// `io` when one does not.
    pub errors: Vec<ErrorBody>,
}

impl Reply for RebuildReply {
    const SCHEMA: &'static str = "rebuild@1.0";
}

/// What a replay came to, and what that means for the command's exit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayReply {
    /// What came of it.
    #[serde(flatten)]
    pub replayed: ReplayedRun,
    /// The exit code of the command: 0 when everything is the same, 3 when not.
    pub exit_code: u8,
    /// `io` when something differs.
    pub errors: Vec<ErrorBody>,
}

impl Reply for ReplayReply {
    const SCHEMA: &'static str = "replay@1.0";
}

/// An artifact that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactReply {
    /// Its address.
    pub uri: String,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The file that it was written to, when one was named.
    pub written_to: Option<String>,
    /// Its text, when it is text and no file was named.
    pub text: Option<String>,
}

impl Reply for ArtifactReply {
    const SCHEMA: &'static str = "artifact@1.0";
}

/// A policy file that was read and found in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyCheckReply {
    /// The file.
    pub file: String,
    /// The layer that it was read as.
    pub layer: String,
    /// How many rules it has.
    pub rules: u64,
}

impl Reply for PolicyCheckReply {
    const SCHEMA: &'static str = "policy_check@1.0";
}

/// Files that a command wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrittenReply {
    /// Their paths.
    pub written: Vec<String>,
}

impl Reply for WrittenReply {
    const SCHEMA: &'static str = "written@1.0";
}
