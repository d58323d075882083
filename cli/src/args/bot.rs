//! `windlass bot …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use windlass_domain::capture::CaptureMode;
use windlass_domain::id::ItemId;
use windlass_domain::run::RunStatus;
use windlass_domain::run::request::{Preset, RunKind, Scope, WriteMode};
use windlass_policy::Capability;

use super::choice::{CAPTURE_MODES, KINDS, PRESETS, SCOPES, STATUSES, WRITE_MODES, capability, choice};
use super::reference::RunArg;
use crate::failure::About;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum BotCommand {
    /// Submit a run; it goes on without this terminal
    Run(Box<RunArgs>),
    /// Show the service and what goes on in it
    Status,
    /// List runs, the newest first
    Runs(RunsArgs),
    /// Show one run, or its report
    Show(ShowArgs),
    /// Follow a run's events as they are recorded
    Watch(WatchArgs),
    /// Ask a run to stop; it still stores its log, its partial results and its patch
    Cancel(CancelArgs),
    /// Continue a run that was cancelled, blocked or needs attention
    Resume(ResumeArgs),
}

/// `windlass bot run`
#[derive(Debug, Args)]
#[command(after_help = "\
The answers that a run relies on come from `windlass item intake`, from --answers, or from --goal \
with --accept. Without --wait the command exits as soon as the request is on disk; the run goes on \
in the service. Where there is no session bus, for instance in CI, use --ephemeral.

Examples:
  windlass bot run --id T-1 --kind review --goal 'find bugs' --accept 'all real'
  windlass bot run --id T-0001 --kind review --base main --head HEAD --wait
  windlass bot run --id F-7 --kind research --hold --answers answers.toml
  windlass bot run --id T-0001 --kind review --write-mode worktree --scope style
  windlass bot run --id T-0001 --kind review --ephemeral --json")]
