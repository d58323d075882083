//! A child under its holder: how it starts, prints, ends, and what is left of it.

#![expect(clippy::unwrap_used, reason = "some parts of these tests are no test functions")]

mod support;

use std::fs;
use std::path::Path;

use support::{
    Place, attach_or_start, cancel, finish, gate, is_alive, new_id, open_gate, printed_pids, until,
    until_line,
};
use windlass_domain::child::{ChildEnd, EndedBecause};
use windlass_domain::id::Epoch;
use windlass_process::{HOLD_ID_VARIABLE, Hold, HoldOutcome, LostBecause, SpoolCursor};

/// A script that starts a background child, sessions of their own and twice forked processes, which print their
/// numbers, and then does something itself.
fn with_descendants(before: &str, then: &str) -> String {
    format!(
        "{before}
         sleep 1000 & echo pid $!
         setsid sh -c 'echo pid $$; exec sleep 1000' &
         (sh -c 'echo pid $$; exec sleep 1000' &)
         (setsid sh -c 'sleep 1000 & echo pid $!; echo pid $$; wait' &)
         {then}"
    )
}

/// How many numbers it prints.
const DESCENDANTS: usize = 5;

async fn descendants(following: &mut windlass_process::Following) -> Vec<i32> {
    let text = until(following, |text| printed_pids(text).len() == DESCENDANTS && text.ends_with('\n')).await;
    let pids = printed_pids(&text);
    assert!(pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
    pids
}

fn assert_none_alive(pids: &[i32]) {
    assert_eq!(pids.iter().filter(|pid| is_alive(**pid)).count(), 0, "of {pids:?}");
}

#[tokio::test]
async fn output_comes_by_stream_with_the_exit_status_and_its_counts() {
    let place = Place::new();
    let mut following = place.start(&place.script("echo out; echo err >&2; printf more; exit 7")).await;
    let seen = finish(&mut following).await;
    assert_eq!((seen.out(), seen.err()), ("out\nmore", "err\n"));
    let exit = seen.exit();
    assert_eq!(exit.end, ChildEnd::Exited { code: 7 });
    assert_eq!((exit.stdout_bytes, exit.stderr_bytes), (8, 4));
    assert!(exit.started_boot_ms <= exit.ended_boot_ms);
    assert_eq!(seen.lost, []);
}

#[tokio::test]
async fn a_child_without_walls_has_the_given_environment_its_mark_and_nothing_else() {
    let place = Place::new();
    let mut spec = place.command(&["env"]);
    spec.env.insert("TOKEN".to_owned(), "a b\nc=d".to_owned());
    // The holder itself has more, as it would in a unit.
    let hold = Hold::prepare(&place.holds(), new_id(), &spec).unwrap();
    let mut holder = std::process::Command::new(support::holder_program());
    assert!(holder.arg(place.folder(hold.id())).env("HOLDERS_OWN", "x").status().unwrap().success());
    let mut following = attach_or_start(hold, Epoch(1), SpoolCursor::default()).await.unwrap();
    let mut expected: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    expected.push(format!("{HOLD_ID_VARIABLE}={}", following.id()));
    let seen = finish(&mut following).await;
    let mut found: Vec<&str> = seen.out().trim_end().split('\n').collect();
    let expected = expected.join("\n");
    let mut expected: Vec<&str> = expected.split('\n').collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_holder_works_where_the_leader_of_its_session_is_outside_the_pid_namespace() {
    let place = Place::new();
    let hold = Hold::prepare(&place.holds(), new_id(), &place.script("echo inside")).unwrap();
    let mut holder = std::process::Command::new("unshare");
    holder.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]);
    holder.arg(support::holder_program()).arg(place.folder(hold.id()));
    assert!(holder.status().unwrap().success());
    let mut following = attach_or_start(hold, Epoch(1), SpoolCursor::default()).await.unwrap();
    assert_eq!(finish(&mut following).await.out(), "inside\n");
}

#[tokio::test]
async fn a_child_has_no_input_no_terminal_and_its_own_folder() {
    let place = Place::new();
    let script = "cat; pwd; if (: < /dev/tty) 2>/dev/null; then echo terminal; fi; ps -o pgid= -p $$ | tr -d ' '; echo $$";
    let mut following = place.start(&place.script(script)).await;
    let seen = finish(&mut following).await;
    let lines: Vec<&str> = seen.out().lines().collect();
    assert_eq!(lines[0], fs::canonicalize(place.dir.path()).unwrap().to_str().unwrap());
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1], lines[2], "it leads its process group");
}

