//! The `git` program: found, checked for its age, and called with an environment that nobody else shaped.
//!
//! It is not a shell and not a parser of what git prints; each caller reads its own output. **Invariants:** no call
//! runs a hook, asks a question, talks to a network, lazily fetches an object, starts a daemon or collects garbage;
//! no variable of the caller's environment can point it at another repository.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use crate::commit::{BOT_ADDRESS, BOT_NAME};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

/// The oldest git that knows every option used here: `GIT_CONFIG_COUNT`, without which hooks would run, is from
/// 2.31, `worktree add --reason` from 2.33.
const OLDEST: (u32, u32) = (2, 34);

/// A call that runs longer is ended. The longest honest one is a checkout of a very large repository through slow
/// filters; without a limit a filter that waits for something would hold its run for ever.
const TIME_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Most bytes taken from one call. The largest honest output is a list of all files: a million of them are 100 MB.
const OUTPUT_LIMIT: u64 = 256 << 20;

/// Most bytes of standard error kept for a message.
const COMPLAINT_LIMIT: u64 = 8 << 10;

/// The variables of git's own that stay: where the user's configuration and git's programs are, and how far upwards
/// a repository is looked for. Every other `GIT_*` is removed.
const KEPT: [&str; 6] = [
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
];

/// Variables set for every call. `GIT_LFS_SKIP_SMUDGE` keeps Git LFS from downloading: what it has stored locally is
/// checked out, the rest stays as pointers. The names stand in reference logs, and in commits where nobody else does.
const FIXED: [(&str, &str); 12] = [
    ("LC_ALL", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_LFS_SKIP_SMUDGE", "1"),
    ("GIT_ADVICE", "0"),
    ("GIT_AUTHOR_NAME", BOT_NAME),
    ("GIT_AUTHOR_EMAIL", BOT_ADDRESS),
    ("GIT_COMMITTER_NAME", BOT_NAME),
    ("GIT_COMMITTER_EMAIL", BOT_ADDRESS),
];

/// Configuration set for every call, above every file of the user's.
///
/// `protocol.allow` closes the network, `worktree.useRelativePaths` would write an extension into the user's
/// configuration, `core.fsync` makes a commit outlive a power cut, `core.safecrlf` would refuse a bot's commit over
/// line ends, `core.fsmonitor` would start a daemon or a program for each worktree.
const OVERRIDES: [(&str, &str); 14] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.safecrlf", "false"),
    ("core.splitIndex", "false"),
    ("core.fsync", "committed,loose-object,reference,index"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("protocol.allow", "never"),
    ("submodule.recurse", "false"),
    ("worktree.useRelativePaths", "false"),
    ("log.showSignature", "false"),
    ("color.ui", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("i18n.logOutputEncoding", "UTF-8"),
];

/// A call of the `git` program that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be started.
    #[error("the `git` program could not be started; install git 2.34 or later and put it in PATH")]
    NotStarted {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is older than what is used here.
    #[error("the `git` program in PATH is version {found}; 2.34 or later is needed")]
    TooOld {
        /// What it calls itself.
        found: String,
    },
    /// It ended with an exit status that says no.
    #[error("`git {call}` failed with status {code}: {complaint}")]
    Failed {
        /// The subcommand.
        call: String,
        /// Its exit status; -1 after a signal.
        code: i32,
        /// What it printed on standard error, cut after 8 KiB.
        complaint: String,
    },
    /// It ran too long and was ended.
    #[error("`git {call}` was ended after {limit_ms} ms; a filter program may hang")]
    TimeLimit {
        /// The subcommand.
        call: String,
        /// The limit.
        limit_ms: u128,
    },
    /// It printed too much.
    #[error("`git {call}` printed more than {limit_bytes} bytes")]
    OutputLimit {
        /// The subcommand.
        call: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// It printed something that no git prints.
    #[error("`git {call}` answered with something unexpected: {answer:?}")]
    Answer {
        /// The subcommand.
        call: String,
        /// The start of its answer.
        answer: String,
    },
    /// A pipe to it or the wait for it failed.
    #[error("talking to `git {call}` failed")]
    Pipe {
        /// The subcommand.
        call: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Where a call happens: which repository, which worktree, and which hooks from configuration files are off.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) git_dir: Option<PathBuf>,
    pub(crate) work_tree: Option<PathBuf>,
    pub(crate) overrides: Vec<(String, String)>,
}

impl Place {
    /// A folder whose repository git finds by itself.
    pub(crate) fn discover(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), git_dir: None, work_tree: None, overrides: Vec::new() }
    }

    /// Starts the description of a call here.
    pub(crate) fn git(&self, call: &'static str) -> Call<'_> {
        Call { place: self, call, arguments: Vec::new(), variables: Vec::new(), input: None, lock: None }
    }
}

/// One call of the program, not yet made.
pub(crate) struct Call<'a> {
    place: &'a Place,
    call: &'static str,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    input: Option<Vec<u8>>,
    lock: Option<&'a File>,
}

/// What a finished call left.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) complaint: String,
}

