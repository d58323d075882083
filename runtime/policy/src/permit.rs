//! Permits: proof that policy allowed one act. Only [`crate::judge`] makes them, and the dangerous functions of the
//! adapters demand one, so that an effect without a judgement does not compile.

use std::marker::PhantomData;

/// Leave to do one thing, with the rule that gave it.
///
/// `Act` is one of the marker types below. A permit is for one subject: [`Permit::subject`].
#[derive(Debug)]
pub struct Permit<Act> {
    rule: String,
    subject: String,
    act: PhantomData<fn() -> Act>,
}

impl<Act> Permit<Act> {
    pub(crate) fn granted(rule: String, subject: String) -> Self {
        Self { rule, subject, act: PhantomData }
    }

    /// The same leave once more, for handing to another thread: for the same act and subject, by the same rule.
    #[must_use]
    pub fn for_same(&self) -> Self {
        Self { rule: self.rule.clone(), subject: self.subject.clone(), act: PhantomData }
    }

    /// The id of the rule that granted it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// What it was granted for: an argv joined by spaces, a folder, a host, or a tool.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// To start a program (`tool.run`).
#[derive(Debug)]
pub enum RunTool {}

/// To write files for people into one folder: one of Windlass's own, or one that policy chose in a tree (`fs.write`).
#[derive(Debug)]
pub enum WriteProjection {}

/// To create and change a bot worktree (`fs.write`).
#[derive(Debug)]
pub enum WriteWorktree {}

/// To connect to a host (`net.connect`).
#[derive(Debug)]
pub enum Connect {}

/// To call a tool of an MCP server (`agent.tool`).
#[derive(Debug)]
pub enum CallTool {}
