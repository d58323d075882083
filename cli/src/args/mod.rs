//! What can be typed: one file for each group of commands, as clap reads it.
//!
//! Nothing here asks the service anything; texts become the types of the contract, and what does not fit is refused with
//! [`usage::refusal`].

pub(crate) mod approvals;
pub(crate) mod bot;
pub(crate) mod capsule;
pub(crate) mod choice;
pub(crate) mod diff;
pub(crate) mod item;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod reference;
pub(crate) mod service;
pub(crate) mod shell;
pub(crate) mod usage;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use windlass_actors::Look;

use crate::demo::DemoArgs;
use crate::failure::About;

const AFTER_HELP: &str = "\
Start here:
  windlass init
  windlass item add --type task --id T-0001 --title 'Look at the parser'
  windlass item intake T-0001
  windlass bot run --id T-0001 --kind review --wait

Exit codes:
  0   done, or accepted
  2   stopped: blocked, cancelled, or a person must decide
  3   failed
  10  something is missing or wrong in what you gave
  11  needs approval
  13  something tried to ask a question";

/// Runs bots and coding agents on git repositories as durable, governed jobs.
///
/// A run survives the terminal, the service and the machine. It works in a worktree of its own, may do only what policy
/// allows, and leaves an append-only record that can be verified.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Globals {
    /// Print exactly one JSON document on standard output; everything else goes to standard error
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// Print without colour, as with NO_COLOR
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) no_color: bool,
    /// Say only what was asked for
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
    /// Say on standard error what goes on inside; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
    #[command(flatten)]
    pub(crate) child: ChildArgs,
    /// Keep the capsule in this folder
    #[arg(long, global = true, hide = true, env = "WINDLASS_STATE_DIR", hide_env = true, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// How a command starts itself again where no service answers: a store that is damaged may end the process that reads it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ChildArgs {
    /// Open the store in this process
    #[arg(long, global = true, hide = true)]
    pub(crate) in_child: bool,
    /// What was found to be damaged in the store
    #[arg(long, global = true, hide = true, value_name = "TEXT", requires = "in_child")]
    pub(crate) damage: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work, in a repository of its own
    Demo(DemoArgs),
    /// Make this repository known; asking again changes nothing, and nothing is written into it
    Init(InitArgs),
    /// Work items: what runs are about
    #[command(subcommand)]
    Item(item::ItemCommand),
    /// Runs: submit, follow, look at, cancel
    #[command(subcommand)]
    Bot(bot::BotCommand),
    /// Questions that runs wait on: list and answer them
    #[command(subcommand)]
    Approvals(approvals::ApprovalsCommand),
    /// Print the change that a run proposes
    Diff(diff::DiffArgs),
    /// The record: read it and verify it
    #[command(subcommand)]
    Capsule(capsule::CapsuleCommand),
    /// Files for people, made of the record
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// What may be done, and which rule says so
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// The service that drives the runs
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Print a completion script for a shell
    Completions(shell::CompletionsArgs),
    /// Print the manual page, or write all of them into a folder
    Man(shell::ManArgs),
    /// Own one child process; started by the service, not by people
    #[command(hide = true)]
    Holder(HolderArgs),
    /// Look at the store; started before the store is opened, because one that is damaged may end the process that reads it
    #[command(hide = true)]
    CheckStore(CheckStoreArgs),
    /// Ask one MCP server one question; started by a holder, not by people
    #[command(hide = true)]
    McpClient(McpClientArgs),
}

/// `windlass init`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windlass init\n  windlass init ~/src/parser")]
pub(crate) struct InitArgs {
    /// Any folder of the repository; this one when left out
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

/// `windlass holder`
#[derive(Debug, Args)]
pub(crate) struct HolderArgs {
    /// The folder that describes the child
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// `windlass check-store`
#[derive(Debug, Args)]
pub(crate) struct CheckStoreArgs {
    /// The capsule's folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// How much to look at
    #[arg(value_name = "LOOK", value_parser = look)]
    pub(crate) look: Look,
}

fn look(word: &str) -> Result<Look, String> {
    Look::of(word).ok_or_else(|| "there is no such look".to_owned())
}

/// `windlass mcp-client`
#[derive(Debug, Args)]
pub(crate) struct McpClientArgs {
    /// The server's program and arguments
    #[arg(value_name = "ARGV", last = true, required = true)]
    pub(crate) argv: Vec<String>,
}

impl Command {
    /// What a refusal of this command is about, as far as its arguments say.
    pub(crate) fn about(&self) -> About {
        match self {
            Self::Item(command) => About { item: command.item(), ..About::default() },
            Self::Bot(command) => command.about(),
            Self::Diff(args) => About { item: args.run.id.clone(), kind: None, run_id: args.run.run_id() },
            Self::Demo(_)
            | Self::Init(_)
            | Self::Approvals(_)
            | Self::Capsule(_)
            | Self::Project(_)
            | Self::Policy(_)
            | Self::Service(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Holder(_)
            | Self::CheckStore(_)
            | Self::McpClient(_) => About::default(),
        }
    }
}
