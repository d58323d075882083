//! What layers say together.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use windlass_domain::run::event::PolicyVerdict::{self, Allow, Ask as AskFirst, Deny};
use windlass_policy::{Ask, BadLayer, Capability, CheckOrigin, Layer, LayerKind, Policy, SandboxRule};

fn layer(kind: LayerKind, rules: &[(PolicyVerdict, &str)]) -> Layer {
    let mut text = "version = 1\n".to_owned();
    for (place, (verdict, pattern)) in rules.iter().enumerate() {
        let verdict = match verdict {
            Allow => "allow",
            AskFirst => "ask",
            Deny => "deny",
        };
        text += &format!(
            "[[rule]]\nid = \"r{place}\"\ncapability = \"tool.run\"\nsubjects = [\"{pattern}\"]\nverdict = \"{verdict}\"\n"
        );
    }
    Layer::parse(kind, "test", &text).unwrap()
}

fn ask(subject: &str) -> Ask<'_> {
    Ask { capability: Capability::ToolRun, subject, origin: Some(CheckOrigin::BaseCommit) }
}

fn judge(layers: Vec<Layer>, grants: &[Capability], subject: &str) -> (PolicyVerdict, String) {
    let policy = Policy::merge(layers, grants.iter().copied().collect());
    let judgement = policy.judge(&ask(subject));
    (judgement.verdict, judgement.rule)
}

#[test]
fn the_narrowest_rule_that_speaks_decides_and_is_named() {
    use LayerKind::{User, Workspace};
    let user = || layer(User, &[(Allow, "cargo *"), (Deny, "cargo publish*")]);
    let cases = [
        (vec![user()], "cargo test", Allow, "user/r0"),
        (vec![user()], "cargo publish --token x", Deny, "user/r1"),
        (vec![user()], "make", Deny, "built-in/no-rule"),
        (vec![user(), layer(Workspace, &[(AskFirst, "cargo *")])], "cargo test", AskFirst, "workspace/r0"),
        (vec![user(), layer(Workspace, &[(Allow, "make")])], "make", Deny, "built-in/no-rule"),
        (vec![user(), layer(Workspace, &[(Allow, "*")])], "cargo publish", Deny, "user/r1"),
        (vec![], "anything at all", Allow, "built-in/run-checks"),
    ];
    for (layers, subject, verdict, rule) in cases {
        assert_eq!(judge(layers, &[], subject), (verdict, rule.to_owned()), "{subject}");
    }
}

#[test]
fn a_grant_of_the_request_turns_ask_into_allow_and_never_deny() {
    let layers = || vec![layer(LayerKind::User, &[(AskFirst, "make*"), (Deny, "make install")])];
    let grant = [Capability::ToolRun];
    assert_eq!(judge(layers(), &grant, "make").0, Allow);
    assert_eq!(judge(layers(), &grant, "make").1, "request/allow:tool.run");
    assert_eq!(judge(layers(), &grant, "make install").0, Deny);
    assert_eq!(judge(layers(), &[Capability::NetConnect], "make").0, AskFirst);
}

#[test]
fn a_sandbox_is_required_unless_the_top_layer_lifts_it() {
    let with = |kind, line: &str| Layer::parse(kind, "test", &format!("version = 1\n{line}")).unwrap();
    let off = "sandbox = \"off\"";
    let required = "sandbox = \"required\"";
    let sandbox = |layers| Policy::merge(layers, BTreeSet::new()).sandbox();
    assert_eq!(sandbox(vec![with(LayerKind::User, off)]), SandboxRule::Off);
    assert_eq!(
        sandbox(vec![with(LayerKind::User, off), with(LayerKind::Workspace, required)]),
        SandboxRule::Required
    );
    assert_eq!(sandbox(vec![with(LayerKind::Workspace, off)]), SandboxRule::Required);
    assert_eq!(
        sandbox(vec![with(LayerKind::User, ""), with(LayerKind::Workspace, off)]),
        SandboxRule::Required
    );
}

