//! Plants ten defects in a copy of a real repository, lets the real binary review them, and says what it found.
//!
//! `seeded --language rust|python|node [--preset P] [--windlass FILE] REPOSITORY`. The repository, a clone of any kind or a
//! plain folder of sources, is copied and not touched. Exit status 1: a defect was missed.
//! **Invariant:** what is planted is put together at run time; no source here holds a secret or a conflict.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a tool for those who work on Windlass; it ends where it cannot go on"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its table is its purpose")]

mod plant;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use plant::{Language, Planted};
use serde_json::Value;
use tempfile::TempDir;
use windlass_tests::Repository;

const USAGE: &str = "seeded --language rust|python|node [--preset P] [--windlass FILE] REPOSITORY";

/// What was asked for.
struct Asked {
    language: Language,
    preset: String,
    windlass: PathBuf,
    repository: PathBuf,
}

/// One finding of the report, as far as the table shows it.
struct Finding {
    file: String,
    line: u64,
    rule: String,
    message: String,
    origin: String,
}

fn main() -> ExitCode {
    let Some(asked) = asked() else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(10);
    };
    let repository = copy(&asked.repository);
    println!("{} at {}", asked.repository.display(), repository.git(&["rev-parse", "HEAD"]));
    repository.git(&["switch", "--quiet", "--create", "seeded"]);
    let planted = plant::plant(&repository, asked.language);
    repository.commit("planted defects");
    let started = Instant::now();
    let report = review(&asked, &repository);
    let took = started.elapsed();
    let missed = print(&planted, &findings(&report));
    for command in report["commands_ran"].as_array().into_iter().flatten() {
        let seconds = command["duration_ms"].as_u64().unwrap_or_default().div_ceil(1000);
        println!("ran {} on {}: {} in {seconds} s", command["name"], command["at"], command["result"]);
    }
    println!("{}\nreviewed in {} s", report["summary"].as_str().unwrap_or_default(), took.as_secs());
    ExitCode::from(u8::from(missed > 0))
}

fn asked() -> Option<Asked> {
    let (mut language, mut preset, mut windlass, mut repository) = (None, "standard".to_owned(), None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--language" => language = Language::named(&arguments.next()?),
            "--preset" => preset = arguments.next()?,
            "--windlass" => windlass = Some(PathBuf::from(arguments.next()?)),
            flag if flag.starts_with('-') => return None,
            path => repository = Some(std::path::absolute(path).ok()?),
        }
    }
    let windlass = windlass.unwrap_or_else(|| {
        let own = std::env::current_exe().expect("a program knows its own file");
        own.with_file_name("windlass")
    });
    assert!(windlass.exists(), "{} is not built; run `cargo build -p windlass`", windlass.display());
    Some(Asked { language: language?, preset, windlass, repository: repository? })
}

/// A copy with one branch, `main`: the checked-out commit of a repository, or one commit of a plain folder.
fn copy(from: &Path) -> Repository {
    let repository = Repository::unborn(&[]);
    let text = from.to_str().expect("the path is UTF-8");
    if repository.try_git(&["fetch", "--quiet", text, "HEAD"]).0 {
        repository.git(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    } else {
        let copied = Command::new("cp").args(["-a", "--", &format!("{text}/."), &repository.text()]).status();
        assert!(copied.is_ok_and(|status| status.success()), "{text} cannot be copied");
        repository.commit("as it is");
    }
    repository
}

/// Has the change reviewed, with folders of its own and the toolchain of whoever runs this, and gives the report.
fn review(asked: &Asked, repository: &Repository) -> Value {
    let folders = TempDir::with_prefix("windlass-seeded-").expect("a temporary folder can be made");
    let windlass = |arguments: &[&str]| {
        let mut command = Command::new(&asked.windlass);
        command.current_dir(repository.path()).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
        for name in ["STATE_HOME", "CONFIG_HOME", "CACHE_HOME", "RUNTIME_DIR"] {
            let folder = folders.path().join(name);
            std::fs::create_dir_all(&folder).expect("a folder can be made in our own");
            command.env(format!("XDG_{name}"), folder);
        }
        for name in ["DBUS_SESSION_BUS_ADDRESS", "WINDLASS_STATE_DIR", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
            command.env_remove(name);
        }
        let output = command.output().expect("the binary can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "windlass {arguments:?}: {}, {text}", output.status);
        text
    };
    windlass(&["init"]);
    windlass(&["item", "add", "--type", "task", "--id", "T-0001", "--title", "Planted defects"]);
    let result = windlass(&[
        "bot",
        "run",
        "--id",
        "T-0001",
        "--kind",
        "review",
        "--base",
        "main",
        "--preset",
        &asked.preset,
        "--ephemeral",
        "--json",
        "--goal",
        "Find what is wrong with this change",
        "--accept",
        "Each finding is real",
    ]);
    let result: Value = serde_json::from_str(&result).expect("the result is one JSON document");
    let uris = result["artifact_uris"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let uri = uris.into_iter().find(|uri| uri.ends_with("/review_report.json"));
    let uri = uri.unwrap_or_else(|| panic!("the review has no report: {result}"));
    serde_json::from_str(&windlass(&["capsule", "get", uri])).expect("the report is one JSON document")
}

fn findings(report: &Value) -> Vec<Finding> {
    let listed = ["must_fix", "suggestions"].into_iter().filter_map(|list| report[list].as_array());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let finding = |finding: &Value| Finding {
        file: text(&finding["file"]),
        line: finding["line"].as_u64().unwrap_or_default(),
        rule: text(&finding["rule"]),
        message: text(&finding["message"]),
        origin: text(&finding["origin"]),
    };
    listed.flatten().map(finding).collect()
}

/// Prints the tables, and gives how many defects were missed.
fn print(planted: &[Planted], findings: &[Finding]) -> usize {
    let mut missed = 0;
    let mut explained = vec![false; findings.len()];
    println!("\n| defect | planted at | found by |\n|---|---|---|");
    for defect in planted {
        let mut by = Vec::new();
        for (place, finding) in findings.iter().enumerate() {
            if defect.is_told_by(&finding.rule, &finding.file, finding.line) && finding.origin != "old" {
                explained[place] = true;
                by.push(format!("`{}` at {}:{}", finding.rule, finding.file, finding.line));
            }
        }
        missed += usize::from(by.is_empty());
        let by = if by.is_empty() { "MISSED".to_owned() } else { by.join(", ") };
        println!("| {} | {}:{} | {by} |", defect.what, defect.file, defect.lines.start());
    }
    println!("\n{} of {} found", planted.len() - missed, planted.len());
    let (mut again, mut strangers) = (Vec::new(), Vec::new());
    for (finding, _) in findings.iter().zip(&explained).filter(|(_, is_explained)| !**is_explained) {
        let at_planted = planted.iter().any(|defect| defect.covers(&finding.file, finding.line));
        match finding.origin.as_str() {
            "new" if at_planted => again.push(finding),
            "old" => {}
            _ => strangers.push(finding),
        }
    }
    let (new, unknown): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|finding| finding.origin == "new");
    list("more about planted lines", &again);
    list("new, and not planted: candidates for false positives", &new);
    list("of unknown origin", &unknown);
    missed
}

fn list(title: &str, findings: &[&Finding]) {
    println!("\n{title}: {}", findings.len());
    for finding in findings {
        println!("- `{}` at {}:{}: {}", finding.rule, finding.file, finding.line, finding.message);
    }
}
