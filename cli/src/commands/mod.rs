//! What each command does: one file for each, in a folder for each group.
//!
//! A command makes a request, hands it to [`windlass_contract::Control`], and prints the reply.

mod approvals;
mod bot;
mod capsule;
mod diff;
mod init;
mod item;
mod policy;
mod project;
mod service;
mod shell;

use std::ffi::OsString;
use std::process;

use windlass_contract::{ErrorCode, ExitCode, Fault};

use crate::args::bot::BotCommand;
use crate::args::usage::{NoCommand, flagged};
use crate::args::{ChildArgs, Cli, Command, service::ServiceCommand};
use crate::exit::status;
use crate::failure::{About, Failure, report};
use crate::folders::Folders;
use crate::output::Output;
use crate::session::Session;
use crate::{demo, logs};

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> process::ExitCode {
    // A holder gets its one folder as an argument, and an empty environment.
    if let Command::Holder(args) = &cli.command {
        return windlass_process::holder::run(&args.folder).into();
    }
    if let Command::CheckStore(args) = &cli.command {
        // Whoever started it and is gone needs no answer.
        let _ = windlass_actors::answer(&args.folder, args.look);
        return process::ExitCode::SUCCESS;
    }
    // The client of an MCP server may stand behind walls, where nothing of the user is.
    if let Command::McpClient(args) = &cli.command {
        return windlass_mcp::run(&args.argv);
    }
    let output = Output::new(&cli.globals);
    let about = cli.command.about();
    let folders = match Folders::find(cli.globals.state_dir.as_deref()) {
        Ok(folders) => folders,
        Err(fault) => return status(report(&output, &about, fault.into())),
    };
    match cli.command {
        // The service is a process of its own kind: it makes its own runtime and log.
        Command::Service(ServiceCommand::Run(mut args)) => {
            args.verbose = cli.globals.verbose;
            crate::service::run(args, &folders)
        }
        command => {
            logs::start(cli.globals.verbose);
            let code = in_a_runtime(output.clone(), folders, cli.globals.child, command)
                .unwrap_or_else(|failure| report(&output, &about, failure));
            status(code)
        }
    }
}

/// Says why nothing was done, or prints the help that was asked for.
pub(crate) fn refuse(arguments: &[OsString], none: NoCommand) -> process::ExitCode {
    let output = Output::of(
        flagged(arguments, "--json"),
        flagged(arguments, "--quiet"),
        flagged(arguments, "--no-color"),
    );
    match none {
        NoCommand::Shown(text) => match text.print() {
            Ok(()) => status(ExitCode::Success),
            Err(error) => status(report(&output, &About::default(), Failure::Output(error.into()))),
        },
        NoCommand::Refused { fault, help } => {
            if let Some(help) = help
                && !output.json()
            {
                output.complain(&format!("{}\n", help.render().ansi()));
            }
            status(report(&output, &About::default(), fault.into()))
        }
    }
}

fn in_a_runtime(
    output: Output,
    folders: Folders,
    child: ChildArgs,
    command: Command,
) -> Result<ExitCode, Failure> {
    let runtime = runtime(&command)
        .map_err(|error| Fault::new(ErrorCode::Io, format!("cannot make a runtime: {error}")))?;
    let session = Session::new(output, folders, child);
    runtime.block_on(async {
        let result = dispatch(&session, command).await;
        session.leave().await;
        result
    })
}

/// One thread is enough for a question and its answer; a run that is driven here gets all of them.
fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let drives_a_run = match command {
        Command::Demo(_) => true,
        Command::Bot(BotCommand::Run(args)) => args.manner.ephemeral,
        Command::Bot(BotCommand::Resume(args)) => args.manner.ephemeral,
        _ => false,
    };
    let mut builder = if drives_a_run {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_all().build()
}

async fn dispatch(session: &Session, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Demo(args) => demo::run(session, args).await,
        Command::Init(args) => init::run(session, args).await,
        Command::Item(command) => item::run(session, command).await,
        Command::Bot(command) => bot::run(session, command).await,
        Command::Approvals(command) => approvals::run(session, command).await,
        Command::Diff(args) => diff::run(session, args).await,
        Command::Capsule(command) => capsule::run(session, command).await,
        Command::Project(command) => project::run(session, command).await,
        Command::Policy(command) => policy::run(session, command).await,
        Command::Service(command) => service::run(session, command).await,
        Command::Completions(args) => shell::completions::run(session, &args),
        Command::Man(args) => shell::man::run(session, &args),
        Command::Holder(_) | Command::CheckStore(_) | Command::McpClient(_) => {
            Err(Fault::new(ErrorCode::BadRequest, "this needs a process of its own").into())
        }
    }
}
