//! `windlass policy …`

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use windlass_policy::TEMPLATES;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show the merged policy with its rules
    Show(ShowArgs),
    /// Write a policy file to start from
    Init(InitArgs),
    /// Check that a policy file is in order
    Check(CheckArgs),
}

/// `windlass policy show`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windlass policy show\n  windlass policy show --user --json")]
pub(crate) struct ShowArgs {
    /// Only what is yours, without this repository's layer
    #[arg(long)]
    pub(crate) user: bool,
}

/// `windlass policy init`
#[derive(Debug, Args)]
#[command(after_help = "\
The file goes where the service looks for it, and an existing one is never overwritten.

Examples:
  windlass policy init
  windlass policy init --template strict
  windlass policy init --template ci --print")]
pub(crate) struct InitArgs {
    /// What to start from: `standard` is what holds without a file, `strict` asks before each command, `ci` never asks
    #[arg(long, value_name = "NAME", default_value = "standard",
        value_parser = PossibleValuesParser::new(TEMPLATES.map(|template| template.name)))]
    pub(crate) template: String,
    /// Print it instead of writing it
    #[arg(long)]
    pub(crate) print: bool,
}

/// `windlass policy check`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windlass policy check\n  windlass policy check .windlass/policy.toml")]
pub(crate) struct CheckArgs {
    /// The file; yours when left out
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
