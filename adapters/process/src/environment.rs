//! A child's environment, built from nothing.

use std::collections::BTreeMap;
use std::path::Path;

/// The variables that every child gets; the caller adds what its program needs.
///
/// Nothing is taken from the environment of the service: locale, time zone and terminal are fixed, so that the same
/// check prints the same on every machine. Paths that are not UTF-8 are written with replacement characters, because a
/// [`ChildSpec`](windlass_domain::child::ChildSpec) is text.
#[must_use]
pub fn base_environment(home: &Path, temporary: &Path, path: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("HOME".to_owned(), home.to_string_lossy().into_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("PATH".to_owned(), path.to_owned()),
        ("TERM".to_owned(), "dumb".to_owned()),
        ("TMPDIR".to_owned(), temporary.to_string_lossy().into_owned()),
        ("TZ".to_owned(), "UTC".to_owned()),
    ])
}
