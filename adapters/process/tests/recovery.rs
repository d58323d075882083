//! What a restarted service makes of what it finds: the table of `Hold`, broken on purpose at each place.

#![expect(clippy::unwrap_used, clippy::panic, reason = "some parts of these tests are no test functions")]

mod support;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use support::{
    Place, attach_or_start, cancel, finish, gate, holder_program, is_alive, launcher, lines_of, new_id,
    open_gate, permit, printed_pids, until, until_line,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use windlass_domain::child::{ChildEnd, EndedBecause};
use windlass_domain::id::{Epoch, HoldId};
use windlass_process::{
    FolderError, Hold, HoldError, HoldOutcome, Launcher, LostBecause, Progress, SPEC_FORMAT, Spool,
    SpoolCursor,
};

fn lost(outcome: &HoldOutcome) -> &LostBecause {
    match outcome {
        HoldOutcome::Lost { why } => why,
        HoldOutcome::Finished(exit) => panic!("finished: {exit:?}"),
    }
}

/// Writes a claim as a holder would have left it.
fn claim(place: &Place, hold_id: HoldId, boot_id: &str, pid: i32) {
    let claim = format!(r#"{{"version":1,"boot_id":"{boot_id}","holder":{{"pid":{pid},"start_ticks":1}}}}"#);
    fs::write(place.folder(hold_id).join("claim"), claim).unwrap();
}

/// A process that has nothing to do with any hold, and that no failing test leaves behind.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn this_boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

#[tokio::test]
async fn output_is_neither_lost_nor_doubled_by_a_reader_that_restarts_at_every_record() {
    let place = Place::new();
    gate(&place.path("gate"));
    let script = "seq 1 250000; read go < gate; seq 250001 500000; printf no-newline";
    let spec = place.script(script);
    let hold = Hold::prepare(&place.holds(), new_id(), &spec).unwrap();
    let hold_id = hold.id();
    let mut following = attach_or_start(hold, Epoch(1), SpoolCursor::default()).await.unwrap();
    let mut text = Vec::new();
    let mut restarts = 0;
    let mut opened = false;
    loop {
        let Progress::Output(batch) = following.next().await.unwrap() else { break };
        assert_eq!(batch.lost_tail, None);
        // Only the first record is taken; the rest of the batch is what a crash took away.
        let first = batch.records.into_iter().next().expect("a batch without a loss has records");
        text.extend(first.bytes);
        if !opened && text.ends_with(b"250000\n") {
            opened = true;
            open_gate(place.path("gate")).await;
        }
        restarts += 1;
        drop(following);
        following = place.attach(hold_id, restarts + 1, first.after).await.unwrap();
        following.discard_through(first.after).unwrap();
    }
    let expected: String =
        (1..=500_000).map(|number| format!("{number}\n")).chain(["no-newline".to_owned()]).collect();
    assert!(text == expected.as_bytes(), "{} bytes instead of {}", text.len(), expected.len());
    assert!(restarts >= 10, "{restarts}");
    assert!(!place.folder(hold_id).join("out.000001").exists(), "read segments are deleted");
}

#[tokio::test]
async fn a_second_start_finds_the_first_child_and_later_its_result() {
    let place = Place::new();
    gate(&place.path("gate"));
    let spec = place.script("echo x >> started; echo ready; read go < gate; exit 5");
    let hold_id = new_id();
    let prepare = || Hold::prepare(&place.holds(), hold_id, &spec).unwrap();
    let (first, second) = tokio::join!(
        attach_or_start(prepare(), Epoch(1), SpoolCursor::default()),
        attach_or_start(prepare(), Epoch(1), SpoolCursor::default()),
    );
    let (mut first, mut second) = (first.unwrap(), second.unwrap());
    until_line(&mut first, "ready").await;
    until_line(&mut second, "ready").await;
    open_gate(place.path("gate")).await;
    for following in [&mut first, &mut second] {
        assert_eq!(finish(following).await.exit().end, ChildEnd::Exited { code: 5 });
    }
    let mut third = attach_or_start(prepare(), Epoch(2), SpoolCursor::default()).await.unwrap();
    let seen = finish(&mut third).await;
    assert_eq!((seen.out(), &seen.exit().end), ("ready\n", &ChildEnd::Exited { code: 5 }));
    assert_eq!(lines_of(&place.path("started")), 1);
}

#[tokio::test]
async fn of_eight_holders_started_at_once_one_starts_the_child_and_answers() {
    for _round in 0..20 {
        let place = Place::new();
        gate(&place.path("gate"));
        let spec = place.script("echo x >> started; echo ready; read go < gate");
        let hold_id = Hold::prepare(&place.holds(), new_id(), &spec).unwrap().id();
        let start = || {
            Command::new(holder_program()).arg(place.folder(hold_id)).stderr(Stdio::null()).spawn().unwrap()
        };
        let mut holders: Vec<_> = (0..8).map(|_| start()).collect();
        let mut following =
            attach_or_start(Hold::open(&place.holds(), hold_id).unwrap(), Epoch(1), SpoolCursor::default())
                .await
                .unwrap();
        let winner = u32::try_from(place.holder_pid(hold_id)).unwrap();
        for holder in holders.iter_mut().filter(|holder| holder.id() != winner) {
            assert_eq!(holder.wait().unwrap().code(), Some(3), "it saw the claim");
        }
        // Only now: none of those that left may have taken the socket with it.
        drop(following);
        following = place.attach(hold_id, 2, SpoolCursor::default()).await.unwrap();
        until_line(&mut following, "ready").await;
        open_gate(place.path("gate")).await;
        assert_eq!(finish(&mut following).await.exit().end, ChildEnd::Exited { code: 0 });
        for holder in &mut holders {
            let code = holder.wait().unwrap().code();
            assert_eq!(code, Some(if holder.id() == winner { 0 } else { 3 }));
        }
        assert_eq!(lines_of(&place.path("started")), 1);
    }
}

#[tokio::test]
async fn a_killed_holder_is_a_loss_and_what_it_left_running_is_ended() {
    let place = Place::new();
    let script = "trap '' TERM
        sleep 1000 & echo pid $!
        setsid sh -c 'echo pid $$; exec sleep 1000' &
        (setsid sh -c 'sleep 1000 & echo pid $!; echo pid $$; wait' &)
        env -i sleep 1000 & echo pid $!
        (env -i sleep 1000 & echo pid $!)
        echo pid $$
        while :; do sleep 1000; done";
    let mut following = place.start(&place.script(script)).await;
    let text = until(&mut following, |text| printed_pids(text).len() == 7 && text.ends_with('\n')).await;
    let pids = printed_pids(&text);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    place.signal_holder(following.id(), "KILL");
    let seen = finish(&mut following).await;
    assert_eq!(lost(&seen.outcome), &LostBecause::HolderGone { noted: None });
    assert!(pids.iter().all(|pid| !is_alive(*pid)), "{pids:?}");
    assert_eq!(seen.lost, [], "what was written is there");
}

#[tokio::test]
async fn a_holder_killed_while_nobody_looked_is_a_loss_for_the_next_service() {
    let place = Place::new();
    let spec = place.script("echo x >> started; echo pid $$; exec sleep 1000");
    let mut following = place.start(&spec).await;
    let hold_id = following.id();
    let text = until(&mut following, |text| text.ends_with('\n')).await;
    drop(following);
    place.signal_holder(hold_id, "KILL");
    let hold = Hold::prepare(&place.holds(), hold_id, &spec).unwrap();
    let mut following = attach_or_start(hold, Epoch(2), SpoolCursor::default()).await.unwrap();
    let seen = finish(&mut following).await;
    assert_eq!(lost(&seen.outcome), &LostBecause::HolderGone { noted: None });
    assert_eq!(seen.out(), text, "its output is still there");
    assert!(!is_alive(printed_pids(&text)[0]));
    assert_eq!(lines_of(&place.path("started")), 1);
}

#[tokio::test]
async fn a_holder_that_is_told_to_leave_ends_its_child_gently_and_leaves_no_result() {
    let place = Place::new();
    let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done";
    let mut following = place.start(&place.script(script)).await;
    until_line(&mut following, "ready").await;
    place.signal_holder(following.id(), "TERM");
    let seen = finish(&mut following).await;
    assert_eq!(seen.out(), "bye\n");
    assert_eq!(lost(&seen.outcome), &LostBecause::HolderGone { noted: None });
}

#[test]
fn a_hold_outlives_the_service_its_terminal_and_a_hangup() {
    let place = Place::new();
    gate(&place.path("gate"));
    let spec = place.script("echo ready; read go < gate; echo done");
    let service = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = service();
    let hold_id = first.block_on(async {
        let mut following = place.start(&spec).await;
        until_line(&mut following, "ready").await;
        following.id()
    });
    drop(first);
    place.signal_holder(hold_id, "HUP");
    place.signal_holder(hold_id, "INT");
    service().block_on(async {
        let mut following = place.attach(hold_id, 2, SpoolCursor::default()).await.unwrap();
        open_gate(place.path("gate")).await;
        let seen = finish(&mut following).await;
        assert_eq!(seen.out(), "ready\ndone\n");
        assert_eq!(seen.exit().end, ChildEnd::Exited { code: 0 });
    });
}

#[tokio::test]
async fn a_holder_obeys_the_newest_attempt_only() {
    let place = Place::new();
    gate(&place.path("gate"));
    let mut old = place.start(&place.script("echo ready; read go < gate; exit 4")).await;
    until_line(&mut old, "ready").await;
    let mut new = place.attach(old.id(), 2, SpoolCursor::default()).await.unwrap();
    // Whether or not its connection is closed already, the old attempt's wish counts for nothing.
    let _ = old.end(EndedBecause::Cancelled).await;
    let refused = old.next().await;
    assert!(
        matches!(refused, Err(HoldError::Fenced { ours: Epoch(1), highest: Epoch(2), .. })),
        "{refused:?}"
    );
    let refused = place.attach(new.id(), 1, SpoolCursor::default()).await.map(|_| ());
    assert!(matches!(refused, Err(HoldError::Fenced { highest: Epoch(2), .. })), "{refused:?}");
    open_gate(place.path("gate")).await;
    assert_eq!(finish(&mut new).await.exit().end, ChildEnd::Exited { code: 4 });
}

#[tokio::test]
async fn the_sockets_language_is_answered_as_documented() {
    let place = Place::new();
    let mut following = place.start(&place.script("echo ready; exec sleep 1000")).await;
    until_line(&mut following, "ready").await;
    let socket = place.folder(following.id()).join("socket");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    for (hello, expected) in [
        (r#"{"version":1,"epoch":3}"#, r#"{"kind":"state","version":1,"spool_end":{"segment":1,"offset":"#),
        (r#"{"version":1,"epoch":2}"#, r#"{"kind":"refused","highest_epoch":3}"#),
        (r#"{"version":99,"epoch":9}"#, r#"{"kind":"unknown_version","version":1}"#),
    ] {
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        stream.write_all(format!("{hello}\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let answer = lines.next_line().await.unwrap().unwrap();
        assert!(answer.starts_with(expected), "{hello} gave {answer}");
        if !expected.contains("state") {
            assert_eq!(lines.next_line().await.unwrap(), None, "the connection ends");
        }
    }
    for nonsense in ["\n", "{}\n", "\u{0}\n"] {
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        stream.write_all(nonsense.as_bytes()).await.unwrap();
        assert_eq!(BufReader::new(stream).lines().next_line().await.unwrap(), None);
    }
    let mut newest = place.attach(following.id(), 4, SpoolCursor::default()).await.unwrap();
    assert_eq!(cancel(&mut newest).await.exit().end, ChildEnd::Ended { why: EndedBecause::Cancelled });
}

#[tokio::test]
async fn a_client_that_never_reads_holds_nobody_up() {
    let place = Place::new();
    gate(&place.path("gate"));
    let mut following = place.start(&place.script("echo ready; read go < gate; seq 1 200000")).await;
    until_line(&mut following, "ready").await;
    let socket = place.folder(following.id()).join("socket");
    let mut silent = Vec::new();
    for _ in 0..10 {
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        stream.write_all(b"{\"version\":1,\"epoch\":1}\n").await.unwrap();
        silent.push(stream);
    }
    open_gate(place.path("gate")).await;
    let seen = finish(&mut following).await;
    assert_eq!(seen.out().lines().count(), 200_000);
}

#[tokio::test]
async fn a_spool_that_is_shorter_than_the_cursor_is_a_loss_and_no_error() {
    let place = Place::new();
    let spec = place.script("seq 1 1000; echo ready; exec sleep 1000");
    let mut following = place.start(&spec).await;
    let hold_id = following.id();
    until_line(&mut following, "ready").await;
    place.signal_holder(hold_id, "KILL");
    finish(&mut following).await;
    let spool = Spool::new(&place.folder(hold_id));
    let end = spool
        .read(SpoolCursor::default(), windlass_process::Reach::Everything)
        .unwrap()
        .map(|batch| batch.next)
        .unwrap();
    let segment = fs::OpenOptions::new().write(true).open(place.folder(hold_id).join("out.000001")).unwrap();
    segment.set_len(end.offset - 100).unwrap();
    let mut following = place.attach(hold_id, 2, end).await.unwrap();
    let seen = finish(&mut following).await;
    assert!(seen.stdout.is_empty());
    assert_eq!(seen.lost.len(), 1);
    assert_eq!(seen.lost[0].expected_bytes, end.offset);
    assert_eq!(seen.lost[0].found_bytes, end.offset - 100);
    lost(&seen.outcome);
}

#[tokio::test]
async fn a_finished_hold_whose_spool_was_cut_gives_its_result_and_the_loss() {
    let place = Place::new();
    let mut following = place.start(&place.script("seq 1 1000")).await;
    let whole = finish(&mut following).await;
    let hold_id = following.id();
    let segment = fs::OpenOptions::new().write(true).open(place.folder(hold_id).join("out.000001")).unwrap();
    segment.set_len(whole.exit().spool_end.offset - 1).unwrap();
    let mut following = place.attach(hold_id, 2, SpoolCursor::default()).await.unwrap();
    let seen = finish(&mut following).await;
    assert_eq!(seen.exit(), whole.exit());
    assert_eq!(seen.lost.len(), 1);
    assert!(whole.stdout.starts_with(&seen.stdout) && seen.stdout.len() < whole.stdout.len());
}

#[tokio::test]
async fn a_claim_of_another_boot_is_a_loss_and_nothing_is_started() {
    let place = Place::new();
    let hold = Hold::prepare(&place.holds(), new_id(), &place.script("echo x >> started")).unwrap();
    // Its number is that of a living process of this boot, which has nothing to do with it.
    let mut bystander = Bystander::new();
    claim(&place, hold.id(), "00000000-0000-0000-0000-000000000000", bystander.pid());
    let mut following = attach_or_start(hold, Epoch(2), SpoolCursor::default()).await.unwrap();
    assert_eq!(lost(&finish(&mut following).await.outcome), &LostBecause::OtherBoot);
    assert_eq!(lines_of(&place.path("started")), 0);
    assert!(bystander.lives());
}

#[tokio::test]
async fn a_claim_whose_number_another_process_got_is_a_loss() {
    let place = Place::new();
    let hold = Hold::prepare(&place.holds(), new_id(), &place.script("echo x >> started")).unwrap();
    let mut bystander = Bystander::new();
    claim(&place, hold.id(), &this_boot(), bystander.pid());
    let mut following = attach_or_start(hold, Epoch(2), SpoolCursor::default()).await.unwrap();
    assert_eq!(lost(&finish(&mut following).await.outcome), &LostBecause::HolderGone { noted: None });
    assert_eq!(lines_of(&place.path("started")), 0);
    assert!(bystander.lives());
}

#[tokio::test]
async fn the_sandbox_that_a_dead_holder_wrote_down_is_ended_and_nothing_else() {
    for (later, expected_to_live) in [(0, false), (1, true)] {
        let place = Place::new();
        let hold = Hold::prepare(&place.holds(), new_id(), &place.script("true")).unwrap();
        let mut inside = Bystander::new();
        let stat = fs::read_to_string(format!("/proc/{}/stat", inside.pid())).unwrap();
        let start_ticks: u64 = stat.split(' ').nth(21).unwrap().parse().unwrap();
        let first = format!(r#"{{"pid":{},"start_ticks":{}}}"#, inside.pid(), start_ticks + later);
        fs::write(place.folder(hold.id()).join("inside"), format!(r#"{{"version":1,"first":{first}}}"#))
            .unwrap();
        claim(&place, hold.id(), &this_boot(), inside.pid());
        let mut following = attach_or_start(hold, Epoch(2), SpoolCursor::default()).await.unwrap();
        assert_eq!(lost(&finish(&mut following).await.outcome), &LostBecause::HolderGone { noted: None });
        assert_eq!(inside.lives(), expected_to_live);
    }
}

#[tokio::test]
async fn a_holder_that_died_before_its_claim_is_no_obstacle() {
    let place = Place::new();
    let hold = Hold::prepare(&place.holds(), new_id(), &place.script("echo x >> started")).unwrap();
    let folder = place.folder(hold.id());
    drop(UnixListener::bind(folder.join("socket")).unwrap());
    fs::write(folder.join("starting"), "").unwrap();
    fs::write(folder.join(".claim.1"), "{\"vers").unwrap();
    let hold_id = hold.id();
    assert!(hold.attach(&launcher(), Epoch(1), SpoolCursor::default()).await.unwrap().is_none());
    let hold = Hold::open(&place.holds(), hold_id).unwrap();
    let mut following = attach_or_start(hold, Epoch(2), SpoolCursor::default()).await.unwrap();
    assert_eq!(finish(&mut following).await.exit().end, ChildEnd::Exited { code: 0 });
    assert_eq!(lines_of(&place.path("started")), 1);
}

#[tokio::test]
async fn a_holder_that_never_claims_is_an_error_after_which_a_start_is_safe() {
    let place = Place::new();
    let spec = place.script("echo x >> started");
    let hold_id = new_id();
    let prepare = || Hold::prepare(&place.holds(), hold_id, &spec).unwrap();
    let permit = permit(&spec.argv);
    let useless = Launcher::Direct { program: "/bin/true".into(), args: Vec::new() };
    let failed =
        prepare().attach_or_start(&permit, &useless, Epoch(1), SpoolCursor::default()).await.map(|_| ());
    assert!(matches!(failed, Err(HoldError::NeverClaimed { .. })), "{failed:?}");
    let missing = Launcher::Direct { program: "/no/such/windlass".into(), args: Vec::new() };
    let failed =
        prepare().attach_or_start(&permit, &missing, Epoch(1), SpoolCursor::default()).await.map(|_| ());
    assert!(matches!(failed, Err(HoldError::Launch(_))), "{failed:?}");
    let mut following = attach_or_start(prepare(), Epoch(1), SpoolCursor::default()).await.unwrap();
    finish(&mut following).await;
    assert_eq!(lines_of(&place.path("started")), 1);
}

#[tokio::test]
async fn a_permit_for_another_command_line_starts_nothing() {
    let place = Place::new();
    let hold = Hold::prepare(&place.holds(), new_id(), &place.script("echo x >> started")).unwrap();
    let hold_id = hold.id();
    let other = permit(&["true".to_owned()]);
    let refused =
        hold.attach_or_start(&other, &launcher(), Epoch(1), SpoolCursor::default()).await.map(|_| ());
    assert!(matches!(refused, Err(HoldError::PermitForAnother { .. })), "{refused:?}");
    assert!(!place.folder(hold_id).join("claim").exists());
    assert_eq!(lines_of(&place.path("started")), 0);
}

#[tokio::test]
async fn one_id_is_for_one_start() {
    let place = Place::new();
    let hold_id = new_id();
    let spec = place.script("true");
    Hold::prepare(&place.holds(), hold_id, &spec).unwrap();
    Hold::prepare(&place.holds(), hold_id, &spec).unwrap();
    let differs = Hold::prepare(&place.holds(), hold_id, &place.script("false")).map(|_| ());
    assert!(matches!(differs, Err(HoldError::SpecDiffers { .. })), "{differs:?}");
    let unknown = Hold::open(&place.holds(), new_id()).map(|_| ());
    assert!(matches!(unknown, Err(HoldError::NotPrepared { .. })), "{unknown:?}");
}

#[tokio::test]
async fn a_folder_that_others_may_enter_is_refused_on_both_sides() {
    let place = Place::new();
    let hold = Hold::prepare(&place.holds(), new_id(), &place.script("echo x >> started")).unwrap();
    let folder = place.folder(hold.id());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
    let refused = Hold::open(&place.holds(), hold.id()).map(|_| ());
    assert!(
        matches!(refused, Err(HoldError::Folder(FolderError::Exposed { mode: 0o750, .. }))),
        "{refused:?}"
    );
    assert_eq!(Command::new(holder_program()).arg(&folder).status().unwrap().code(), Some(4));
    assert_eq!(lines_of(&place.path("started")), 0);
}

#[tokio::test]
async fn records_of_a_newer_version_are_refused_and_nothing_is_started() {
    let place = Place::new();
    let hold = Hold::prepare(&place.holds(), new_id(), &place.script("echo x >> started")).unwrap();
    let spec = place.folder(hold.id()).join("spec.json");
    let newer_format = SPEC_FORMAT + 1;
    let today = format!("\"version\":{SPEC_FORMAT}");
    let newer = fs::read_to_string(&spec).unwrap().replace(&today, &format!("\"version\":{newer_format}"));
    fs::write(&spec, newer).unwrap();
    let refused = Hold::open(&place.holds(), hold.id()).map(|_| ());
    assert!(
        matches!(refused, Err(HoldError::Folder(FolderError::Newer { found, known: SPEC_FORMAT, .. })) if found == newer_format),
        "{refused:?}"
    );
    assert_eq!(Command::new(holder_program()).arg(place.folder(hold.id())).status().unwrap().code(), Some(4));
    fs::write(&spec, "{\"version\":1,").unwrap();
    let damaged = Hold::open(&place.holds(), hold.id()).map(|_| ());
    assert!(matches!(damaged, Err(HoldError::Folder(FolderError::Damaged { .. }))), "{damaged:?}");
    assert_eq!(lines_of(&place.path("started")), 0);
}

#[tokio::test]
async fn a_holder_without_a_folder_leaves() {
    let place = Place::new();
    assert_eq!(Command::new(holder_program()).arg(place.path("nothing")).status().unwrap().code(), Some(4));
    let empty = place.path("empty");
    fs::DirBuilder::new().mode(0o700).create(&empty).unwrap();
    assert_eq!(Command::new(holder_program()).arg(&empty).status().unwrap().code(), Some(4));
}
