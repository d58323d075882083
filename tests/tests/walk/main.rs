//! The whole walk from an empty home to a feature that is done, once for each way that a person or a program has: the command
//! line with its questions in a terminal, the command line with files, and `busctl` alone.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod busctl;
mod files;
mod terminal;

use windlass_tests::{Fingerprint, Repository};

/// A repository whose third line a fixer mends.
fn ship() -> Repository {
    let log = "# The ship's log\n\nThe anchr was dropped at dawn.\n";
    let fixers = "[[fixer]]\nname = \"spell\"\nargv = [\"sed\", \"-i\", \"s/anchr/anchor/\", \"log.md\"]\n";
    Repository::with(&[("log.md", log), (".windlass/checks.toml", fixers)])
}

/// The lines of the proposed change.
const CHANGE: &str = "\n-The anchr was dropped at dawn.\n+The anchor was dropped at dawn.\n";

/// The checkout is what it was: a person alone applies what is proposed.
fn assert_untouched(repository: &Repository, before: &Fingerprint) {
    assert_eq!(&repository.fingerprint(), before);
}
