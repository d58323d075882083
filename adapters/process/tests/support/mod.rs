//! What the tests of this crate share: a place for holds, a permit, a launcher, and ways to look at the outcome.
//!
//! Nothing here waits for time to pass. A test learns that its child has come somewhere by reading what it prints.

#![expect(dead_code, reason = "each test program uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "these are parts of tests, but no test functions")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use windlass_domain::child::{ChildLimits, ChildSpec, EndedBecause, OutputStream, Sandbox, Walls};
use windlass_domain::id::{Epoch, HoldId};
use windlass_policy::{CheckOrigin, Layer, LayerKind, Permit, Policy, RunTool};
use windlass_process::{
    ExitRecord, Following, Hold, HoldError, HoldOutcome, Launcher, LostTail, Progress, SpoolCursor,
    base_environment,
};

/// A path that any test may use: the machine's own tools.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A folder of its own for one test, with a folder of holds in it.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn holds(&self) -> PathBuf {
        self.dir.path().join("state/holds")
    }

    pub(crate) fn folder(&self, hold_id: HoldId) -> PathBuf {
        self.holds().join(hold_id.to_string())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An unsandboxed shell script with limits that no healthy test meets.
    pub(crate) fn script(&self, script: &str) -> ChildSpec {
        self.command(&["sh", "-c", script])
    }

    pub(crate) fn command(&self, argv: &[&str]) -> ChildSpec {
        ChildSpec {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: self.dir.path().to_str().unwrap().to_owned(),
            env: base_environment(self.dir.path(), self.dir.path(), PATH),
            sandbox: Sandbox::Off,
            limits: ChildLimits { time_ms: 600_000, output_bytes: 64 * 1024 * 1024, grace_ms: 600_000 },
            call: None,
        }
    }

    /// The same inside walls.
    pub(crate) fn walled_script(&self, script: &str, readable: &[&Path], writable: &[&Path]) -> ChildSpec {
        let text = |paths: &[&Path]| paths.iter().map(|path| path.to_str().unwrap().to_owned()).collect();
        let mut spec = self.script(script);
        spec.cwd = writable.first().map_or("/", |path| path.to_str().unwrap()).to_owned();
        spec.sandbox = Sandbox::Bwrap(Walls { readable: text(readable), writable: text(writable) });
        spec
    }

    /// Prepares and starts.
    pub(crate) async fn start(&self, spec: &ChildSpec) -> Following {
        let hold = Hold::prepare(&self.holds(), new_id(), spec).unwrap();
        attach_or_start(hold, Epoch(1), SpoolCursor::default()).await.unwrap()
    }

    /// Takes an existing hold up as a restarted service does.
    pub(crate) async fn attach(
        &self,
        hold_id: HoldId,
        epoch: u64,
        from: SpoolCursor,
    ) -> Result<Following, HoldError> {
        let hold = Hold::open(&self.holds(), hold_id)?;
        Ok(hold.attach(&launcher(), Epoch(epoch), from).await?.expect("it was claimed"))
    }

    /// Number and start time of the holder's process, from its claim.
    pub(crate) fn holder_pid(&self, hold_id: HoldId) -> i32 {
        let claim: serde_json::Value =
            serde_json::from_slice(&fs::read(self.folder(hold_id).join("claim")).unwrap()).unwrap();
        i32::try_from(claim["holder"]["pid"].as_i64().unwrap()).unwrap()
    }

    pub(crate) fn signal_holder(&self, hold_id: HoldId, signal: &str) {
        signal_process(self.holder_pid(hold_id), signal);
    }
}

/// An id that no other test uses, on the whole machine: what a dead holder left behind is found by it.
pub(crate) fn new_id() -> HoldId {
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let drawn = DRAWN.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&now.to_be_bytes()[8..]);
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[12..].copy_from_slice(&drawn.to_be_bytes()[4..]);
    HoldId::from_bytes(bytes)
}

pub(crate) fn holder_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_windlass-process-test-holder"))
}

pub(crate) fn launcher() -> Launcher {
    Launcher::Direct { program: holder_program(), args: Vec::new() }
}

/// A permit for this command line, from a policy that allows everything.
pub(crate) fn permit(argv: &[String]) -> Permit<RunTool> {
    let layer = Layer::parse(
        LayerKind::User,
        "test",
        "version = 1\n[[rule]]\nid = \"all\"\ncapability = \"tool.run\"\nverdict = \"allow\"\n",
    );
    let policy = Policy::merge(vec![layer.unwrap()], BTreeSet::new());
    policy.permit_tool(argv, CheckOrigin::User).unwrap()
}

pub(crate) async fn attach_or_start(
    hold: Hold,
    epoch: Epoch,
    from: SpoolCursor,
) -> Result<Following, HoldError> {
    let permit = permit(&hold.spec().argv);
    hold.attach_or_start(&permit, &launcher(), epoch, from).await
}

/// All that came out of a hold.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) lost: Vec<LostTail>,
    pub(crate) outcome: HoldOutcome,
}

impl Seen {
    pub(crate) fn exit(&self) -> &ExitRecord {
        match &self.outcome {
            HoldOutcome::Finished(exit) => exit,
            HoldOutcome::Lost { why } => panic!("lost: {why:?}"),
        }
    }

    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn err(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap()
    }
}

/// Follows to the end.
pub(crate) async fn finish(following: &mut Following) -> Seen {
    let (mut stdout, mut stderr, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match following.next().await.unwrap() {
            Progress::Output(batch) => {
                for record in batch.records {
                    match record.stream {
                        OutputStream::Stdout => stdout.extend(record.bytes),
                        OutputStream::Stderr => stderr.extend(record.bytes),
                    }
                }
                lost.extend(batch.lost_tail);
            }
            Progress::Ended(outcome) => return Seen { stdout, stderr, lost, outcome },
        }
    }
}

/// Follows until what the child has printed satisfies `enough`, and gives it.
pub(crate) async fn until(following: &mut Following, enough: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    loop {
        match following.next().await.unwrap() {
            Progress::Output(batch) => {
                for record in batch.records {
                    text.push_str(&String::from_utf8_lossy(&record.bytes));
                }
                if enough(&text) {
                    return text;
                }
            }
            Progress::Ended(outcome) => panic!("ended too early: {outcome:?}; {text}"),
        }
    }
}

/// Follows until the child has printed this line.
pub(crate) async fn until_line(following: &mut Following, line: &str) -> String {
    let line = format!("{line}\n");
    until(following, |text| text.ends_with(&line)).await
}

pub(crate) async fn cancel(following: &mut Following) -> Seen {
    following.end(EndedBecause::Cancelled).await.unwrap();
    finish(following).await
}

pub(crate) fn signal_process(pid: i32, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {signal} {pid}");
}

/// A named pipe: a child that reads it waits until the test opens the gate.
pub(crate) fn gate(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Lets the child that reads the gate go on. Waits until it reads.
pub(crate) async fn open_gate(path: PathBuf) {
    tokio::task::spawn_blocking(move || fs::write(path, "go\n").unwrap()).await.unwrap();
}

/// The numbers that the child printed as `pid <number>`.
pub(crate) fn printed_pids(text: &str) -> Vec<i32> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pid "))
        .map(|number| number.trim().parse().unwrap())
        .collect()
}

/// Whether a process with this number exists and has not ended. Numbers are not given out again so soon.
pub(crate) fn is_alive(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']));
    state == Some(false)
}

pub(crate) fn lines_of(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}
