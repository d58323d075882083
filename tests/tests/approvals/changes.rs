//! A policy that changes while the service lives: it holds at once, and a broken one widens nothing.

use serde_json::json;
use windlass_contract::control::Control as _;
use windlass_domain::run::event::PolicyVerdict;
use windlass_tests::{
    Gate, Home, PrivateBus, Repository, check_schema, follow, prepare, show, wait_until_gone,
};

use rustix::process::Signal;

use super::{decisions, ended_as, policy, submit, tools, two_checks};

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_became_narrower_between_two_attempts_holds_for_the_second() {
    let home = Home::new();
    let gate = Gate::new(&home);
    policy(&home, &tools("allow"));
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &gate.checks())]);
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = submit(&control, &repository, json!({})).await;
    let held = gate.meet();
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);
    policy(&home, &tools("deny"));
    let control = bus.control().await;
    // The check is held all the while: only the policy ends it.
    let events = follow(&control, run_id).await;
    drop(held);
    assert_eq!(ended_as(&show(&control, run_id).await), "policy_denied");
    let (allowed, denied) = (PolicyVerdict::Allow, PolicyVerdict::Deny);
    let rule = || "user/tools".to_owned();
    assert_eq!(decisions(&events), [(allowed, rule()), (denied, rule())]);
    assert_eq!(std::fs::read_dir(home.state().join("holds")).map_or(0, Iterator::count), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_is_required_between_two_attempts_ends_what_runs_without_one() {
    let home = Home::new();
    let gate = Gate::new(&home);
    policy(&home, &tools("allow"));
    // The base has a check whose result is kept for another time, under a key that says whether it ran in a sandbox.
    let known = "[[check]]\nname = \"known\"\nargv = [\"cat\", \"README.md\"]\n";
    let checks = format!("{known}{}", gate.checks());
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &checks)]);
    repository.write_all(&[("README.md", "# It is\n")]);
    repository.commit("second");
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = submit(&control, &repository, json!({"base": "HEAD~1"})).await;
    let held = gate.meet();
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);
    let required = std::fs::read_to_string(home.config().join("policy.toml")).unwrap();
    let required = required.replace("sandbox = \"off\"", "sandbox = \"required\"");
    std::fs::write(home.config().join("policy.toml"), required).unwrap();
    let control = bus.control().await;
    let events = follow(&control, run_id).await;
    drop(held);
    let run = show(&control, run_id).await;
    assert_eq!(ended_as(&run), "policy_denied", "{run:?}");
    assert!(run.row.summary.contains("must run in a sandbox"), "{run:?}");
    let withdrawn = (PolicyVerdict::Deny, "built-in/sandbox".to_owned());
    assert!(decisions(&events).contains(&withdrawn), "{events:?}");
    assert_eq!(std::fs::read_dir(home.state().join("holds")).map_or(0, Iterator::count), 0);
}

#[test]
fn a_changed_policy_holds_at_once_and_a_broken_one_never_widens() {
    let home = Home::new();
    let repository = two_checks();
    let bus = PrivateBus::start(&home);
    let run = |arguments: &[&str]| bus.run(&home, repository.path(), arguments);
    run(&["init"]).ok();
    run(&["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
    let verdict = || {
        let explain = ["policy", "explain", "--capability", "tool.run", "--subject", "make", "--json"];
        let told = run(&[&explain[..], &["--origin", "user"]].concat()).ok().json();
        check_schema(&told);
        (told["verdict"].as_str().unwrap().to_owned(), told["rule"].as_str().unwrap().to_owned())
    };
    let said = |verdict: &str, rule: &str| (verdict.to_owned(), rule.to_owned());
    assert_eq!(verdict(), said("allow", "built-in/run-checks"));
    policy(&home, &tools("deny"));
    assert_eq!(verdict(), said("deny", "user/tools"));
    policy(&home, "[[rule]]\nid = 3\n");
    let file = home.config().join("policy.toml").display().to_string();
    let submit = ["bot", "run", "--id", "T-1", "--kind", "review", "--goal", "g", "--accept", "a", "--json"];
    for arguments in [&submit[..], &["policy", "show", "--json"], &["policy", "check", "--json"]] {
        let refused = run(arguments);
        assert_eq!(
            (refused.code, refused.error_codes()),
            (10, vec!["bad_request".to_owned()]),
            "{arguments:?}"
        );
        let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("{file}:12:6: ")), "{message}");
    }
    policy(&home, &tools("ask"));
    assert_eq!(verdict(), said("ask", "user/tools"));
    assert_eq!(run(&["policy", "init", "--template", "strict", "--json"]).code, 10);
    std::fs::remove_file(&file).unwrap();
    run(&["policy", "init", "--template", "strict"]).ok();
    assert_eq!(verdict(), said("ask", "user/run-checks"));
}
