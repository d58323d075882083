//! Files of every version that was ever written can still be read, and what is written today is the newest version.

#![expect(clippy::unwrap_used, reason = "some parts of these tests are no test functions")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use support::{Place, finish, launcher};
use windlass_domain::child::{ChildEnd, ChildLimits, ChildSpec, Sandbox, Walls};
use windlass_domain::digest::Json;
use windlass_domain::id::{Epoch, HoldId};
use windlass_domain::tool_call::ToolCall;
use windlass_process::{EXIT_FORMAT, Hold, HoldOutcome, LostBecause, SPEC_FORMAT, SpoolCursor};

const FIXTURE_ID: &str = "0192f0c1-7d5e-7a10-8000-00000000002a";

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/hold-v{version}"))
}

/// The fixture's folder as a hold of this machine.
fn take_over(place: &Place, version: u32, without: Option<&str>) -> HoldId {
    let hold_id = FIXTURE_ID.parse().unwrap();
    let folder = place.folder(hold_id);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    for name in ["spec.json", "claim", "exit", "out.000001"] {
        if without != Some(name) {
            fs::copy(fixture(version).join(name), folder.join(name)).unwrap();
        }
    }
    hold_id
}

fn spec_of_version_1() -> ChildSpec {
    ChildSpec {
        argv: vec!["cargo".to_owned(), "test".to_owned()],
        cwd: "/home/somebody/worktree".to_owned(),
        env: [("HOME", "/home/somebody/private"), ("LANG", "C.UTF-8")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        sandbox: Sandbox::Bwrap(Walls {
            readable: vec!["/home/somebody/worktree/.git".to_owned()],
            writable: vec!["/home/somebody/worktree".to_owned(), "/home/somebody/private".to_owned()],
        }),
        limits: ChildLimits { time_ms: 600_000, output_bytes: 1_000_000, grace_ms: 5_000 },
        call: None,
    }
}

fn spec_of_version_2() -> ChildSpec {
    let call = ToolCall {
        tool: "search".to_owned(),
        arguments: Json::of(&BTreeMap::from([("query", "anchors")])).unwrap(),
        keep_text: false,
        time_ms: 60_000,
    };
    ChildSpec { call: Some(call), ..spec_of_version_1() }
}

#[tokio::test]
async fn an_ended_hold_of_version_1_is_read() {
    let place = Place::new();
    let hold_id = take_over(&place, 1, None);
    let hold = Hold::open(&place.holds(), hold_id).unwrap();
    assert_eq!(hold.spec(), &spec_of_version_1());
    let attached = hold.attach(&launcher(), Epoch(1), SpoolCursor::default()).await.unwrap();
    let seen = finish(&mut attached.unwrap()).await;
    assert_eq!((seen.out(), seen.err()), ("out\n", "err\n"));
    assert_eq!(seen.lost, []);
    let exit = seen.exit();
    assert_eq!(exit.end, ChildEnd::Exited { code: 7 });
    assert_eq!((exit.version, exit.stdout_bytes, exit.stderr_bytes), (1, 4, 4));
}

#[tokio::test]
async fn a_claim_of_version_1_is_read() {
    let place = Place::new();
    let hold_id = take_over(&place, 1, Some("exit"));
    let hold = Hold::open(&place.holds(), hold_id).unwrap();
    let attached = hold.attach(&launcher(), Epoch(1), SpoolCursor::default()).await.unwrap();
    let seen = finish(&mut attached.unwrap()).await;
    assert_eq!(seen.outcome, HoldOutcome::Lost { why: LostBecause::OtherBoot });
    assert_eq!((seen.out(), seen.err()), ("out\n", "err\n"));
}

#[test]
fn a_spec_of_version_2_is_read() {
    let place = Place::new();
    let hold_id = FIXTURE_ID.parse().unwrap();
    let folder = place.folder(hold_id);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    fs::copy(fixture(2).join("spec.json"), folder.join("spec.json")).unwrap();
    assert_eq!(Hold::open(&place.holds(), hold_id).unwrap().spec(), &spec_of_version_2());
}

#[tokio::test]
async fn what_is_written_today_is_the_newest_kept_version() {
    let place = Place::new();
    let hold_id: HoldId = FIXTURE_ID.parse().unwrap();
    Hold::prepare(&place.holds(), hold_id, &spec_of_version_2()).unwrap();
    let json = |path: &Path| serde_json::from_slice::<serde_json::Value>(&fs::read(path).unwrap()).unwrap();
    assert_eq!(json(&place.folder(hold_id).join("spec.json")), json(&fixture(SPEC_FORMAT).join("spec.json")));

    let mut following = place.start(&place.script("echo out; exit 7")).await;
    finish(&mut following).await;
    let names = |value: &serde_json::Value| {
        let object = value.as_object().unwrap();
        object.iter().map(|(name, value)| (name.clone(), value.is_object())).collect::<Vec<_>>()
    };
    let folder = place.folder(following.id());
    for name in ["exit", "claim"] {
        assert_eq!(
            names(&json(&folder.join(name))),
            names(&json(&fixture(EXIT_FORMAT).join(name))),
            "{name}"
        );
    }
    let mut walled = place.start(&place.walled_script("true", &[], &[])).await;
    finish(&mut walled).await;
    let inside = place.folder(walled.id()).join("inside");
    assert_eq!(names(&json(&inside)), names(&json(&fixture(1).join("inside"))), "needs a working bwrap");
    let (written, kept) = (fs::read(folder.join("out.000001")).unwrap(), fixture(1).join("out.000001"));
    assert_eq!(written[..8], fs::read(kept).unwrap()[..8], "magic and version of the spool");
}
