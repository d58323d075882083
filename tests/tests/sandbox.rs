//! Where commands cannot be walled in: they are not run, the report says why and what mends it, and only a grant of the user's
//! lets them run without walls, which each command's record says.

use std::process::Command;

use serde_json::{Value, json};
use windlass_tests::{Home, Output, Repository, check_schema};

const CHECKS: &str = "[[check]]\nname = \"looks\"\nargv = [\"true\"]\n";

/// Hides the program, as on a machine that does not have it.
const WITHOUT_BWRAP: &str = r#"mount --bind /dev/null "$(command -v bwrap)"; exec "$@""#;

/// Takes the right to make namespaces away, as some kernels and containers do.
const WITHOUT_NAMESPACES: &str =
    r#"echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set -all --inh-caps -all "$@""#;

/// A review of the whole repository, in namespaces in which `script` was run first.
fn review(home: &Home, repository: &Repository, script: &str) -> Value {
    home.run(repository.path(), &["init"]).ok();
    home.run(repository.path(), &["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
    let windlass = home.windlass(repository.path());
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"]);
    inside.arg(windlass.get_program()).args(["bot", "run", "--id", "T-1", "--kind", "review", "--ephemeral"]);
    inside.args(["--goal", "look", "--accept", "it is so", "--json"]);
    inside.current_dir(repository.path());
    for (name, value) in windlass.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    let done = Output::of(&mut inside);
    assert_eq!(done.code, 0, "what cannot be checked changes no outcome: {done:?}");
    let uris = done.json()["artifact_uris"].as_array().cloned().unwrap_or_default();
    let uri = uris.iter().filter_map(Value::as_str).find(|uri| uri.ends_with("review/review_report.json"));
    let report = home
        .run(repository.path(), &["capsule", "get", uri.expect("a review leaves its report")])
        .ok()
        .json();
    check_schema(&report);
    report
}

#[test]
fn without_bwrap_a_check_is_not_run_and_the_mend_is_named() {
    let (home, repository) = (Home::new(), Repository::with(&[(".windlass/checks.toml", CHECKS)]));
    let report = review(&home, &repository, WITHOUT_BWRAP);
    let why = not_run(&report);
    assert!(why.contains("bubblewrap") && why.contains("install"), "{why}");
}

#[test]
fn without_namespaces_a_check_is_not_run_and_the_mend_is_named() {
    let (home, repository) = (Home::new(), Repository::with(&[(".windlass/checks.toml", CHECKS)]));
    let report = review(&home, &repository, WITHOUT_NAMESPACES);
    let why = not_run(&report);
    assert!(why.contains("sysctl user.max_user_namespaces"), "{why}");
}

#[test]
fn a_grant_lets_it_run_without_walls_and_its_record_says_so() {
    let (home, repository) = (Home::new(), Repository::with(&[(".windlass/checks.toml", CHECKS)]));
    home.without_sandbox();
    let report = review(&home, &repository, WITHOUT_BWRAP);
    let ran = &report["commands_ran"][0];
    assert_eq!((&ran["name"], &ran["sandboxed"]), (&json!("looks"), &json!(false)), "{report}");
    assert_eq!(ran["result"], json!({"kind": "exited", "code": 0}), "{ran}");
}

/// Why the one check was not run.
fn not_run(report: &Value) -> String {
    let ran = &report["commands_ran"][0];
    assert_eq!(ran["result"]["kind"], "not_run", "{report}");
    ran["result"]["why"].as_str().unwrap_or_default().to_owned()
}
