//! A child process as data: what to start, inside which walls, for how long, and how it ended.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tool_call::ToolCall;

/// A program to run under a holder.
///
/// Its environment is exactly `env`: nothing is inherited. Paths are absolute and are seen inside and outside the
/// sandbox under the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct ChildSpec {
    /// Program and arguments. A program without a slash is looked up in `env["PATH"]`.
    pub argv: Vec<String>,
    /// The working folder.
    pub cwd: String,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// The walls around it.
    pub sandbox: Sandbox,
    /// When it is ended, whatever it does.
    pub limits: ChildLimits,
    /// What is asked of it, where it is an MCP server. Any other child has an empty standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<ToolCall>,
}

/// The walls around a child process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sandbox {
    /// Namespaces made by the `bwrap` program: no network, no `/run/user`, a private `/tmp`, the system read-only.
    Bwrap(Walls),
    /// None. Only where policy says `sandbox = "off"`, which is recorded with the command.
    Off,
}

/// What a sandboxed child sees beyond the read-only system folders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Walls {
    /// Folders that it may read: package caches, the repository's `.git`. Applied after `writable`, so that a
    /// read-only folder can lie inside a writable one. Missing ones are left out.
    pub readable: Vec<String>,
    /// Folders that it may read and write: its worktree, its build folder, its private HOME.
    pub writable: Vec<String>,
}

/// When a child is ended, whatever it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct ChildLimits {
    /// Longest run, in milliseconds of the boot clock.
    pub time_ms: u64,
    /// Most output kept, in bytes over both streams. A child that prints more is ended.
    pub output_bytes: u64,
    /// Between the request to end (SIGTERM) and the end by force (SIGKILL), in milliseconds.
    pub grace_ms: u64,
}

/// How a child ended, as its holder wrote it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChildEnd {
    /// It exited by itself.
    Exited {
        /// Its exit status, 0 to 255.
        code: u8,
    },
    /// A signal ended it that its holder did not send.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// Its holder ended it, because a limit was reached or because it was told to.
    Ended {
        /// Why.
        why: EndedBecause,
    },
    /// It could not be started at all.
    NotStarted {
        /// What the system said, for instance "no such program: ruff".
        reason: String,
    },
}

/// Why a holder ended its child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum EndedBecause {
    /// `time_ms` ran out.
    TimeLimit,
    /// `output_bytes` ran out.
    OutputLimit,
    /// The run was cancelled.
    Cancelled,
}

/// One of a child's two output streams.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
