//! A home and a repository of its own for each test, and documents that are checked against their published schemas.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use windlass_contract::schema;

/// A home without a session bus, and a repository in it.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a command did.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// A new home with an empty repository.
    pub(crate) fn new() -> Self {
        let place = Self { folder: TempDir::with_prefix("windlass-door-").unwrap() };
        for name in ["state", "config", "cache", "run", "repository"] {
            std::fs::create_dir(place.path(name)).unwrap();
        }
        place.git(&["init", "--quiet", "--initial-branch=main"]);
        place.commit("README.md", "A repository.\n");
        place
    }

    /// A path inside the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// Writes a file and commits it.
    pub(crate) fn commit(&self, name: &str, text: &str) {
        std::fs::write(self.repository().join(name), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", name]);
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=Kim", "-c", "user.email=kim@example.org", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(self.repository())
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .status()
            .unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    /// The binary in the repository, with this home, without a bus and without a terminal.
    pub(crate) fn windlass(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command
            .current_dir(self.repository())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("USER", "kim")
            .env("TZ", "UTC")
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        finish(self.windlass().args(arguments))
    }

    /// The same, with text on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = self
            .windlass()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// Runs it with `--json` and gives the one document, which must fit its schema and say the exit code where it says one.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        let done = self.run(&with_json);
        (done.code, done.document())
    }

    /// Runs what must succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Done {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.stdout, done.stderr);
        done
    }
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Done {
    command.output().unwrap().into()
}

impl From<std::process::Output> for Done {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    /// Standard output as exactly one JSON document on one line that fits its published schema.
    pub(crate) fn document(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "one document: {}{}", self.stdout, self.stderr);
        let document: Value = serde_json::from_str(&self.stdout).unwrap();
        check_schema(&document);
        if let Some(code) = document.get("exit_code") {
            assert_eq!(code, self.code, "the document and the process must agree");
        }
        document
    }

    /// The codes of the document's errors.
    pub(crate) fn error_codes(&self) -> Vec<String> {
        let document = self.document();
        let errors = document["errors"].as_array().unwrap();
        errors.iter().map(|error| error["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// The document fits the published schema that its header names.
pub(crate) fn check_schema(document: &Value) {
    static SCHEMAS: OnceLock<BTreeMap<&str, jsonschema::Validator>> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| {
        let compiled = |schema: schemars::Schema| jsonschema::validator_for(schema.as_value()).unwrap();
        schema::schemas().into_iter().map(|(name, schema)| (name, compiled(schema))).collect()
    });
    let version = document["schema_version"].as_str().unwrap_or_else(|| panic!("no header: {document}"));
    assert!(document["tool_version"].as_str().unwrap().starts_with("windlass "));
    let name = version.split('@').next().unwrap();
    let schema = schemas.get(name).unwrap_or_else(|| panic!("{version} is not published"));
    let wrong: Vec<String> = schema.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{version}: {wrong:?} in {document}");
}

/// Writes a file below a folder and gives its path as text.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
