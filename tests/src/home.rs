//! A home folder of its own with the XDG folders below it, and the real binary run inside it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use windlass_actors::{CHECKPOINT_EVERY, Config, Folders, Local, Recover, Runtime, StoreCheck};
use windlass_process::Launcher;

/// A home folder with nothing in it.
pub struct Home {
    folder: TempDir,
}

/// What a command printed and how it exited.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn of(command: &mut Command) -> Self {
        let program = command.get_program().to_owned();
        let output =
            command.output().unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as one JSON document.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document ({error}): {self:?}"))
    }

    /// The codes of the errors in a result document.
    #[must_use]
    pub fn error_codes(&self) -> Vec<String> {
        let errors = self.json()["errors"].clone();
        let codes = errors.as_array().cloned().unwrap_or_default();
        codes.iter().filter_map(|error| error["code"].as_str().map(str::to_owned)).collect()
    }

    /// This output, of a command that must have succeeded.
    ///
    /// # Panics
    /// It did not.
    #[expect(clippy::must_use_candidate, reason = "whoever only wants success has it")]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// A new one.
    ///
    /// # Panics
    /// No folder can be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("windlass-test-").expect("a temporary folder can be made");
        let home = Self { folder };
        for name in ["state", "config", "cache", "run"] {
            std::fs::create_dir(home.path().join(name)).expect("a folder can be made in a new one");
        }
        home
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of Windlass's state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path().join("state/windlass")
    }

    /// The folder of Windlass's configuration; made on first use.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        let folder = self.path().join("config/windlass");
        std::fs::create_dir_all(&folder).expect("a folder can be made in our own");
        folder
    }

    /// Lets checks run without a sandbox, by the user's policy of this home.
    ///
    /// # Panics
    /// The policy cannot be written.
    pub fn without_sandbox(&self) {
        let policy =
            windlass_policy::TEMPLATES[0].text.replace("sandbox = \"required\"", "sandbox = \"off\"");
        std::fs::write(self.config().join("policy.toml"), policy).expect("files can be written");
    }

    /// The variables that make this the home of a process. The toolchain of whoever runs the tests stays visible.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let at = |name: &str| self.path().join(name);
        vec![
            ("HOME", self.path().to_owned()),
            ("XDG_STATE_HOME", at("state")),
            ("XDG_CONFIG_HOME", at("config")),
            ("XDG_CACHE_HOME", at("cache")),
            ("XDG_RUNTIME_DIR", at("run")),
        ]
    }

    /// The real binary, in a folder, with this home and without a bus.
    #[must_use]
    pub fn windlass(&self, folder: &Path) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(folder).envs(self.environment()).stdin(Stdio::null());
        for name in [
            "DBUS_SESSION_BUS_ADDRESS",
            "WINDLASS_STATE_DIR",
            "WINDLASS_LOG",
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the binary to its end.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> Output {
        Output::of(self.windlass(folder).args(arguments))
    }

    /// A tree of actors inside the test, on this home's capsule.
    ///
    /// # Panics
    /// It does not start.
    pub async fn runtime(&self, recover: Recover) -> Runtime {
        self.runtime_with(recover, CHECKPOINT_EVERY).await
    }

    /// The same, where a run has a checkpoint after this time of work.
    ///
    /// # Panics
    /// It does not start.
    pub async fn runtime_with(&self, recover: Recover, checkpoint_every: Duration) -> Runtime {
        let at = |name: &str| self.path().join(name).join("windlass");
        let home = self.path().to_owned();
        let config = Config {
            folders: Folders::new(at("state"), at("cache"), at("config"), home),
            launcher: Launcher::Direct { program: binary(), args: vec!["holder".into()] },
            check: StoreCheck::new(binary(), vec!["check-store".into()]),
            recover,
            checkpoint_every,
        };
        windlass_actors::start(config)
            .await
            .unwrap_or_else(|error| panic!("the tree does not start: {error:?}"))
    }

    /// Ends a tree of this home, so that its capsule can be opened again in this process.
    ///
    /// # Panics
    /// Somebody reads it still.
    pub async fn end(&self, runtime: Runtime, control: Local) {
        drop(control);
        runtime.stop().await;
        assert!(
            windlass_capsule::wait_until_closed(&self.state().join("capsule"), LAST_READER),
            "a clone of its control is kept somewhere"
        );
    }
}

/// How long the last reader of an ended tree may take: it is in the middle of one short snapshot at most.
const LAST_READER: Duration = Duration::from_secs(60);

/// The `windlass` binary, which cargo builds beside the tests when the whole workspace is tested.
///
/// # Panics
/// It is not there.
#[must_use]
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own file");
    let folder = own.parent().expect("a file is in a folder");
    // Tests are in target/<profile>/deps, programs beside the binary.
    let folder = if folder.ends_with("deps") { folder.parent().expect("it is not the root") } else { folder };
    let binary = folder.join("windlass");
    assert!(
        binary.exists(),
        "{} is not built; test the whole workspace: cargo test --workspace",
        binary.display()
    );
    binary
}

/// Whether a program is on the PATH of whoever runs the tests.
#[must_use]
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(OsStr::new(name)).exists())
}