#[tokio::test]
async fn a_signal_of_somebody_else_is_reported_as_such() {
    let place = Place::new();
    let mut following = place.start(&place.script("kill -s KILL $$")).await;
    assert_eq!(finish(&mut following).await.exit().end, ChildEnd::Signalled { signal: 9 });
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let place = Place::new();
    fs::write(place.path("plain"), "text").unwrap();
    let plain = place.path("plain");
    let mut nowhere = place.script("true");
    nowhere.cwd = "/no/such/folder".to_owned();
    for (spec, expected) in [
        (place.command(&["no-such-program"]), "no such program: no-such-program"),
        (place.command(&[plain.to_str().unwrap()]), "Permission denied"),
        (nowhere, "no such folder: /no/such/folder"),
        (place.command(&[]), "the command line is empty"),
    ] {
        let mut following = place.start(&spec).await;
        match &finish(&mut following).await.exit().end {
            ChildEnd::NotStarted { reason } => assert!(reason.contains(expected), "{reason:?}"),
            other => panic!("{:?} gave {other:?}", spec.argv),
        }
    }
}

#[tokio::test]
async fn the_program_is_looked_up_in_the_given_path() {
    let place = Place::new();
    let tools = place.path("tools");
    fs::create_dir(&tools).unwrap();
    fs::copy(fs::canonicalize("/bin/echo").unwrap(), tools.join("only-here")).unwrap();
    let mut spec = place.command(&["only-here", "found"]);
    spec.env.insert("PATH".to_owned(), tools.to_str().unwrap().to_owned());
    let mut following = place.start(&spec).await;
    assert_eq!(finish(&mut following).await.out(), "found\n");
}

#[tokio::test]
async fn nothing_that_a_child_started_outlives_it() {
    let place = Place::new();
    gate(&place.path("gate"));
    let mut following = place.start(&place.script(&with_descendants("", "read go < gate; exit 3"))).await;
    let pids = descendants(&mut following).await;
    open_gate(place.path("gate")).await;
    let seen = finish(&mut following).await;
    assert_eq!(seen.exit().end, ChildEnd::Exited { code: 3 });
    assert_none_alive(&pids);
}

#[tokio::test]
async fn descendants_that_ignore_sigterm_are_killed() {
    let place = Place::new();
    let mut spec = place.script(&with_descendants("trap '' TERM", "while :; do sleep 1000; done"));
    spec.limits.grace_ms = 50;
    let mut following = place.start(&spec).await;
    let pids = descendants(&mut following).await;
    let seen = cancel(&mut following).await;
    assert_eq!(seen.exit().end, ChildEnd::Ended { why: EndedBecause::Cancelled });
    assert_none_alive(&pids);
}

#[tokio::test]
async fn a_child_that_forks_without_end_is_ended() {
    let place = Place::new();
    let script = "trap '' TERM; echo ready; while :; do (setsid sleep 1000 &) ; read x < /dev/null; done";
    let mut spec = place.script(script);
    spec.limits.grace_ms = 0;
    let mut following = place.start(&spec).await;
    until_line(&mut following, "ready").await;
    let marker = format!("{HOLD_ID_VARIABLE}={}", following.id());
    let seen = cancel(&mut following).await;
    assert_eq!(seen.exit().end, ChildEnd::Ended { why: EndedBecause::Cancelled });
    assert_eq!(marked(&marker), 0);
}

/// How many living processes carry this mark.
fn marked(marker: &str) -> usize {
    let environments = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("environ"));
    let has_mark = |path: &Path| {
        fs::read(path).is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|word| word == marker.as_bytes()))
    };
    environments.filter(|path| has_mark(path)).count()
}

#[tokio::test]
async fn a_child_is_asked_before_it_is_killed_and_its_last_words_are_kept() {
    let place = Place::new();
    // Its grace period outlasts the test, so it ends only if it was asked.
    let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done";
    let mut following = place.start(&place.script(script)).await;
    until_line(&mut following, "ready").await;
    let seen = cancel(&mut following).await;
    assert_eq!(seen.out(), "bye\n");
    assert_eq!(seen.exit().end, ChildEnd::Ended { why: EndedBecause::Cancelled });
}

