//! `windlass capsule …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use windlass_domain::capture::CaptureMode;

use super::choice::{CAPTURE_MODES, choice};
use super::reference::RunArg;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum CapsuleCommand {
    /// Check that nothing of the record, or of an exported run, was changed afterwards
    Verify(VerifyArgs),
    /// Print the recorded events of a run
    Events(EventsArgs),
    /// Print an artifact, or write it to a file
    Get(GetArgs),
    /// Make an ended run's artifacts again from its journal, and compare them with what is stored
    Replay(ReplayArgs),
    /// Write a run that has ended into one file, which can be checked anywhere
    Export(ExportArgs),
    /// Check an exported run and keep it here, read-only
    Import(ImportArgs),
    /// List the runs that were imported
    Imports,
    /// Tell how much is in the record
    Stats,
    /// Copy the whole record as it is now, also while the service works
    Backup(BackupArgs),
    /// Put a backup in place where there is no record yet
    Restore(RestoreArgs),
}

/// `windlass capsule verify`
#[derive(Debug, Args)]
#[command(after_help = "\
Every result names the capsule's head. Keep one somewhere else: with --head even a record whose \
whole chain was computed anew is detected. Exits with 3 when something does not fit.

With FILE an exported run is checked; no service and no record is needed for that, so it works \
on any machine.

Examples:
  windlass capsule verify
  windlass capsule verify --head 5b0c…
  windlass capsule verify run.tar")]
pub(crate) struct VerifyArgs {
    /// An exported run to check, instead of the record here
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArg,
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

/// `windlass capsule replay`
#[derive(Debug, Args)]
#[command(after_help = "\
The engine is driven again over the recorded steps, with hands that can do nothing: no program is \
started, no repository is read, nothing is written. Exits with 3 when an artifact comes out \
otherwise than it is stored.

Examples:
  windlass capsule replay --run latest
  windlass capsule replay latest --json")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) run: RunArg,
}

/// How an exported run is encrypted.
#[derive(Debug, Args)]
pub(crate) struct PassphraseArg {
    /// The exported run is encrypted with the passphrase that this file holds, as age does it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// `windlass capsule export`
#[derive(Debug, Args)]
#[command(after_help = "\
The file is a tar archive; docs/formats/export.md says how to check it by hand. What commands and \
agents said is left out unless --capture full_io is given; the digests of what is left out stay, \
so that the chain can still be checked.

Examples:
  windlass capsule export --run latest --out run.tar
  windlass capsule export latest --out run.tar.age --passphrase-file secret.txt")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// The file to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How much the file may hold of what the run stored
    #[arg(long, value_name = "MODE", value_parser = choice(CAPTURE_MODES), default_value = "prompts_only")]
    pub(crate) capture: CaptureMode,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArg,
}

/// `windlass capsule import`
#[derive(Debug, Args)]
#[command(after_help = "\
The file is checked first. An imported run can be read like any other and never changes: \
`bot show`, `capsule events` and `capsule get` take it, lists of runs do not have it.

Examples:
  windlass capsule import run.tar
  windlass capsule import run.tar.age --passphrase-file secret.txt")]
pub(crate) struct ImportArgs {
    /// The exported run
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArg,
}

/// `windlass capsule backup`
#[derive(Debug, Args)]
#[command(after_help = "\
The copy is verified before it gets its name. Runs that are imported and files outside of the \
record (worktrees, projections) are not in it.

Examples:
  windlass capsule backup --out /mnt/disk/windlass-2026-11-21")]
pub(crate) struct BackupArgs {
    /// The folder to make; it must not be there yet
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// `windlass capsule restore`
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is ever replaced: where there is a record, put it aside first, with the service stopped. \
The backup is verified before it gets its place.

Examples:
  windlass capsule restore /mnt/disk/windlass-2026-11-21")]
pub(crate) struct RestoreArgs {
    /// The folder that `windlass capsule backup` made
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}
