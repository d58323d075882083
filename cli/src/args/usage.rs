//! Reading the arguments, and saying what is wrong with them in the words and exit codes of the contract, not clap's.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ColorChoice, CommandFactory, FromArgMatches};
use windlass_contract::{ErrorCode, Fault};

use super::{Cli, Command};

/// Why the arguments came to no command.
#[derive(Debug)]
pub(crate) enum NoCommand {
    /// Help or the version was asked for.
    Shown(clap::Error),
    /// They do not fit.
    Refused {
        /// What does not fit.
        fault: Fault,
        /// The help text to show with it, when no command was named at all.
        help: Option<clap::Error>,
    },
}

/// Reads the arguments.
///
/// # Errors
/// [`NoCommand`] for help, the version, and whatever does not fit.
pub(crate) fn read(arguments: &[OsString]) -> Result<Cli, NoCommand> {
    let color = if flagged(arguments, "--no-color") { ColorChoice::Never } else { ColorChoice::Auto };
    let mut command = Cli::command().color(color);
    let cli = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| no_command(error, arguments))?;
    refuse_json_where_there_is_none(&cli)?;
    Ok(cli)
}

/// Whether a long flag stands among the arguments; for what must be known even when they do not fit.
pub(crate) fn flagged(arguments: &[OsString], flag: &str) -> bool {
    arguments.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == flag)
}

fn no_command(error: clap::Error, arguments: &[OsString]) -> NoCommand {
    let kind = error.kind();
    if matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return NoCommand::Shown(error);
    }
    let path = typed_path(arguments);
    let refuse = |message: String| Fault::new(ErrorCode::BadRequest, message).hint(format!("{path} --help"));
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return NoCommand::Refused { fault: refuse(format!("`{path}` needs a command")), help: Some(error) };
    }
    NoCommand::Refused { fault: refuse(message(&error)), help: None }
}

/// The commands that were typed, as far as they exist.
fn typed_path(arguments: &[OsString]) -> String {
    let root = Cli::command();
    let mut path = vec!["windlass"];
    let mut command = &root;
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        if let Some(deeper) = command.find_subcommand(argument) {
            path.push(deeper.get_name());
            command = deeper;
        }
    }
    path.join(" ")
}

/// Clap's message in one line, with what was probably meant.
fn message(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let first_paragraph: Vec<&str> =
        rendered.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let text = first_paragraph.join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    match meant(error) {
        Some(meant) => format!("{text}; did you mean `{meant}`?"),
        None => text.to_owned(),
    }
}

fn meant(error: &clap::Error) -> Option<String> {
    [ContextKind::SuggestedArg, ContextKind::SuggestedValue, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::String(word) => Some(word.clone()),
            ContextValue::Strings(words) => words.first().cloned(),
            _ => None,
        })
}

/// Some commands print what is no JSON and cannot be.
fn refuse_json_where_there_is_none(cli: &Cli) -> Result<(), NoCommand> {
    let what = match &cli.command {
        Command::Demo(_) => "what the demonstration tells",
        Command::Service(super::service::ServiceCommand::Run(_)) => "the service's log",
        Command::Completions(_) => "a completion script",
        Command::Man(args) if args.folder.is_none() => "a manual page",
        Command::Item(super::item::ItemCommand::Intake(args)) if args.template => {
            "an answers file to fill in"
        }
        Command::Policy(super::policy::PolicyCommand::Init(args)) if args.print => "a policy file",
        _ => return Ok(()),
    };
    if !cli.globals.json {
        return Ok(());
    }
    let fault = Fault::new(ErrorCode::BadRequest, format!("{what} is printed as it is; leave out --json"));
    Err(NoCommand::Refused { fault, help: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_in_order() {
        Cli::command().debug_assert();
    }

    /// The words of a command line as a shell would split it, without comments and redirections.
    fn words(line: &str) -> Vec<String> {
        let line = line.split("  #").next().unwrap_or(line);
        let line = line.split(" > ").next().unwrap_or(line);
        let line = line.split(" | ").next().unwrap_or(line);
        let quoted = line.split('\'').enumerate();
        let mut words = vec![String::new()];
        for (place, part) in quoted {
            if place % 2 == 1 {
                words.last_mut().unwrap().push_str(part);
                continue;
            }
            for (gap, word) in part.split(' ').enumerate() {
                if gap > 0 {
                    words.push(String::new());
                }
                words.last_mut().unwrap().push_str(word);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    fn examples(command: &clap::Command, found: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        found.extend(help.lines().filter(|line| line.starts_with("  windlass ")).map(str::to_owned));
        for deeper in command.get_subcommands() {
            examples(deeper, found);
        }
    }

    #[test]
    fn every_example_is_accepted_and_fits_a_terminal() {
        let mut found = Vec::new();
        examples(&Cli::command(), &mut found);
        assert!(found.len() > 30, "{found:?}");
        for example in found {
            assert!(example.chars().count() <= 80, "{example}");
            Cli::command().try_get_matches_from(words(&example)).unwrap();
        }
    }

    /// `docs/refusals.md` has what every refusal gave; a flag is one that the refused submission goes without.
    #[test]
    fn every_hint_that_is_a_command_or_a_flag_is_accepted() {
        let seen = include_str!("../../../docs/refusals.md");
        let hints = seen.lines().filter_map(|line| line.strip_prefix("  try: "));
        let commands = hints.filter_map(|hint| match hint {
            flag if flag.starts_with("--") => Some(format!("windlass bot run --id T-1 --kind review {flag}")),
            command => command.starts_with("windlass ").then(|| command.to_owned()),
        });
        let commands: Vec<String> = commands.collect();
        assert!(commands.len() > 20, "{commands:?}");
        for command in commands {
            let refused = Cli::command().try_get_matches_from(words(&command)).err();
            let shown = |error: &clap::Error| error.kind() == ErrorKind::DisplayHelp;
            assert!(refused.as_ref().is_none_or(shown), "{command}: {refused:?}");
        }
    }

    #[test]
    fn the_path_is_what_was_typed_as_far_as_it_exists() {
        let path = |words: &[&str]| typed_path(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(path(&["windlass", "--json", "bot", "run", "--bogus"]), "windlass bot run");
        assert_eq!(path(&["windlass", "bogus"]), "windlass");
    }
}
