//! Every refusal of the contract, provoked through the command line alone, through the command line on a bus, and over the bus:
//! its code, its exit, what it says and what to do next, and that nothing was changed.
//!
//! `docs/refusals.md` is written from what is seen here; `WINDLASS_UPDATE=1` writes it anew. That each hint in it is a command
//! that exists is checked where commands are parsed, in `cli/src/args/usage.rs`.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod asked;
mod machine;
mod page;
mod values;
mod world;

use windlass_contract::error::{ErrorBody, ErrorCode};
use windlass_tests::{Output, check_schema};

/// One refusal: which, with which exit, and how it is provoked.
struct Case {
    code: ErrorCode,
    exit: i32,
    typed: Typed,
}

/// What is typed, and where. Words in braces stand for what the world knows.
enum Typed {
    /// In a repository of the world that everything is in order for.
    Here(&'static str),
    /// In a repository that was never made known.
    InUnknown(&'static str),
    /// In a repository whose policy asks before a worktree is written.
    WhereAsked(&'static str),
    /// In a repository whose policy denies it.
    WhereDenied(&'static str),
    /// The machine must be brought into a state for it.
    OnMachine(fn() -> Vec<ErrorBody>),
}

/// How each code is provoked; a code without a line does not compile. The exit is that of the contract's table.
const fn case(code: ErrorCode) -> Case {
    use Typed::{Here, InUnknown, OnMachine, WhereAsked, WhereDenied};
    let (exit, typed) = match code {
        ErrorCode::BadRequest => (10, Here("item edit T-1 --priority p0")),
        ErrorCode::UnknownWorkspace => (10, InUnknown("item list")),
        ErrorCode::UnknownItem => (10, Here("bot run --id NONE --kind review --goal g --accept a")),
        ErrorCode::ItemNotEligible => (10, Here("bot run --id F-1 --kind review --goal g --accept a")),
        ErrorCode::IllegalMove => (10, Here("item move F-1 --to completed")),
        ErrorCode::MaieuticIncomplete => (10, Here("bot run --id T-3 --kind review")),
        ErrorCode::CaptureNone => {
            (10, Here("bot run --id T-3 --kind review --goal g --accept a --capture none"))
        }
        ErrorCode::AlreadyActive => (10, Here("bot run --id T-1 --kind review --goal g --accept a")),
        ErrorCode::DedupeConflict => {
            (10, Here("bot run --id T-3 --kind review --goal g --accept a --dedupe-key key"))
        }
        ErrorCode::UnknownRun => (10, Here("bot show {nobody}")),
        ErrorCode::RunEnded => (10, Here("bot cancel {ended}")),
        ErrorCode::UnknownProfile => {
            (10, Here("bot run --id T-3 --kind review --goal g --accept a --agent nobody"))
        }
        ErrorCode::UnknownArtifact => (10, Here("capsule get mv2://{nobody}/T-1/{nobody}/artifact/a.json")),
        ErrorCode::UnknownApproval => (10, Here("approvals answer {nobody} --allow")),
        ErrorCode::NeedsApproval => {
            (11, WhereAsked("bot run --id T-1 --kind review --goal g --accept a --write-mode worktree"))
        }
        ErrorCode::PolicyDenied => {
            (11, WhereDenied("bot run --id T-1 --kind review --goal g --accept a --write-mode worktree"))
        }
        ErrorCode::Io => (3, Here("capsule backup --out {folder}/file/saved")),
        ErrorCode::WouldPrompt => (13, OnMachine(machine::nobody_to_ask)),
        ErrorCode::BusUnavailable => (3, OnMachine(machine::no_bus)),
        ErrorCode::Overloaded => (3, OnMachine(machine::too_much_at_once)),
        ErrorCode::CapsuleLocked => (3, OnMachine(machine::another_writer)),
        ErrorCode::CapsuleDamaged => (3, OnMachine(machine::damaged)),
        ErrorCode::CapsuleNewer => (3, OnMachine(machine::newer)),
        ErrorCode::DiskFull => (3, OnMachine(machine::full_disk)),
    };
    Case { code, exit, typed }
}

impl Case {
    /// The errors of a command that was refused as it must be.
    fn of(&self, done: &Output) -> Vec<ErrorBody> {
        assert_eq!(self.exit, self.code.exit() as i32);
        refusal(done, self.code, self.exit)
    }

    /// Each error is of this code, says something, and names a next step.
    fn check(&self, errors: &[ErrorBody]) {
        check(self.code, errors);
    }
}

fn check(code: ErrorCode, errors: &[ErrorBody]) {
    assert!(!errors.is_empty(), "{code:?}");
    for error in errors {
        assert_eq!(error.code, code, "{error:?}");
        assert!(!error.message.is_empty() && !error.hints.is_empty(), "{error:?}");
    }
}

/// The errors of a command that was refused with this code and exit: one document, which standard error says as well.
fn refusal(done: &Output, code: ErrorCode, exit: i32) -> Vec<ErrorBody> {
    let document = done.json();
    check_schema(&document);
    assert_eq!((done.code, &document["exit_code"]), (exit, &exit.into()), "{done:?}");
    let errors: Vec<ErrorBody> = serde_json::from_value(document["errors"].clone()).unwrap();
    check(code, &errors);
    for error in errors.iter().filter(|error| !error.message.contains(char::is_control)) {
        assert!(done.stderr.contains(&error.message), "{done:?}");
        assert!(error.hints.iter().all(|hint| done.stderr.contains(&format!("try: {hint}\n"))), "{done:?}");
    }
    errors
}

#[test]
fn every_refusal_is_as_the_contract_says_through_every_door() {
    let mut seen = asked::provoke();
    for code in ErrorCode::ALL {
        if let Typed::OnMachine(provoke) = case(code).typed {
            seen.insert(code, provoke());
        }
    }
    assert_eq!(seen.len(), ErrorCode::ALL.len());
    page::check(&seen);
}
