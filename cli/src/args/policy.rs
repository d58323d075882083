//! `windlass policy …`

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use windlass_policy::{Capability, CheckOrigin, TEMPLATES};

use super::choice::capability;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show the merged policy with its rules
    Show(ShowArgs),
    /// Write a policy file to start from
    Init(InitArgs),
    /// Check that a policy file is in order
    Check(CheckArgs),
    /// Say what policy says to one act, and which rule decided
    Explain(ExplainArgs),
}

/// `windlass policy show`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windlass policy show\n  windlass policy show --user --json")]
pub(crate) struct ShowArgs {
    /// Only what is yours, without this repository's layer
    #[arg(long)]
    pub(crate) user: bool,
}

/// `windlass policy explain`
#[derive(Debug, Args)]
#[command(after_help = "\
Layers run from the topmost down, and each may only narrow the ones above; in a layer the narrowest \
rule that speaks wins. Every rule of the capability is listed with whether it speaks, and why.

Examples:
  windlass policy explain --capability tool.run --subject make --origin user
  windlass policy explain --capability fs.write --subject /tmp/x --user --json")]
pub(crate) struct ExplainArgs {
    /// What is to be done, for instance tool.run
    #[arg(long, value_name = "CAP", value_parser = capability())]
    pub(crate) capability: Capability,
    /// To what: a command line with single spaces, a path, a host
    #[arg(long, value_name = "S")]
    pub(crate) subject: String,
    /// For tool.run: where the command comes from
    #[arg(long, value_name = "ORIGIN", value_parser = PossibleValuesParser::new(CheckOrigin::ALL.map(CheckOrigin::word)))]
    pub(crate) origin: Option<String>,
    /// As if a request allowed itself this capability; may be repeated
    #[arg(long, value_name = "CAP", value_parser = capability())]
    pub(crate) allow: Vec<Capability>,
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
