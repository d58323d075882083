//! Questions that policy raises: they wait through every death of the service, and end as somebody, or nobody, answers.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use futures::TryStreamExt as _;
use rustix::process::Signal;
use serde_json::{Value, json};
use windlass_actors::Recover;
use windlass_capsule::{Class, LockText, Op, Options};
use windlass_contract::control::Control;
use windlass_contract::error::{ErrorCode, blocked_word};
use windlass_contract::request::{
    AnswerApproval, CancelRun, ListApprovals, PersonsAnswer, ResumeRun, VerifyCapsule, WatchRun,
};
use windlass_contract::view::RunView;
use windlass_domain::event::{Event, EventData};
use windlass_domain::id::{ApprovalId, RunId, Seq};
use windlass_domain::run::ShownPhase;
use windlass_domain::run::command::{Act, RunCommand};
use windlass_domain::run::event::{AttemptLoss, PolicyVerdict, RunEvent};
use windlass_domain::run::step::{BranchPath, StepKey, StepName};
use windlass_domain::time::Timestamp;
use windlass_tests::{
    Busctl, Gate, Home, PrivateBus, Repository, caller, check_schema, follow, prepare, review, show,
    wait_until_gone,
};

mod changes;

const READS_AND_WRITES: &str = "version = 1\nsandbox = \"off\"\n\
    [[rule]]\nid = \"read\"\ncapability = \"fs.read\"\nverdict = \"allow\"\n\
    [[rule]]\nid = \"write\"\ncapability = \"fs.write\"\nverdict = \"allow\"\n";

/// Writes the user's policy: reading and writing are allowed, and what else is given.
fn policy(home: &Home, more: &str) {
    std::fs::write(home.config().join("policy.toml"), format!("{READS_AND_WRITES}{more}")).unwrap();
}

fn tools(verdict: &str) -> String {
    format!("[[rule]]\nid = \"tools\"\ncapability = \"tool.run\"\nverdict = \"{verdict}\"\n")
}

/// A repository with two checks that end at once.
fn two_checks() -> Repository {
    let checks = "[[check]]\nname = \"one\"\nargv = [\"true\", \"1\"]\n[[check]]\nname = \"two\"\nargv = [\"true\", \"2\"]\n";
    Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", checks)])
}

async fn submit(control: &dyn Control, repository: &Repository, more: Value) -> RunId {
    let mut fields = json!({"headless": false});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    control.submit_run(caller(), review(repository, &fields)).await.unwrap().run_id
}

/// Follows a run from an event on until it asks once more; gives what it asks and where to go on.
async fn asks(control: &dyn Control, run_id: RunId, from: Seq) -> (String, Seq) {
    let mut watched = control.watch_run(WatchRun { run_id, from }).await.unwrap();
    loop {
        let event = watched.try_next().await.unwrap().expect("it asks before it ends");
        if let EventData::Run(RunEvent::ApprovalAsked { subject, .. }) = &event.data {
            return (subject.clone(), event.seq.next());
        }
    }
}

async fn answer(control: &dyn Control, run_id: RunId, answer: PersonsAnswer) -> RunView {
    let request = AnswerApproval { id: run_id.to_string(), answer };
    control.answer_approval(caller(), request).await.unwrap()
}

async fn open(control: &dyn Control) -> usize {
    control.list_approvals(ListApprovals::default()).await.unwrap().approvals.len()
}

fn count(events: &[Event], name: &str) -> usize {
    events.iter().filter(|event| event.data.type_name() == name).count()
}

fn ended_as(view: &RunView) -> &str {
    let ended = view.ended.as_ref().unwrap();
    blocked_word(&ended.outcome).unwrap_or_else(|| ended.outcome.status().word())
}