pub(crate) struct RunArgs {
    /// The work item, for instance T-0001
    #[arg(long, value_name = "ID")]
    pub(crate) id: ItemId,
    /// What to do: find out, or judge a change
    #[arg(long, value_name = "KIND", value_parser = choice(KINDS))]
    pub(crate) kind: RunKind,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    #[command(flatten)]
    pub(crate) bounds: BoundArgs,
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    #[command(flatten)]
    pub(crate) manner: MannerArgs,
    /// What caused it, for instance a pull request
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// What to look at.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to look at")]
pub(crate) struct LookArgs {
    /// The commit to compare with
    #[arg(long, value_name = "COMMIT")]
    pub(crate) base: Option<String>,
    /// The commit to look at
    #[arg(long, value_name = "COMMIT")]
    pub(crate) head: Option<String>,
    /// How deep: quick takes minutes, exhaustive may take days
    #[arg(long, value_name = "PRESET", value_parser = choice(PRESETS), default_value = "standard")]
    pub(crate) preset: Preset,
    /// Look only for this; may be repeated
    #[arg(long, value_name = "SCOPE", value_parser = choice(SCOPES))]
    pub(crate) scope: Vec<Scope>,
    /// Do not look for this; may be repeated
    #[arg(long, value_name = "SCOPE", value_parser = choice(SCOPES))]
    pub(crate) no_scope: Vec<Scope>,
}

/// What it may do, keep and use up.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it may do, keep and use up")]
pub(crate) struct BoundArgs {
    /// Whether it may change a worktree of its own; yours is never touched
    #[arg(long, value_name = "MODE", value_parser = choice(WRITE_MODES), default_value = "none")]
    pub(crate) write_mode: WriteMode,
    /// How much of what it sees may be stored
    #[arg(long, value_name = "MODE", value_parser = choice(CAPTURE_MODES), default_value = "prompts_only")]
    pub(crate) capture: CaptureMode,
    /// The agent profile to use
    #[arg(long, value_name = "PROFILE")]
    pub(crate) agent: Option<String>,
    /// Grant this for the one request, where policy would ask; never lifts a denial; may be repeated
    #[arg(long, value_name = "CAPABILITY", value_parser = capability())]
    pub(crate) allow: Vec<Capability>,
    /// Longest run, for instance `30m` or `2h`
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    pub(crate) max_duration: Option<u64>,
    /// Most model tokens
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_tokens: Option<u64>,
    /// Most US dollars for models, for instance `2.50`
    #[arg(long, value_name = "DOLLARS", value_parser = micro_usd)]
    pub(crate) max_cost_usd: Option<u64>,
    /// Most agent turns
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_turns: Option<u64>,
}

/// The answers that it relies on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Answers that it relies on")]
pub(crate) struct AnswerArgs {
    /// Take them from this file, TOML or JSON; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["goal", "accept"])]
    pub(crate) answers: Option<PathBuf>,
    /// What is to be achieved
    #[arg(long, value_name = "TEXT")]
    pub(crate) goal: Option<String>,
    /// How one will know that it is done; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) accept: Vec<String>,
}

/// How it is submitted.
#[derive(Debug, Args)]
#[command(next_help_heading = "How it is submitted")]
pub(crate) struct MannerArgs {
    /// Move the item into its holding state in the same step
    #[arg(long)]
    pub(crate) hold: bool,
    /// Follow the run, and exit with what it came to
    #[arg(long)]
    pub(crate) wait: bool,
    /// Drive the run in this process, without a service; implies --wait
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Nobody can be asked; so it is anyway when there is no terminal
    #[arg(long)]
    pub(crate) headless: bool,
    /// The same key makes a repeated request the same run
    #[arg(long, value_name = "KEY")]
    pub(crate) dedupe_key: Option<String>,
}

/// `windlass bot runs`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass bot runs
  windlass bot runs --all --status running --status queued
  windlass bot runs --id T-0001 --kind review --limit 10 --json")]
pub(crate) struct RunsArgs {
    /// Runs of every repository, not of this one alone
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
    /// Only runs of this work item
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<ItemId>,
    /// Only runs of this kind
    #[arg(long, value_name = "KIND", value_parser = choice(KINDS))]
    pub(crate) kind: Option<RunKind>,
    /// Only runs that stand so; may be repeated
    #[arg(long, value_name = "STATUS", value_parser = choice(STATUSES))]
    pub(crate) status: Vec<RunStatus>,
    /// Most rows
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// Go on after the page that gave this token
    #[arg(long, value_name = "TOKEN")]
    pub(crate) after: Option<String>,
}

/// `windlass bot show`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass bot show latest
  windlass bot show --run 019a9f3c-2b1e --format md
  windlass bot show --id T-0001 --run latest --json")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// `text` for the facts of the run, `md` for its report, `json` for the same as --json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ShowFormat,
}

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowFormat {
    Text,
    Md,
    Json,
}

/// `windlass bot watch`
#[derive(Debug, Args)]
#[command(after_help = "\
With --json each line is one event. The command ends when the run does.

Examples:
  windlass bot watch latest
  windlass bot watch --id T-0001 --run 019a9f3c-2b1e --from 40 --json")]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// The first event wanted, counted from 1
    #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) from: u64,
}

/// `windlass bot cancel`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  windlass bot cancel 019a9f3c-2b1e
  windlass bot cancel --id T-0001 --run 019a9f3c-2b1e --reason 'wrong branch'")]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// `windlass bot resume`
#[derive(Debug, Args)]
#[command(after_help = "\
The new run asks for the same, does not do again what was done, and takes over the worktree and the \
branch. Policy and answers are checked again; nothing is granted that was not granted before.

