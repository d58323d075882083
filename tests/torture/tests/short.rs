//! What every change waits for: a short mix of faults that breaks nothing, and the controls, each of which must.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::process::Command;

/// Where the dice of the tests begin. `tests/torture/run` draws another one each time.
const SEED: &str = "20260101";

fn torture(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass-torture"));
    let output = command.args(["--seed", SEED]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

#[test]
fn a_short_mix_of_faults_breaks_nothing() {
    let (whole, said) = torture(&["--short", "--faults", "600"]);
    println!("{said}");
    assert!(whole, "{said}");
    for kind in ["point", "pair", "kill"] {
        let line = said.lines().find(|line| line.starts_with(&format!("{kind} ")));
        let injected =
            line.and_then(|line| line.split_whitespace().nth(2)).and_then(|word| word.parse().ok());
        assert!(injected.is_some_and(|injected: u64| injected > 0), "no fault of kind {kind}: {said}");
    }
}

#[test]
fn every_promise_that_is_broken_on_purpose_is_noticed() {
    let (noticed, said) = torture(&["--controls"]);
    println!("{said}");
    assert!(noticed, "{said}");
}
