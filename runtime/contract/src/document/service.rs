//! What the commands about the service itself print: its files, its unit, and what `doctor` found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reply;
use crate::error::ExitCode;

/// The files that let systemd and the bus start the service, and what was done to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceFilesReply {
    /// Each file.
    pub files: Vec<ServiceFile>,
    /// The program that they start; none where they were taken away.
    pub program: Option<String>,
    /// Whether the user manager starts the service at boot or login; none where there is no manager to ask.
    pub enabled: Option<bool>,
    /// Whether the user's services outlive a logout and start at boot; none where that is not known.
    pub lingering: Option<bool>,
    /// What is to be known about it.
    pub warnings: Vec<ServiceWarning>,
}

impl Reply for ServiceFilesReply {
    const SCHEMA: &'static str = "service_files@1.0";
}

/// Something that works differently from what one would expect, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceWarning {
    /// What is so, and what it means.
    pub message: String,
    /// What to do next; commands can be pasted.
    pub hints: Vec<String>,
}

/// One file, and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceFile {
    /// Its path.
    pub path: String,
    /// What was done.
    pub change: FileChange,
}

/// What was done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It was not there and is now.
    Written,
    /// It was there with another content.
    Replaced,
    /// It was as it should be.
    Unchanged,
    /// It was there and is not any more.
    Removed,
    /// It was not there.
    Absent,
}

impl FileChange {
    /// The change in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
            Self::Absent => "absent",
        }
    }
}

/// The service's unit after it was started or stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceUnitReply {
    /// Its name.
    pub unit: String,
    /// What systemd says of it: `active`, `inactive`, `failed` and so on.
    pub state: String,
    /// Whether runs were paused after a crash loop and may go on now.
    pub unpaused: bool,
}

impl Reply for ServiceUnitReply {
    const SCHEMA: &'static str = "service_unit@1.0";
}

/// What `doctor` looked at, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorReply {
    /// Every look, in a fixed order.
    pub findings: Vec<DoctorFinding>,
    /// The worst verdict.
    pub worst: Verdict,
    /// The exit code of the command, by the worst verdict: 0, 2 for a warning, 3 for a problem.
    pub exit_code: u8,
}

impl Reply for DoctorReply {
    const SCHEMA: &'static str = "doctor@1.0";
}

impl DoctorReply {
    /// The reply of these findings.
    #[must_use]
    pub fn of(findings: Vec<DoctorFinding>) -> Self {
        let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
        Self { findings, worst, exit_code: worst.exit() as u8 }
    }
}

/// One look and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorFinding {
    /// What was looked at.
    pub check: DoctorCheck,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, and what it means.
    pub message: String,
    /// The commands that mend it, or that say more; the first is the one to try.
    pub mends: Vec<String>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoctorCheck {
    /// Whether there is a session bus.
    Bus,
    /// Whether there is a user manager on it.
    UserManager,
    /// Whether runs outlive a logout.
    Lingering,
    /// Whether the unit and the activation file are there and are those of this program.
    Files,
    /// Whether the service that answers is this program.
    Service,
    /// Whether runs are paused after a crash loop.
    CrashLoop,
    /// Whether the capsule can be read and written by this program.
    Capsule,
    /// Whether somebody else than the service writes the capsule.
    Writer,
    /// Whether the capsule's file system keeps what was synced.
    FileSystem,
    /// Whether commands can be run in a sandbox.
    Sandbox,
    /// Whether git can do what is asked of it.
    Git,
}

impl DoctorCheck {
    /// The check, as JSON writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::UserManager => "user_manager",
            Self::Lingering => "lingering",
            Self::Files => "files",
            Self::Service => "service",
            Self::CrashLoop => "crash_loop",
            Self::Capsule => "capsule",
            Self::Writer => "writer",
            Self::FileSystem => "file_system",
            Self::Sandbox => "sandbox",
            Self::Git => "git",
        }
    }
}

/// How something that was looked at is; the later the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It cannot be told here, or does not matter here.
    Skipped,
    /// It works, and something will not.
    Warning,
    /// Something does not work.
    Problem,
}

impl Verdict {
    /// The verdict in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    /// The exit code where this is the worst.
    #[must_use]
    pub const fn exit(self) -> ExitCode {
        match self {
            Self::Ok | Self::Skipped => ExitCode::Success,
            Self::Warning => ExitCode::Stopped,
            Self::Problem => ExitCode::Failed,
        }
    }
}