Examples:
  windlass bot resume 019a9f3c-2b1e
  windlass bot resume --id T-0001 --run 019a9f3c-2b1e --wait
  windlass bot resume 019a9f3c-2b1e --step-redo")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// The step in doubt had its effect: do not do it again
    #[arg(long, conflicts_with = "step_redo")]
    pub(crate) step_done: bool,
    /// The step in doubt had no effect, or one that may be repeated: do it again
    #[arg(long)]
    pub(crate) step_redo: bool,
    #[command(flatten)]
    pub(crate) manner: MannerArgs,
}

impl BotCommand {
    /// What a refusal of this command is about.
    pub(crate) fn about(&self) -> About {
        let of = |run: &RunArg| About { item: run.id.clone(), kind: None, run_id: run.run_id() };
        match self {
            Self::Run(args) => About { item: Some(args.id.clone()), kind: Some(args.kind), run_id: None },
            Self::Status => About::default(),
            Self::Runs(args) => About { item: args.id.clone(), kind: args.kind, run_id: None },
            Self::Show(args) => of(&args.run),
            Self::Watch(args) => of(&args.run),
            Self::Cancel(args) => of(&args.run),
            Self::Resume(args) => of(&args.run),
        }
    }
}

/// Milliseconds of a time such as `90s`, `30m`, `1h 30m` or `2d`; a day has 24 hours.
pub(crate) fn duration_ms(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no time; write for instance 90s, 30m, 2h or 1h30m");
    let days = text.trim().strip_suffix('d').map(str::trim);
    if let Some(days) = days {
        let days: u64 = days.parse().map_err(|_| bad())?;
        return days.checked_mul(24 * 60 * 60 * 1000).filter(|ms| *ms > 0).ok_or_else(bad);
    }
    let duration: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
    u64::try_from(duration.as_millis()).ok().filter(|ms| *ms > 0).ok_or_else(bad)
}

/// Millionths of a dollar of an amount such as `2`, `2.5` or `0.000001`.
fn micro_usd(text: &str) -> Result<u64, String> {
    const DECIMALS: usize = 6;
    let bad = || {
        format!("`{text}` is no amount; write dollars with at most {DECIMALS} decimals, for instance 2.50")
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > DECIMALS || !digits(whole) || !digits(part) {
        return Err(bad());
    }
    format!("{whole}{part:0<DECIMALS$}").parse().map_err(|_| bad())
}

/// The scopes that a request names: those of `--scope`, or all, without those of `--no-scope`. Empty means everything.
pub(crate) fn scopes(wanted: &[Scope], unwanted: &[Scope]) -> Option<Vec<Scope>> {
    if wanted.is_empty() && unwanted.is_empty() {
        return Some(Vec::new());
    }
    let named: Vec<Scope> = Scope::ALL
        .into_iter()
        .filter(|scope| wanted.is_empty() || wanted.contains(scope))
        .filter(|scope| !unwanted.contains(scope))
        .collect();
    (!named.is_empty()).then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_words() {
        for (text, ms) in [("90s", 90_000), ("30m", 1_800_000), ("1h30m", 5_400_000), ("2d", 172_800_000)] {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        for bad in ["", "0s", "-1m", "soon", "30", "99999999999999d"] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dollars_are_read_exactly() {
        for (text, micro) in [("2", 2_000_000), ("2.5", 2_500_000), ("0.000001", 1), ("2.", 2_000_000)] {
            assert_eq!(micro_usd(text), Ok(micro), "{text}");
        }
        for bad in ["", ".5", "-1", "1e3", "1.0000001", "99999999999999999999"] {
            assert!(micro_usd(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_scope_takes_away_from_what_was_named() {
        use Scope::{Architecture, Correctness, Performance, Security, Style};
        assert_eq!(scopes(&[], &[]), Some(vec![]));
        assert_eq!(scopes(&[Style, Security, Style], &[]), Some(vec![Security, Style]));
        assert_eq!(scopes(&[], &[Style]), Some(vec![Correctness, Security, Performance, Architecture]));
        assert_eq!(scopes(&[Style], &[Style]), None);
    }
}
