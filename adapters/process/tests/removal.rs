//! Cleaning up: what may be deleted, and what a sweep says of folders that nobody knows.

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::{Place, cancel, finish, new_id, until_line};
use windlass_domain::id::Epoch;
use windlass_process::{Hold, HoldError, LeftoverState, SpoolCursor, sweep};

#[tokio::test]
async fn an_ended_hold_is_removed_and_an_active_one_is_not() {
    let place = Place::new();
    let mut following = place.start(&place.script("echo ready; exec sleep 1000")).await;
    until_line(&mut following, "ready").await;
    let hold_id = following.id();
    let refused = Hold::open(&place.holds(), hold_id).unwrap().remove();
    assert!(matches!(refused, Err(HoldError::StillActive { .. })), "{refused:?}");
    assert!(place.folder(hold_id).join("claim").exists());
    cancel(&mut following).await;
    following.remove().unwrap();
    assert_eq!(fs::read_dir(place.holds()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_lost_hold_can_be_removed() {
    let place = Place::new();
    let mut following = place.start(&place.script("echo ready; exec sleep 1000")).await;
    until_line(&mut following, "ready").await;
    place.signal_holder(following.id(), "KILL");
    finish(&mut following).await;
    following.remove().unwrap();
    assert_eq!(fs::read_dir(place.holds()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_sweep_names_what_is_unknown_and_touches_nothing() {
    let place = Place::new();
    assert_eq!(sweep(&place.holds(), &BTreeSet::new()).unwrap(), [], "a missing folder has no leftovers");
    let prepare = || Hold::prepare(&place.holds(), new_id(), &place.script("true")).unwrap().id();
    let (known, never_claimed, damaged) = (prepare(), prepare(), prepare());
    fs::write(place.folder(damaged).join("exit"), "{").unwrap();
    let mut ended = place.start(&place.script("true")).await;
    finish(&mut ended).await;
    let mut active = place.start(&place.script("echo ready; exec sleep 1000")).await;
    until_line(&mut active, "ready").await;
    let mut lost = place.start(&place.script("echo ready; exec sleep 1000")).await;
    until_line(&mut lost, "ready").await;
    place.signal_holder(lost.id(), "KILL");
    finish(&mut lost).await;
    fs::create_dir(place.holds().join("notes")).unwrap();
    fs::create_dir(place.holds().join(format!(".removing-{}", new_id()))).unwrap();

    let found = sweep(&place.holds(), &BTreeSet::from([known])).unwrap();
    let state = |name: &str| {
        let path = place.holds().join(name);
        found.iter().find(|leftover| leftover.path == path).map(|leftover| leftover.state.clone())
    };
    assert_eq!(state(&known.to_string()), None);
    assert_eq!(
        state(&never_claimed.to_string()),
        Some(LeftoverState::NeverClaimed { hold_id: never_claimed })
    );
    assert_eq!(state(&ended.id().to_string()), Some(LeftoverState::Ended { hold_id: ended.id() }));
    assert_eq!(state(&active.id().to_string()), Some(LeftoverState::Active { hold_id: active.id() }));
    assert_eq!(state(&lost.id().to_string()), Some(LeftoverState::Lost { hold_id: lost.id() }));
    assert!(matches!(state("notes"), Some(LeftoverState::Foreign { .. })));
    assert!(matches!(state(&damaged.to_string()), Some(LeftoverState::Foreign { .. })));
    assert_eq!(found.len(), 6);
    assert_eq!(fs::read_dir(place.holds()).unwrap().count(), 7, "only the begun removal was finished");

    let mut active = place.attach(active.id(), Epoch(2).0, SpoolCursor::default()).await.unwrap();
    cancel(&mut active).await;
}
