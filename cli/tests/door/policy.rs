//! Policy files: started from a template, checked, never overwritten.

use crate::support::{Place, file};

#[test]
fn a_policy_is_started_once_and_is_in_order() {
    let place = Place::new();
    let missing = place.json(&["policy", "check"]);
    assert_eq!((missing.0, &missing.1["errors"][0]["hints"][0]), (10, &"windlass policy init".into()));

    let (code, document) = place.json(&["policy", "init", "--template", "strict"]);
    assert_eq!(code, 0);
    let path = place.path("config/windlass/policy.toml");
    assert_eq!(document["written"][0], path.to_str().unwrap());
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, place.ok(&["policy", "init", "--template", "strict", "--print"]).stdout);

    let again = place.json(&["policy", "init"]);
    assert_eq!((again.0, &again.1["errors"][0]["code"]), (10, &"bad_request".into()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written, "it is not overwritten");

    let (code, document) = place.json(&["policy", "check"]);
    assert_eq!((code, &document["file"]), (0, &path.to_str().unwrap().into()));
    assert!(document["rules"].as_u64().unwrap() > 0);
}

#[test]
fn a_broken_policy_is_refused_with_its_place() {
    let place = Place::new();
    let broken = file(&place.path("config"), "broken.toml", "version = 1\n\n[[rule]]\nid = 7\n");
    let done = place.run(&["policy", "check", &broken]);
    assert_eq!(done.code, 10);
    assert!(done.stderr.contains("broken.toml:4:6: "), "{}", done.stderr);
}

#[test]
fn the_standard_policy_is_shown_with_its_rules_and_presets() {
    let place = Place::new();
    let text = place.ok(&["policy", "show", "--user"]).stdout;
    for line in ["run-checks", "sandbox: required", "review presets", "clippy"] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
    let (code, document) = place.json(&["policy", "show", "--user"]);
    assert_eq!(code, 0);
    assert!(document["presets"].as_array().unwrap().len() > 5, "{document}");
}
