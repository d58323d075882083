//! Holders as transient units of a real user manager. Run with `--features user-manager-tests` where the session bus has
//! one: in a login session, or under a `systemd --user` of one's own.

#![expect(clippy::unwrap_used, reason = "some parts of these tests are no test functions")]

mod support;

use std::fs;

use support::{
    Place, finish, gate, holder_program, is_alive, lines_of, new_id, open_gate, permit, printed_pids, until,
    until_line,
};
use windlass_domain::child::{ChildEnd, ChildSpec, EndedBecause};
use windlass_domain::id::{Epoch, HoldId};
use windlass_process::{Following, Hold, HoldOutcome, Launcher, LostBecause, SpoolCursor};

async fn launcher() -> Launcher {
    let connection = zbus::Connection::session().await.expect("these tests need a session bus");
    let launcher = Launcher::detect(Some(&connection), holder_program(), Vec::new()).await;
    assert!(
        matches!(launcher, Launcher::TransientUnit { .. }),
        "these tests need a user manager on the session bus"
    );
    launcher
}

async fn start(place: &Place, hold_id: HoldId, spec: &ChildSpec) -> Following {
    let hold = Hold::prepare(&place.holds(), hold_id, spec).unwrap();
    let permit = permit(&spec.argv);
    hold.attach_or_start(&permit, &launcher().await, Epoch(1), SpoolCursor::default()).await.unwrap()
}

/// Asks the manager itself, in another way than the code under test does.
fn systemctl(arguments: &[&str]) -> String {
    let output = std::process::Command::new("systemctl").arg("--user").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn unit(hold_id: HoldId) -> String {
    format!("windlass-hold-{hold_id}.service")
}

#[tokio::test]
async fn a_hold_is_a_unit_in_the_slice_of_all_runs() {
    let place = Place::new();
    gate(&place.path("gate"));
    let mut spec = place
        .script("grep -o 'windlass-[^:]*$' /proc/self/cgroup | sort -u; echo ready; read go < gate; exit 5");
    spec.limits.time_ms = 1_234_000;
    spec.limits.grace_ms = 1_000;
    let mut following = start(&place, new_id(), &spec).await;
    let text = until_line(&mut following, "ready").await;
    let unit = unit(following.id());
    assert_eq!(text, format!("windlass-runs.slice/{unit}\nready\n"));
    let shown = systemctl(&[
        "show",
        &unit,
        "-p",
        "Type,KillMode,RuntimeMaxUSec,CollectMode,OOMPolicy,Slice,TimeoutStopUSec",
    ]);
    for expected in [
        "Type=exec",
        "KillMode=mixed",
        "RuntimeMaxUSec=21min 35s",
        "CollectMode=inactive-or-failed",
        "OOMPolicy=continue",
        "Slice=windlass-runs.slice",
        "TimeoutStopUSec=1min 1s",
    ] {
        assert!(shown.lines().any(|line| line == expected), "{expected} is not in {shown}");
    }
    open_gate(place.path("gate")).await;
    assert_eq!(finish(&mut following).await.exit().end, ChildEnd::Exited { code: 5 });
}

#[tokio::test]
async fn a_second_start_of_a_unit_finds_the_first() {
    let place = Place::new();
    gate(&place.path("gate"));
    let spec = place.script("echo x >> started; echo ready; read go < gate");
    let hold_id = new_id();
    let (mut first, mut second) = tokio::join!(start(&place, hold_id, &spec), start(&place, hold_id, &spec));
    until_line(&mut first, "ready").await;
    until_line(&mut second, "ready").await;
    open_gate(place.path("gate")).await;
    for following in [&mut first, &mut second] {
        assert_eq!(finish(following).await.exit().end, ChildEnd::Exited { code: 0 });
    }
    assert_eq!(lines_of(&place.path("started")), 1);
}

#[tokio::test]
async fn one_connection_serves_many_holds() {
    let place = Place::new();
    let launcher = launcher().await;
    for code in [1, 2, 3] {
        let spec = place.script(&format!("exit {code}"));
        let hold = Hold::prepare(&place.holds(), new_id(), &spec).unwrap();
        let started = hold
            .attach_or_start(&permit(&spec.argv), &launcher, Epoch(1), SpoolCursor::default())
            .await
            .unwrap();
        assert_eq!(finish(&mut { started }).await.exit().end, ChildEnd::Exited { code });
    }
}

#[tokio::test]
async fn the_cgroup_holds_what_hides_from_its_killed_holder() {
    let place = Place::new();
    // Without a mark, in a session of its own, with no relative that has a mark: nobody but the cgroup knows it.
    let script = "setsid env -i setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 1000; done' & exec sleep 1000";
    let mut following = start(&place, new_id(), &place.script(script)).await;
    let text = until(&mut following, |text| text.ends_with('\n')).await;
    let pid = printed_pids(&text)[0];
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(!environment.contains("WINDLASS_HOLD_ID"), "{environment:?}");
    place.signal_holder(following.id(), "KILL");
    let seen = finish(&mut following).await;
    assert_eq!(seen.outcome, HoldOutcome::Lost { why: LostBecause::HolderGone { noted: None } });
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_stopped_unit_ends_its_child_gently_and_is_a_loss() {
    let place = Place::new();
    let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done";
    let mut following = start(&place, new_id(), &place.script(script)).await;
    until_line(&mut following, "ready").await;
    systemctl(&["stop", &unit(following.id())]);
    let seen = finish(&mut following).await;
    assert_eq!(seen.out(), "bye\n");
    assert!(matches!(seen.outcome, HoldOutcome::Lost { .. }), "a shutdown is no result");
}

#[tokio::test]
async fn a_unit_can_be_cancelled_and_sandboxed() {
    let place = Place::new();
    let mut following =
        start(&place, new_id(), &place.walled_script("echo ready; exec sleep 1000", &[], &[])).await;
    until_line(&mut following, "ready").await;
    following.end(EndedBecause::Cancelled).await.unwrap();
    assert_eq!(finish(&mut following).await.exit().end, ChildEnd::Ended { why: EndedBecause::Cancelled });
}

#[tokio::test]
async fn a_holder_that_never_claims_is_reported_with_its_unit() {
    let place = Place::new();
    let spec = place.script("true");
    let hold = Hold::prepare(&place.holds(), new_id(), &spec).unwrap();
    let Launcher::TransientUnit { connection, .. } = launcher().await else { panic!("it is one") };
    let useless = Launcher::TransientUnit { connection, program: "/bin/true".into(), args: Vec::new() };
    let refused = hold.attach_or_start(&permit(&spec.argv), &useless, Epoch(1), SpoolCursor::default()).await;
    let message = refused.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("windlass-hold-"), "{message}");
}
