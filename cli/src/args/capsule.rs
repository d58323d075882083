//! `windlass capsule …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::reference::RunArg;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum CapsuleCommand {
    /// Check that nothing of the record was changed afterwards
    Verify(VerifyArgs),
    /// Print the recorded events of a run
    Events(EventsArgs),
    /// Print an artifact, or write it to a file
    Get(GetArgs),
}

/// `windlass capsule verify`
#[derive(Debug, Args)]
#[command(after_help = "\
Every result names the capsule's head. Keep one somewhere else: with --head even a record whose \
whole chain was computed anew is detected. Exits with 3 when something does not fit.

Examples:
  windlass capsule verify
  windlass capsule verify --head 5b0c…")]
pub(crate) struct VerifyArgs {
    /// A head that was noted earlier; it must still be part of the chain
    #[arg(long, value_name = "DIGEST")]
    pub(crate) head: Option<String>,
}

/// `windlass capsule events`
#[derive(Debug, Args)]
#[command(after_help = "\
As text this prints everything from --from on. With --json it prints one page, and `more` says \
whether there is another: go on with --from.

Examples:
  windlass capsule events --run latest
  windlass capsule events --run 019a9f3c-2b1e --from 40 --limit 100 --json")]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// The first event wanted, counted from 1
    #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) from: u64,
    /// Most events wanted; without it a page of 1,000 with --json, and all of them as text
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: Option<u32>,
}

/// `windlass capsule get`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass capsule get 'mv2://…/artifact/review/review_report.md'
  windlass capsule get 'mv2://…/artifact/review/patch.diff' --out patch.diff")]
pub(crate) struct GetArgs {
    /// Its address, as `windlass bot show` lists it
    #[arg(value_name = "URI")]
    pub(crate) uri: String,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
