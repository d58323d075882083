//! `windlass item …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use windlass_domain::id::ItemId;
use windlass_domain::item::{ItemType, Priority, StateName};
use windlass_domain::run::request::RunKind;

use super::choice::{ITEM_TYPES, KINDS, PRIORITIES, STATES, choice};
use super::reference::ItemArg;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum ItemCommand {
    /// Add a work item to this repository
    Add(AddArgs),
    /// List the work items of this repository
    List(ListArgs),
    /// Show one work item
    Show(ShowArgs),
    /// Change fields of a work item
    Edit(EditArgs),
    /// Move a work item to another state
    Move(MoveArgs),
    /// Move a work item into the holding state of a kind of run; this starts nothing
    Hold(HoldArgs),
    /// Answer what must be known before any run: goal, criteria, constraints, bounds
    Intake(IntakeArgs),
}

/// `windlass item add`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass item add --type task --id T-0001 --title 'Look at the parser'
  windlass item add --type feature --id F-7 --title 'Faster start' --parent P-1")]
pub(crate) struct AddArgs {
    /// What kind of item it is; never changes
    #[arg(long = "type", value_name = "TYPE", value_parser = choice(ITEM_TYPES))]
    pub(crate) item_type: ItemType,
    /// Its id, for instance T-0001; never changes
    #[arg(long, value_name = "ID")]
    pub(crate) id: ItemId,
    /// One line for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: String,
    /// As long as needed
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) description: String,
    /// The item it belongs to; never changes
    #[arg(long, value_name = "ID")]
    pub(crate) parent: Option<ItemId>,
}

/// `windlass item list`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass item list
  windlass item list --type spec --state needs_review
  windlass item list --active --json")]
pub(crate) struct ListArgs {
    /// Only items of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = choice(ITEM_TYPES))]
    pub(crate) item_type: Option<ItemType>,
    /// Only items in this state
    #[arg(long, value_name = "STATE", value_parser = choice(STATES))]
    pub(crate) state: Option<StateName>,
    /// Only items with an active run
    #[arg(long)]
    pub(crate) active: bool,
}

/// `windlass item show`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windlass item show T-0001\n  windlass item show --id T-0001 --json")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) item: ItemArg,
}

/// `windlass item edit`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass item edit F-7 --title 'Start in half a second' --priority p1
  windlass item edit F-7 --accept 'start takes 0.5 s' --accept 'no cache'
  windlass item edit T-0001 --assignee kim --result 'two bugs, both mended'")]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(crate) item: ItemArg,
    /// One line for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// As long as needed
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// How urgent a feature is
    #[arg(long, value_name = "PRIORITY", value_parser = choice(PRIORITIES))]
    pub(crate) priority: Option<Priority>,
    /// A feature's acceptance criteria; replaces all of them, so give each
    #[arg(long = "accept", value_name = "TEXT")]
    pub(crate) accept: Vec<String>,
    /// Where a spec's requirements stand
    #[arg(long, value_name = "URI")]
    pub(crate) prd_uri: Option<String>,
    /// Who does a task
    #[arg(long, value_name = "NAME")]
    pub(crate) assignee: Option<String>,
    /// What came of a task
    #[arg(long, value_name = "TEXT")]
    pub(crate) result: Option<String>,
}

/// `windlass item move`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  windlass item move F-7 --to planned\n  windlass item move T-0001 --to completed"
)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    pub(crate) item: ItemArg,
    /// Where to; `windlass item show` lists what is allowed
    #[arg(long, value_name = "STATE", value_parser = choice(STATES))]
    pub(crate) to: StateName,
}

/// `windlass item hold`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass item hold F-7 --kind research
  windlass bot run --id F-7 --kind research --hold    # both in one go")]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    pub(crate) item: ItemArg,
    /// What it waits for
    #[arg(long, value_name = "KIND", value_parser = choice(KINDS))]
    pub(crate) kind: RunKind,
}

/// `windlass item intake`
#[derive(Debug, Args)]
#[command(after_help = "\
In a terminal this asks one question at a time and offers earlier answers. It is the only command \
that asks anything; everywhere else give the answers as a file.

Examples:
  windlass item intake T-0001
  windlass item intake --template > answers.toml
  windlass item intake T-0001 --answers answers.toml
  windlass item intake F-7 --form    # what `item move --to planned` looks at")]
pub(crate) struct IntakeArgs {
    /// The work item, for instance T-0001
    #[arg(value_name = "ID", required_unless_present_any = ["id", "template"], conflicts_with = "id")]
    pub(crate) place: Option<ItemId>,
    /// The same, as a flag
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<ItemId>,
    /// Take the answers from this file, TOML or JSON; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
    /// Answer the intake form of a feature or a spec instead, which promotion to `planned` looks at
    #[arg(long)]
    pub(crate) form: bool,
    /// Print a commented answers file to fill in, and leave
    #[arg(long, conflicts_with_all = ["answers", "place", "id"])]
    pub(crate) template: bool,
}

impl IntakeArgs {
    /// The item that was named; only `--template` goes without one.
    pub(crate) fn item(&self) -> Option<&ItemId> {
        self.id.as_ref().or(self.place.as_ref())
    }
}

impl ItemCommand {
    /// The item that the command is about.
    pub(crate) fn item(&self) -> Option<ItemId> {
        match self {
            Self::Add(args) => Some(args.id.clone()),
            Self::List(_) => None,
            Self::Show(args) => args.item.named().cloned(),
            Self::Edit(args) => args.item.named().cloned(),
            Self::Move(args) => args.item.named().cloned(),
            Self::Hold(args) => args.item.named().cloned(),
            Self::Intake(args) => args.item().cloned(),
        }
    }
}