#[test]
fn a_policy_within_a_ceiling_grants_what_both_grant_and_names_the_rule_that_said_no() {
    let policy =
        |rules: &[(PolicyVerdict, &str)]| Policy::merge(vec![layer(LayerKind::User, rules)], BTreeSet::new());
    let wide = || policy(&[(Allow, "*")]);
    let narrow = || policy(&[(Allow, "cargo *")]);
    for (today, snapshot) in [(wide(), narrow()), (narrow(), wide())] {
        let both = today.within(snapshot);
        assert_eq!(both.judge(&ask("cargo test")).verdict, Allow);
        assert_eq!(both.judge(&ask("make")).verdict, Deny);
    }
}

#[test]
fn a_policy_is_read_back_from_its_json() {
    let policy = Policy::merge(vec![layer(LayerKind::User, &[(AskFirst, "cargo *")])], BTreeSet::new());
    let read: Policy = serde_json::from_str(&serde_json::to_string(&policy).unwrap()).unwrap();
    assert_eq!(read.digest().unwrap(), policy.digest().unwrap());
    assert_eq!(read.judge(&ask("cargo test")), policy.judge(&ask("cargo test")));
}

#[test]
fn a_typo_is_named_with_its_line_and_column() {
    let text = "version = 1\n\n[[rule]]\nid = \"a\"\ncapabillity = \"tool.run\"\nverdict = \"allow\"\n";
    let error = Layer::parse(LayerKind::User, "policy.toml", text).unwrap_err();
    assert!(matches!(&error, BadLayer::Syntax { line: 5, column: 1, .. }), "{error}");
    assert!(error.to_string().contains("capabillity"), "{error}");
    let newer = Layer::parse(LayerKind::User, "policy.toml", "version = 2").unwrap_err();
    assert!(matches!(newer, BadLayer::Version { version: 2, .. }));
}

fn any_layers() -> impl Strategy<Value = Vec<Layer>> {
    let verdict = prop_oneof![Just(Allow), Just(AskFirst), Just(Deny)];
    let pattern = prop_oneof![Just("*"), Just("a*"), Just("ab"), Just("b*")];
    let kind = prop_oneof![
        Just(LayerKind::User),
        Just(LayerKind::Workspace),
        Just(LayerKind::Profile),
        Just(LayerKind::Request)
    ];
    proptest::collection::vec((kind, proptest::collection::vec((verdict, pattern), 0..4)), 1..5)
        .prop_map(|layers| layers.into_iter().map(|(kind, rules)| layer(kind, &rules)).collect())
}

proptest! {
    #[test]
    fn no_composition_grants_what_any_layer_denied(
        layers in any_layers(),
        subject in prop_oneof![Just("a"), Just("ab"), Just("b"), Just("c")],
        granted in any::<bool>(),
    ) {
        let denied = layers.iter().any(|layer| layer.judge(&ask(subject)).is_some_and(|j| j.verdict == Deny));
        let grants = if granted { BTreeSet::from([Capability::ToolRun]) } else { BTreeSet::new() };
        let together = Policy::merge(layers.clone(), grants).judge(&ask(subject)).verdict;
        prop_assert!(!denied || together == Deny);
    }

    #[test]
    fn one_more_layer_never_widens(layers in any_layers(), more in any_layers(), subject in "[abc]{1,2}") {
        let width = |verdict| match verdict { Allow => 0, AskFirst => 1, Deny => 2 };
        let judge = |layers| width(Policy::merge(layers, BTreeSet::new()).judge(&ask(&subject)).verdict);
        let below = more.into_iter().filter(|layer| layer.kind != LayerKind::User);
        prop_assume!(layers.iter().any(|layer| layer.kind == LayerKind::User));
        let mut both = layers.clone();
        both.extend(below);
        prop_assert!(judge(both) >= judge(layers));
    }
}
