//! `windlass diff`

use clap::Args;

use super::reference::RunArg;

/// `windlass diff`
#[derive(Debug, Args)]
#[command(after_help = "\
Away from a terminal this prints exactly the stored bytes, which `git apply` takes. With --json it prints the patch bundle, \
which says where the patch applies and has an id for each file and hunk.

Examples:
  windlass diff latest
  windlass diff --id T-0001 --run 019a9f3c-2b1e --stat
  windlass diff latest | git apply --check")]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// List the changed files instead of the lines
    #[arg(long)]
    pub(crate) stat: bool,
}
