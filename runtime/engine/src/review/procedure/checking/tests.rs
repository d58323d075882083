//! What a command's end comes to in the report.

use std::collections::BTreeMap;

use windlass_contract::document::CommandResult;
use windlass_domain::child::ChildEnd;

use super::{ChildFinish, Places, Reading, check_run};
use crate::review::checks::find_defaults;

#[test]
fn a_check_whose_tool_is_missing_does_not_count_as_run() {
    let files = ["setup.py", "conftest.py", "test_sum.py"];
    let paths: Vec<String> = files.map(str::to_owned).into();
    let checks = find_defaults(&paths, &BTreeMap::new()).checks;
    let check = checks.iter().find(|check| check.name == "pytest").expect("conftest.py brings it");
    let run = |stderr: &str| {
        let finish = ChildFinish {
            end: ChildEnd::Exited { code: 1 },
            duration_ms: 10,
            lost_bytes: 0,
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
        };
        check_run(check, &finish, &Places::new("/repo", files))
    };
    let missing = run("/usr/bin/python3: No module named pytest\n");
    assert!(matches!(missing.reading, Reading::Unavailable { .. }), "{missing:?}");
    assert!(matches!(missing.result, CommandResult::NotStarted { .. }), "{missing:?}");
    let broken = run("E   no luck\n");
    assert_eq!(broken.result, CommandResult::Exited { code: 1 });
}