#[tokio::test]
async fn a_stopped_child_is_ended_too() {
    let place = Place::new();
    let mut following = place.start(&place.script("echo ready; kill -s STOP $$; sleep 1000")).await;
    until_line(&mut following, "ready").await;
    let seen = cancel(&mut following).await;
    assert_eq!(seen.exit().end, ChildEnd::Ended { why: EndedBecause::Cancelled });
}

#[tokio::test]
async fn the_time_limit_ends_a_child() {
    let place = Place::new();
    let mut spec = place.script("sleep 1000");
    spec.limits.time_ms = 100;
    let mut following = place.start(&spec).await;
    let seen = finish(&mut following).await;
    assert_eq!(seen.exit().end, ChildEnd::Ended { why: EndedBecause::TimeLimit });
}

#[tokio::test]
async fn the_output_limit_ends_a_child_and_keeps_exactly_that_much() {
    let place = Place::new();
    let mut spec = place.script("yes out & yes err >&2");
    spec.limits.output_bytes = 3_000_001;
    let mut following = place.start(&spec).await;
    let seen = finish(&mut following).await;
    let exit = seen.exit();
    assert_eq!(exit.end, ChildEnd::Ended { why: EndedBecause::OutputLimit });
    assert_eq!(seen.stdout.len() + seen.stderr.len(), 3_000_001);
    assert_eq!((exit.stdout_bytes, exit.stderr_bytes), (seen.stdout.len() as u64, seen.stderr.len() as u64));
}

#[tokio::test]
async fn as_much_output_as_the_limit_is_not_too_much() {
    let place = Place::new();
    for (printed, expected) in [
        ("12345", ChildEnd::Exited { code: 0 }),
        ("123456", ChildEnd::Ended { why: EndedBecause::OutputLimit }),
    ] {
        let mut spec = place.command(&["printf", printed]);
        spec.limits.output_bytes = 5;
        let mut following = place.start(&spec).await;
        let seen = finish(&mut following).await;
        assert_eq!((seen.out(), &seen.exit().end), ("12345", &expected));
    }
}

#[tokio::test]
async fn output_in_the_pipe_at_the_end_is_not_lost() {
    let place = Place::new();
    // Many short children: each prints and is gone at once, so the output is found in the pipe of a dead process.
    for number in 0..40 {
        let mut following = place.start(&place.command(&["echo", &format!("line {number}")])).await;
        assert_eq!(finish(&mut following).await.out(), format!("line {number}\n"));
    }
}

#[tokio::test]
async fn a_holder_that_cannot_keep_output_ends_its_child_and_notes_why() {
    let place = Place::new();
    gate(&place.path("gate"));
    let script = with_descendants("trap '' TERM", "read go < gate; head -c 3000000 /dev/zero; sleep 1000");
    let mut following = place.start(&place.script(&script)).await;
    let pids = descendants(&mut following).await;
    // The spool's next segment cannot be created where something else is.
    fs::create_dir(place.folder(following.id()).join("out.000002")).unwrap();
    open_gate(place.path("gate")).await;
    let outcome = loop {
        match following.next().await {
            Ok(windlass_process::Progress::Output(_)) => {}
            Ok(windlass_process::Progress::Ended(outcome)) => break outcome,
            Err(error) => {
                // The obstacle is in the reader's way as well, once it has read what lies before it.
                assert!(error.to_string().contains("out.000002"), "{error}");
                fs::remove_dir(place.folder(following.id()).join("out.000002")).unwrap();
            }
        }
    };
    match outcome {
        HoldOutcome::Lost { why: LostBecause::HolderGone { noted: Some(noted) } } => {
            assert!(noted.contains("cannot keep the child's output"), "{noted}");
        }
        other => panic!("{other:?}"),
    }
    assert_none_alive(&pids);
}

#[tokio::test]
async fn a_folder_with_a_long_name_is_no_obstacle() {
    let place = Place::new();
    let holds = place.path(&["deep".repeat(30), "deeper".repeat(30)].join("/"));
    let hold = Hold::prepare(&holds, new_id(), &place.command(&["echo", "here"])).unwrap();
    let mut following = attach_or_start(hold, Epoch(1), SpoolCursor::default()).await.unwrap();
    assert_eq!(finish(&mut following).await.out(), "here\n");
}

#[tokio::test]
async fn what_a_holder_writes_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mut following = place.start(&place.command(&["echo", "secret"])).await;
    finish(&mut following).await;
    let folder = place.folder(following.id());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&place.holds()), 0o700);
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.len() >= 6, "{names:?}");
    for path in names {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}