impl<'a> Call<'a> {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name, value.as_ref().to_owned()));
        self
    }

    /// Bytes for its standard input.
    pub(crate) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Lets the child hold this locked file as well, so that the lock lasts until the child is gone, even where this
    /// process dies first. The child gets it as the standard stream that it does not use.
    pub(crate) fn holding(mut self, lock: &'a File) -> Self {
        self.lock = Some(lock);
        self
    }

    /// Makes the call; any exit status is an answer.
    pub(crate) fn ask(self) -> Result<Answer, GitError> {
        let call = self.call.to_owned();
        let pipe = |source| GitError::Pipe { call: self.call.to_owned(), source };
        let mut command = self.command().map_err(pipe)?;
        let mut child = command.spawn().map_err(|source| GitError::NotStarted { source })?;
        let answer = talk(&mut child, self.input.as_deref(), &call);
        if answer.is_err() {
            // Dropping a child leaves it running and unreaped. Both calls fail only when it is already gone.
            let _ = child.kill();
            let _ = child.wait();
        }
        answer
    }

    /// Makes the call; an exit status but 0 is an error.
    pub(crate) fn run(self) -> Result<Vec<u8>, GitError> {
        let call = self.call;
        let answer = self.ask()?;
        if answer.code == 0 {
            if !answer.complaint.is_empty() {
                tracing::debug!(call, complaint = answer.complaint, "git warned");
            }
            Ok(answer.stdout)
        } else {
            Err(answer.refused(call))
        }
    }

    /// Makes the call; gives its output as one trimmed line of text.
    pub(crate) fn line(self) -> Result<String, GitError> {
        let call = self.call;
        let stdout = self.run()?;
        line_of(&stdout).ok_or_else(|| unexpected(call, &stdout))
    }

    fn command(&self) -> std::io::Result<Command> {
        let mut command = Command::new("git");
        command.arg(self.call).args(&self.arguments).current_dir(&self.place.folder);
        for name in unwanted(std::env::vars_os().map(|(name, _)| name)) {
            command.env_remove(name);
        }
        command.envs(FIXED);
        if let Some(git_dir) = &self.place.git_dir {
            command.env("GIT_DIR", git_dir);
        }
        if let Some(work_tree) = &self.place.work_tree {
            command.env("GIT_WORK_TREE", work_tree);
        }
        let overrides = OVERRIDES
            .iter()
            .map(|&(key, value)| (key, value))
            .chain(self.place.overrides.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let mut count = 0_usize;
        for (key, value) in overrides {
            command.env(format!("GIT_CONFIG_KEY_{count}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let lock = || self.lock.map(File::try_clone).transpose();
        if self.input.is_some() {
            command.stdin(Stdio::piped());
            command.stdout(lock()?.map_or_else(Stdio::piped, Stdio::from));
        } else {
            command.stdin(lock()?.map_or_else(Stdio::null, Stdio::from));
            command.stdout(Stdio::piped());
        }
        command.stderr(Stdio::piped()).process_group(0);
        Ok(command)
    }
}

impl Answer {
    /// The answer as an error.
    pub(crate) fn refused(self, call: &str) -> GitError {
        GitError::Failed { call: call.to_owned(), code: self.code, complaint: self.complaint }
    }

    /// The output as one trimmed line of text.
    pub(crate) fn line(&self, call: &str) -> Result<String, GitError> {
        line_of(&self.stdout).ok_or_else(|| unexpected(call, &self.stdout))
    }
}

/// Set once the program was found young enough: a process asks once, and every later call would say what is wrong.
static YOUNG_ENOUGH: OnceLock<()> = OnceLock::new();

/// Checks once in a process that the program is there and young enough.
pub(crate) fn check_version(folder: &Path) -> Result<(), GitError> {
    if YOUNG_ENOUGH.get().is_none() {
        check_program(folder)?;
        YOUNG_ENOUGH.get_or_init(|| ());
    }
    Ok(())
}

/// Checks that the program is there and young enough, and gives what it says of itself.
///
/// # Errors
/// [`GitError::NotStarted`], [`GitError::TooOld`], and what the call itself may end with.
pub fn check_program(folder: &Path) -> Result<String, GitError> {
    let found = Place::discover(folder).git("version").line()?;
    let mut numbers = found
        .split_ascii_whitespace()
        .nth(2)
        .unwrap_or_default()
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST { Err(GitError::TooOld { found }) } else { Ok(found) }
}

/// The error for an answer that cannot be read.
pub(crate) fn unexpected(call: &str, answer: &[u8]) -> GitError {
    let start = &answer[..answer.len().min(200)];
    GitError::Answer { call: call.to_owned(), answer: String::from_utf8_lossy(start).into_owned() }
}

fn line_of(stdout: &[u8]) -> Option<String> {
    std::str::from_utf8(stdout).ok().map(|text| text.trim_end_matches('\n').to_owned())
}

/// The variables among `names` that could steer git.
fn unwanted(names: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    names.filter(|name| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"GIT_") && !KEPT.iter().any(|kept| kept.as_bytes() == name)
    })
}

/// Feeds the child, reads what it says, and waits until it is gone.
fn talk(child: &mut Child, input: Option<&[u8]>, call: &str) -> Result<Answer, GitError> {
    let pipe = |source| GitError::Pipe { call: call.to_owned(), source };
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A child that stops reading says why by its exit status.
            scope.spawn(move || stdin.write_all(input).ok());
        }
        let stdout = stdout.map(|stdout| scope.spawn(move || read_up_to(stdout, OUTPUT_LIMIT)));
        let stderr = stderr.map(|stderr| scope.spawn(move || read_up_to(stderr, COMPLAINT_LIMIT)));
        let in_time = wait_until_gone(child, TIME_LIMIT);
        let status = child.wait().map_err(pipe)?;
        let (stdout, whole) = taken(stdout).map_err(pipe)?;
        let (stderr, _) = taken(stderr).map_err(pipe)?;
        if !in_time.map_err(pipe)? {
            return Err(GitError::TimeLimit { call: call.to_owned(), limit_ms: TIME_LIMIT.as_millis() });
        }
        if !whole {
            return Err(GitError::OutputLimit { call: call.to_owned(), limit_bytes: OUTPUT_LIMIT });
        }
        let complaint = String::from_utf8_lossy(&stderr).trim().to_owned();
        Ok(Answer { code: status.code().unwrap_or(-1), stdout, complaint })
    })
}

