//! Starting the child: its program, its pipes, and its walls.
//!
//! A child that is asked something is an MCP server. It is then not started by the holder but by a client that speaks with
//! it, which is this same program: holder, client and server stand and fall together.

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};
use serde::Deserialize;
use tokio::net::unix::pipe::Receiver;
use windlass_domain::child::{ChildSpec, Sandbox, Walls};
use windlass_domain::tool_call::ToolCall;

use crate::folder::{Folder, INSIDE_FORMAT, InsideRecord, SpecRecord};
use crate::leftovers::HOLD_ID_VARIABLE;
use crate::processes;
use crate::sandbox;

/// A started child. It is reaped by number, together with what it leaves behind.
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
    /// What `bwrap` reports, if the child is sandboxed.
    pub(super) report: Option<OwnedFd>,
}

/// The argument that makes this program the client of an MCP server, whose command line follows.
const CLIENT: &str = "mcp-client";

/// Starts the child, in a process group of its own. Its input is `/dev/null`, or what a client is to ask. The error says
/// why it was not started.
pub(super) fn start(folder: &Folder, record: &SpecRecord) -> Result<Child, String> {
    let spec = &record.spec;
    if !Path::new(&spec.cwd).is_dir() {
        return Err(format!("no such folder: {}", spec.cwd));
    }
    match &spec.sandbox {
        Sandbox::Off => start_bare(record),
        Sandbox::Bwrap(walls) => start_walled(folder, record, walls),
    }
}

fn start_bare(record: &SpecRecord) -> Result<Child, String> {
    let spec = &record.spec;
    let CommandLine { program, arguments, .. } = command_line(spec)?;
    let mut command = Command::new(&program);
    command.args(arguments).current_dir(&spec.cwd).env_clear().envs(&spec.env);
    command.env(HOLD_ID_VARIABLE, record.hold_id.to_string());
    spawn(command, spec.call.as_ref()).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("no such program: {program}"),
        _ => format!("cannot start {program}: {error}"),
    })
}

fn start_walled(folder: &Folder, record: &SpecRecord, walls: &Walls) -> Result<Child, String> {
    let spec = &record.spec;
    let CommandLine { program, arguments, needs } = command_line(spec)?;
    let bwrap = sandbox::find_bwrap().ok_or(
        "the program `bwrap` is not installed, which the sandbox needs; install the package `bubblewrap`",
    )?;
    let holds = folder.path().parent().unwrap_or(folder.path());
    let mut walls = walls.clone();
    walls.readable.extend(needs);
    let walls = sandbox::arguments(&walls, &spec.env, &spec.cwd, holds).map_err(|error| error.to_string())?;
    let start = || {
        // Through a descriptor, because a command line, and with it every secret in the environment, is world-readable.
        let walls = readable_once(&walls)?;
        let (report, report_writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let (gate, gate_opener) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfd(&report_writer, FdFlags::empty())?;
        fcntl_setfd(&gate, FdFlags::empty())?;
        let mut command = Command::new(&bwrap);
        command.args(["--args", &walls.as_raw_fd().to_string()]);
        command.args(["--json-status-fd", &report_writer.as_raw_fd().to_string()]);
        command.args(["--block-fd", &gate.as_raw_fd().to_string()]);
        command.arg("--").arg(&program).args(&arguments);
        command.current_dir("/").env_clear().env(HOLD_ID_VARIABLE, record.hold_id.to_string());
        let child = spawn(command, spec.call.as_ref())?;
        drop((report_writer, gate));
        note_inside(folder, &report).or_else(|error| end_after(child.pid, error))?;
        // The program runs only now, when whoever comes after this holder knows how to find it.
        match rustix::io::write(&gate_opener, &[1]) {
            // Nobody waits: bwrap has given up, and its report will show it.
            Ok(_) | Err(Errno::PIPE) => Ok(Child { report: Some(report), ..child }),
            Err(error) => end_after(child.pid, error.into()),
        }
    };
    start().map_err(|error| format!("cannot start {}: {error}", bwrap.display()))
}

/// Notes the sandbox's first process, which `bwrap` reports while it waits at the gate. Nothing is noted if `bwrap`
/// gives up before.
fn note_inside(folder: &Folder, report: &OwnedFd) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Report {
        #[serde(rename = "child-pid")]
        child_pid: i32,
    }
    let mut line = Vec::new();
    let mut byte = [0];
    // Byte by byte, because what follows the line is read when all has ended.
    while line.last() != Some(&b'\n') {
        match rustix::io::read(report, &mut byte) {
            Ok(0) => return Ok(()),
            Ok(_) => line.push(byte[0]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Report { child_pid } = serde_json::from_slice(&line)?;
    match processes::process(child_pid) {
        Some(first) => folder.write_inside(&InsideRecord { version: INSIDE_FORMAT, first: first.identity }),
        None => Ok(()),
    }
}

/// Ends a `bwrap` that did not get as far as its program, with the sandbox, and passes the error on.
fn end_after<T>(bwrap: Pid, error: io::Error) -> io::Result<T> {
    match kill_process_group(bwrap, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(second) => return Err(second.into()),
    }
    loop {
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_no_child_any_more) => return Err(error),
        }
    }
}

/// What is started.
struct CommandLine {
    program: String,
    arguments: Vec<String>,
    /// A file that must be readable behind walls.
    needs: Option<String>,
}

fn command_line(spec: &ChildSpec) -> Result<CommandLine, String> {
    let (program, arguments) = spec.argv.split_first().ok_or("the command line is empty")?;
    if spec.call.is_none() {
        return Ok(CommandLine { program: program.clone(), arguments: arguments.to_vec(), needs: None });
    }
    let client =
        std::env::current_exe().map_err(|error| format!("cannot find the client's file: {error}"))?;
    let client = client.to_string_lossy().into_owned();
    let before = [CLIENT, "--"].map(str::to_owned);
    let arguments = before.into_iter().chain(spec.argv.iter().cloned()).collect();
    Ok(CommandLine { needs: Some(client.clone()), program: client, arguments })
}

/// A nameless file with NUL-separated arguments, which the next program that is started inherits.
fn readable_once(arguments: &[String]) -> io::Result<fs::File> {
    let bytes: Vec<u8> = arguments.iter().flat_map(|argument| argument.bytes().chain([0])).collect();
    nameless("walls", &bytes, MemfdFlags::empty())
}

/// A nameless file, to be read from its start.
fn nameless(name: &str, bytes: &[u8], flags: MemfdFlags) -> io::Result<fs::File> {
    let mut file = fs::File::from(memfd_create(name, flags)?);
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn spawn(mut command: Command, call: Option<&ToolCall>) -> io::Result<Child> {
    // A question is nobody's business but the client's: a command line would be world-readable.
    command.stdin(match call {
        Some(call) => nameless("call", &serde_json::to_vec(call)?, MemfdFlags::CLOEXEC)?.into(),
        None => Stdio::null(),
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a child's number is a process number");
    let stdout = child.stdout.take().expect("was asked to be piped");
    let stderr = child.stderr.take().expect("was asked to be piped");
    Ok(Child {
        pid,
        stdout: Receiver::from_owned_fd(stdout.into())?,
        stderr: Receiver::from_owned_fd(stderr.into())?,
        report: None,
    })
}
