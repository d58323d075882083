//! `windlass approvals …`

use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// List the questions that runs wait on, the oldest first
    List(ListArgs),
    /// Answer a question; its run goes on, or ends as blocked
    Answer(AnswerArgs),
}

/// `windlass approvals list`
#[derive(Debug, Args)]
#[command(after_help = "\
Policy asks where a rule says `ask`. A run that waits goes on waiting through a restart, until \
somebody answers or the question lapses.

Examples:
  windlass approvals list
  windlass approvals list --all --json")]
pub(crate) struct ListArgs {
    /// Those of all repositories, not only of this one
    #[arg(long)]
    pub(crate) all: bool,
}

/// `windlass approvals answer`
#[derive(Debug, Args)]
#[command(after_help = "\
The answer is recorded with your name. It holds for this run, and for exactly what was asked.

Examples:
  windlass approvals answer 01a2b3c4-… --allow
  windlass approvals answer 01a2b3c4-… --deny --json")]
pub(crate) struct AnswerArgs {
    /// The approval's id, or that of the run that waits for it
    #[arg(value_name = "APPROVAL|RUN")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) answer: AnswerFlags,
}

/// One of the two answers.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct AnswerFlags {
    /// It may be done
    #[arg(long)]
    pub(crate) allow: bool,
    /// It may not, and the run ends as blocked
    #[arg(long)]
    pub(crate) deny: bool,
}
