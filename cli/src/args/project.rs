//! `windlass project …`

use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Make the files for people again from the record
    Rebuild(RebuildArgs),
}

/// `windlass project rebuild`
#[derive(Debug, Args)]
#[command(after_help = "\
Every run that has ended leaves its log, its report and its patch as files; `windlass bot show` says \
where. They hold nothing that the record does not hold, so they can be deleted and made again, \
byte for byte. What stands among them and belongs to nobody is told and left alone; so is a file \
in your own tree that Windlass did not write. Exits with 3 when a file could not be written, and \
with --check also when one is missing or differs.

Examples:
  windlass project rebuild
  windlass project rebuild --check
  windlass project rebuild --all --json")]
pub(crate) struct RebuildArgs {
    /// Only look how they stand, and change nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Of every repository, not of this one alone
    #[arg(long)]
    pub(crate) all: bool,
}