/// Verdict and rule of each decision about a tool.
fn decisions(events: &[Event]) -> Vec<(PolicyVerdict, String)> {
    let of = |event: &Event| match &event.data {
        EventData::Run(RunEvent::PolicyDecided(decision)) if decision.capability == "tool.run" => {
            Some((decision.verdict, decision.rule.clone()))
        }
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_outlives_the_service_and_is_answered_after_its_restart() {
    let home = Home::new();
    policy(&home, &tools("ask"));
    let repository = two_checks();
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = submit(&control, &repository, json!({})).await;
    let (subject, _) = asks(&control, run_id, Seq(1)).await;
    assert_eq!(subject, "true 1");
    let before = show(&control, run_id).await;
    assert_eq!(before.row.phase, Some(ShownPhase::WaitingApproval));
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);

    let control = bus.control().await;
    let after = show(&control, run_id).await;
    assert_eq!(after.waiting_for, before.waiting_for);
    assert_eq!(open(&control).await, 1);
    let answered = answer(&control, run_id, PersonsAnswer::Allow).await;
    let (second, _) = asks(&control, run_id, answered.last_seq).await;
    assert_eq!(second, "true 2");
    answer(&control, run_id, PersonsAnswer::Allow).await;
    let events = follow(&control, run_id).await;
    assert_eq!(ended_as(&show(&control, run_id).await), "succeeded");
    assert_eq!((count(&events, "approval.asked"), count(&events, "approval.answered")), (2, 2));
    let by = events.iter().find_map(|event| match &event.data {
        EventData::Run(RunEvent::ApprovalAnswered { door, .. }) => Some(*door),
        _ => None,
    });
    assert_eq!(by, Some(windlass_domain::run::request::Door::Dbus));
    assert_eq!(open(&control).await, 0);
    assert!(control.verify_capsule(VerifyCapsule::default()).await.unwrap().sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_given_while_nobody_drives_the_run_is_taken() {
    let home = Home::new();
    policy(&home, &format!("{}subjects = [\"true 1\"]\n{}", tools("ask"), allow_rest()));
    let repository = two_checks();
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = submit(&control, &repository, json!({})).await;
    asks(&control, run_id, Seq(1)).await;
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);
    // Without the bus: in a process of its own, which does not drive the run.
    let listed = home.run(repository.path(), &["approvals", "list", "--json"]).ok().json();
    check_schema(&listed);
    let id = listed["approvals"][0]["approval_id"].as_str().unwrap();
    let told = home.run(repository.path(), &["approvals", "answer", id, "--allow", "--json"]).ok().json();
    check_schema(&told);
    assert_eq!((&told["run_id"], &told["status"]), (&json!(run_id), &json!("running")));

    let control = bus.control().await;
    let events = follow(&control, run_id).await;
    assert_eq!(ended_as(&show(&control, run_id).await), "succeeded");
    assert_eq!(count(&events, "approval.asked"), 1);
}

/// A rule for the tools that no rule before speaks of.
fn allow_rest() -> String {
    "[[rule]]\nid = \"rest\"\ncapability = \"tool.run\"\nverdict = \"allow\"\n".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_and_denies_by_the_command_line() {
    let home = Home::new();
    policy(&home, &tools("ask"));
    let repository = two_checks();
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = submit(&control, &repository, json!({})).await;
    asks(&control, run_id, Seq(1)).await;
    let run = |arguments: &[&str]| bus.run(&home, repository.path(), arguments);
    let id = run_id.to_string();
    let shown = run(&["bot", "show", &id]).ok().stdout;
    let approval_id = show(&control, run_id).await.waiting_for.unwrap().approval_id;
    for expected in [
        "waiting_approval",
        "tool.run for `true 1` (user/tools)",
        &format!("windlass approvals answer {approval_id} --allow"),
    ] {
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
    let list = run(&["approvals", "list"]).ok().stdout;
    assert!(list.contains(&approval_id.to_string()) && list.contains("true 1"), "{list}");
    for wrong in [&["approvals", "answer", &id][..], &["approvals", "answer", &id, "--allow", "--deny"]] {
        assert_eq!(run(wrong).code, 10);
    }
    run(&["approvals", "answer", &id, "--deny"]).ok();
    follow(&control, run_id).await;
    let shown = run(&["bot", "show", &id, "--json"]).ok().json();
    assert_eq!(shown["blocked_reason"], "approval_denied");
    let late = run(&["approvals", "answer", &id, "--allow", "--json"]);
    assert_eq!((late.code, late.error_codes()), (10, vec!["unknown_approval".to_owned()]));
    assert_eq!(run(&["approvals", "list", "--json"]).ok().json()["approvals"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_may_answer_any_more_ends_the_run() {
    let home = Home::new();
    policy(&home, &format!("{}[limits]\napproval_time_ms = 0\n", tools("ask")));
    let repository = two_checks();
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = submit(&control, &repository, json!({})).await;
    let events = follow(&control, run_id).await;
    assert_eq!(ended_as(&show(&control, run_id).await), "approval_expired");
    assert_eq!((count(&events, "approval.asked"), count(&events, "approval.answered")), (1, 1));
    runtime.stop().await;
}

/// The question is asked by an attempt that the service never saw, with a time that has passed: as if the machine had been off.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_lapsed_while_the_service_was_gone_is_not_asked_again() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let checks = format!("{}[[check]]\nname = \"one\"\nargv = [\"true\", \"1\"]\n", gate.checks());
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", &checks)]);
    policy(&home, &format!("{}subjects = [\"true 1\"]\n{}", tools("ask"), allow_rest()));
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = submit(&control, &repository, json!({})).await;
    let held = gate.meet();
    wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);
    ask_in_the_past(&home, run_id);

    let control = bus.control().await;
    let late = AnswerApproval { id: run_id.to_string(), answer: PersonsAnswer::Allow };
    let refused = control.answer_approval(caller(), late).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::UnknownApproval, "{refused}");
    drop(held);
    let events = follow(&control, run_id).await;
    assert_eq!(ended_as(&show(&control, run_id).await), "approval_expired");
    assert_eq!((count(&events, "approval.asked"), count(&events, "approval.answered")), (1, 1));
}

fn ask_in_the_past(home: &Home, run_id: RunId) {
    let lock = LockText { pid: 1, host: String::new(), start: String::new(), version: String::new() };
    let folder = home.state().join("capsule");
    let opened =
        windlass_capsule::create_or_open(&folder, Options::default(), &lock, Box::new(|_, _| {})).unwrap();
    let (writer, reader) = opened;
    let epoch = reader.run(run_id).unwrap().unwrap().epoch.next();
    let start = RunCommand::StartAttempt {
        epoch,
        boot_id: "another".to_owned(),
        tool_version: "test".to_owned(),
        loss: AttemptLoss::ProcessGone,
    };
    let name = StepName::new(&BranchPath::default().child("head"), "check one");
    let act = Act::AskApproval {
        approval_id: ApprovalId::from_bytes([5; 16]),
        key: StepKey { name, occurrence: 0 },
        capability: "tool.run".to_owned(),
        subject: "true 1".to_owned(),
        rule: "user/tools".to_owned(),
        expires_at: Timestamp::from_millis(1),
    };
    let commands = vec![start, RunCommand::Act { epoch, act }];
    writer.write_blocking(Class::Durable, Op::Run { run_id, commands, blobs: Vec::new() }).unwrap();
    writer.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_run_can_be_cancelled_and_is_cancelled_after_a_restart_too() {
    let home = Home::new();
    policy(&home, &tools("ask"));
    let repository = two_checks();
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    for killed in [false, true] {
        let run_id = submit(&control, &repository, json!({})).await;
        asks(&control, run_id, Seq(1)).await;
        if killed {
            wait_until_gone(control.service_status().await.unwrap().pid, Signal::KILL);
            home.run(repository.path(), &["bot", "cancel", "--run", &run_id.to_string()]).ok();
        } else {
            let cancelled = control.cancel_run(caller(), CancelRun { run_id, reason: None }).await.unwrap();
            assert_eq!(cancelled.waiting_for, None);
        }
        let control = bus.control().await;
        let events = follow(&control, run_id).await;
        assert_eq!(ended_as(&show(&control, run_id).await), "cancelled", "killed: {killed}");
        assert_eq!((count(&events, "approval.asked"), open(&control).await), (1, 0));
    }
}

#[test]
fn a_headless_request_is_not_asked_and_allows_itself_what_policy_asks_about() {
    let home = Home::new();
    policy(&home, &tools("ask"));
    let repository = two_checks();
    let bus = PrivateBus::start(&home);
    let run = |arguments: &[&str]| bus.run(&home, repository.path(), arguments);
    run(&["init"]).ok();
    run(&["item", "add", "--type", "task", "--id", "T-1", "--title", "Look"]).ok();
    let start = [
        "bot", "run", "--id", "T-1", "--kind", "review", "--goal", "look", "--accept", "it is so", "--wait",
        "--json",
    ];
    let with = |more: &[&str]| run(&[&start[..], more].concat());
    let blocked = with(&[]);
    assert_eq!(blocked.code, 2, "{blocked:?}");
    assert_eq!(blocked.json()["blocked_reason"], "approval_denied");
    assert!(blocked.json()["summary"].as_str().unwrap().contains("--allow tool.run"), "{blocked:?}");

    let allowed = with(&["--allow", "tool.run"]);
    assert_eq!(allowed.code, 0, "{allowed:?}");
    let id = allowed.json()["run_id"].as_str().unwrap().to_owned();
    let page = run(&["capsule", "events", "--run", &id, "--json"]).ok().json();
    let events: Vec<Event> = serde_json::from_value(page["events"].clone()).unwrap();
    let granted = (PolicyVerdict::Allow, "request/allow:tool.run".to_owned());
    assert_eq!(decisions(&events), [granted.clone(), granted]);

    policy(&home, &tools("deny"));
    let denied = with(&["--allow", "tool.run"]);
    assert_eq!(denied.code, 0, "a check that is denied is not run: {denied:?}");
    let id = denied.json()["run_id"].as_str().unwrap().to_owned();
    let page = run(&["capsule", "events", "--run", &id, "--json"]).ok().json();
    let events: Vec<Event> = serde_json::from_value(page["events"].clone()).unwrap();
    let refused = (PolicyVerdict::Deny, "user/tools".to_owned());
    assert_eq!(decisions(&events), [refused.clone(), refused]);

    let asks_to_write = READS_AND_WRITES.replace(
        "id = \"write\"\ncapability = \"fs.write\"\nverdict = \"allow\"",
        "id = \"write\"\ncapability = \"fs.write\"\nverdict = \"ask\"",
    );
    std::fs::write(home.config().join("policy.toml"), asks_to_write).unwrap();
    let unasked = with(&["--write-mode", "worktree"]);
    assert_eq!((unasked.code, unasked.error_codes()), (11, vec!["needs_approval".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worktree_that_policy_asks_about_waits_for_a_person() {
    let home = Home::new();
    let asks_to_write = format!("{READS_AND_WRITES}{}", tools("allow")).replace(
        "capability = \"fs.write\"\nverdict = \"allow\"",
        "capability = \"fs.write\"\nverdict = \"ask\"",
    );
    std::fs::write(home.config().join("policy.toml"), asks_to_write).unwrap();
    let fixer = "[[fixer]]\nname = \"fix\"\nargv = [\"sh\", \"-c\", \"echo more >> README.md\"]\n";
    let repository = Repository::with(&[("README.md", "# It\n"), (".windlass/checks.toml", fixer)]);
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let run_id = submit(&control, &repository, json!({"write_mode": "worktree"})).await;
    let (subject, _) = asks(&control, run_id, Seq(1)).await;
    let view = answer(&control, run_id, PersonsAnswer::Allow).await;
    assert_eq!(Some(subject), view.worktree_path);
    let events = follow(&control, run_id).await;
    assert_eq!(ended_as(&show(&control, run_id).await), "succeeded");
    assert_eq!(count(&events, "approval.asked"), 1, "one yes holds for the folder");
    let unruled = |event: &&Event| matches!(&event.data, EventData::Run(RunEvent::PolicyDecided(decision)) if decision.rule.is_empty());
    assert_eq!(events.iter().filter(unruled).count(), 0);
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_gives_its_place_to_others() {
    let home = Home::new();
    policy(&home, &format!("{}subjects = [\"true 1\"]\n[limits]\nruns = 1\n", tools("ask")));
    let (first, second) = (two_checks(), Repository::with(&[("README.md", "# It\n")]));
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &first, &["T-1"]).await;
    prepare(&control, &second, &["T-1"]).await;
    let waits = submit(&control, &first, json!({})).await;
    asks(&control, waits, Seq(1)).await;
    let passes = submit(&control, &second, json!({})).await;
    follow(&control, passes).await;
    assert_eq!(ended_as(&show(&control, passes).await), "succeeded");
    // A run that waits counts as going on, and so keeps the service.
    runtime.activity().wait_for(|activity| activity.running == 1).await.unwrap();
    answer(&control, waits, PersonsAnswer::Allow).await;
    follow(&control, waits).await;
    assert_eq!(ended_as(&show(&control, waits).await), "succeeded");
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_run_is_continued_and_asks_anew() {
    let home = Home::new();
    policy(&home, &tools("ask"));
    let repository = two_checks();
    let runtime = home.runtime(Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let denied = submit(&control, &repository, json!({})).await;
    asks(&control, denied, Seq(1)).await;
    let answered = answer(&control, denied, PersonsAnswer::Allow).await;
    asks(&control, denied, answered.last_seq).await;
    answer(&control, denied, PersonsAnswer::Deny).await;
    follow(&control, denied).await;
    assert_eq!(ended_as(&show(&control, denied).await), "approval_denied");
    let resume = ResumeRun { run_id: denied, hold: false, step: None, headless: false, dedupe_key: None };
    let run_id = control.resume_run(caller(), resume).await.unwrap().run_id;
    // A person's word holds for the run in which it was given.
    let mut from = Seq(1);
    for subject in ["true 1", "true 2"] {
        let (asked, next) = asks(&control, run_id, from).await;
        assert_eq!(asked, subject);
        answer(&control, run_id, PersonsAnswer::Allow).await;
        from = next;
    }
    let events = follow(&control, run_id).await;
    assert_eq!(ended_as(&show(&control, run_id).await), "succeeded");
    let began = events.iter().filter_map(|event| match &event.data {
        EventData::Run(RunEvent::StepStarted(intent)) => Some(intent.key.to_string()),
        _ => None,
    });
    let checks: Vec<String> = began.filter(|key| key.contains("check ")).collect();
    assert_eq!(checks, ["head/check two#0"], "the first check was done before");
    runtime.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn busctl_alone_is_told_lists_and_answers() {
    let home = Home::new();
    policy(&home, &format!("{}subjects = [\"true 1\"]\n{}", tools("ask"), allow_rest()));
    let repository = two_checks();
    let bus = PrivateBus::start(&home);
    let control = bus.control().await;
    prepare(&control, &repository, &["T-1"]).await;
    let busctl = Busctl(&bus);
    let mut signals = busctl.monitor("type='signal',interface='dev.windlass.Manager1'");
    let run_id = submit(&control, &repository, json!({})).await;
    let told = signals.signal("ApprovalAsked");
    assert_eq!((&told[0], &told[2], &told[3]), (&json!(run_id), &json!("tool.run"), &json!("true 1")));
    let id = told[1].as_str().unwrap();
    let listed = busctl.call("ListApprovals", &["a{sv}", "0"]);
    assert_eq!(listed[0][0]["approval_id"], id);
    let answer = ["ssa{sv}", id, "allow", "0"];
    assert_eq!(busctl.call("AnswerApproval", &answer)[0]["run_id"], json!(run_id));
    assert_eq!(signals.signal("ApprovalAnswered"), json!([run_id, id, "approved"]));
    let refused = busctl.refused("AnswerApproval", &answer);
    assert!(refused.contains("approval"), "{refused}");
    follow(&control, run_id).await;
    assert_eq!(ended_as(&show(&control, run_id).await), "succeeded");
}
