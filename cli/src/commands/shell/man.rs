//! `windlass man`

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use windlass_contract::document::{Document, WrittenReply};
use windlass_contract::{ErrorCode, ExitCode, Fault};

use crate::args::Cli;
use crate::args::shell::ManArgs;
use crate::failure::Failure;
use crate::session::Session;

/// Prints the manual page, or writes those of all commands into a folder.
///
/// # Errors
/// `io` when a page cannot be written.
pub(crate) fn run(session: &Session, args: &ManArgs) -> Result<ExitCode, Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let output = &session.output;
    let Some(folder) = &args.folder else {
        output.bytes(&page(&command).map_err(|error| unwritten(Path::new("the page"), &error))?)?;
        return Ok(ExitCode::Success);
    };
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
    let mut written = Vec::new();
    write_all(&command, folder, &mut written)?;
    if output.json() {
        let written = written.iter().map(|path| path.display().to_string()).collect();
        output.document(&Document::of(WrittenReply { written }))?;
    } else {
        output.note(&format!("{} pages written to {}", written.len(), folder.display()));
    }
    Ok(ExitCode::Success)
}

/// Writes the page of a command and those below it; hidden ones have none.
fn write_all(command: &Command, folder: &Path, written: &mut Vec<PathBuf>) -> Result<(), Fault> {
    let path = folder.join(Man::new(command.clone()).get_filename());
    let bytes = page(command).map_err(|error| unwritten(&path, &error))?;
    fs::write(&path, bytes).map_err(|error| unwritten(&path, &error))?;
    written.push(path);
    for deeper in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_all(deeper, folder, written)?;
    }
    Ok(())
}

fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Man::new(command.clone()).manual("Windlass manual").render(&mut bytes)?;
    Ok(bytes)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::Io, format!("cannot write `{}`: {error}", path.display()))
        .hint("windlass man --help")
}