/// What was read of a pipe, and whether that was all.
type Pipe = std::io::Result<(Vec<u8>, bool)>;

/// What a reader of a pipe gave; nothing where there was no pipe.
fn taken(reader: Option<ScopedJoinHandle<'_, Pipe>>) -> Pipe {
    reader.map_or(Ok((Vec::new(), true)), |reader| {
        reader.join().unwrap_or_else(|_| Err(std::io::Error::other("the reader of a pipe panicked")))
    })
}

/// Waits for the child's end, at most `limit`; then ends its whole process group. Whether it ended by itself.
fn wait_until_gone(child: &Child, limit: Duration) -> std::io::Result<bool> {
    let pid = Pid::from_child(child);
    let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = std::time::Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match rustix::event::poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&left)) {
            Ok(0) => {
                rustix::process::kill_process_group(pid, Signal::KILL)?;
                return Ok(false);
            }
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The first `limit` bytes, and whether that was all. The rest is read and dropped, so that the writer can end.
fn read_up_to(mut pipe: impl Read, limit: u64) -> Pipe {
    let mut bytes = Vec::new();
    pipe.by_ref().take(limit).read_to_end(&mut bytes)?;
    let rest = std::io::copy(&mut pipe, &mut std::io::sink())?;
    Ok((bytes, rest == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_steer_git_are_removed_and_those_that_only_configure_it_stay() {
        let names = ["GIT_DIR", "GIT_INDEX_FILE", "GIT_CONFIG_GLOBAL", "PATH", "GIT_CONFIG_COUNT", "GIT_SSH"];
        let removed: Vec<_> = unwanted(names.iter().map(OsString::from)).collect();
        assert_eq!(removed, ["GIT_DIR", "GIT_INDEX_FILE", "GIT_CONFIG_COUNT", "GIT_SSH"]);
    }

    #[test]
    fn a_child_that_outlives_its_limit_is_ended() {
        let child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let mut child = child;
        assert!(!wait_until_gone(&child, Duration::from_millis(1)).unwrap());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn output_beyond_a_limit_is_noticed() {
        assert_eq!(read_up_to(&b"abc"[..], 3).unwrap(), (b"abc".to_vec(), true));
        assert_eq!(read_up_to(&b"abcd"[..], 3).unwrap(), (b"abc".to_vec(), false));
    }
}
