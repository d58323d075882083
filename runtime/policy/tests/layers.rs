//! What layers say together.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use windlass_domain::id::ApprovalId;
use windlass_domain::run::event::PolicyVerdict::{self, Allow, Ask as AskFirst, Deny};
use windlass_policy::{
    Approved, Ask, BadLayer, Capability, CheckOrigin, Layer, LayerKind, Policy, Provider, SandboxRule,
};

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
fn a_limit_is_no_wider_than_the_ceiling_s_whoever_states_it() {
    let with = |line: &str| {
        let text = format!("version = 1\n[limits]\n{line}");
        Policy::merge(vec![Layer::parse(LayerKind::User, "test", &text).unwrap()], BTreeSet::new())
    };
    let (short, long) = ("approval_time_ms = 5", "approval_time_ms = 9999999999");
    assert_eq!(with(short).within(with(long)).approval_time_ms(), 5);
    assert_eq!(with(long).within(with(short)).approval_time_ms(), 5);
    assert_eq!(with(long).within(with("")).approval_time_ms(), Policy::DEFAULT_APPROVAL_TIME_MS);
    assert_eq!(with(long).approval_time_ms(), 9_999_999_999);
}

fn yes_to(capability: Capability, subject: &str) -> Approved {
    Approved { approval_id: ApprovalId::from_bytes([7; 16]), capability, subject: subject.to_owned() }
}

#[test]
fn a_yes_counts_for_what_was_asked_and_nothing_else() {
    let policy = Policy::merge(vec![layer(LayerKind::User, &[(AskFirst, "make*")])], BTreeSet::new());
    let permit = |subject: &str, yes: &Approved| {
        policy.permit_tool_approved(&[subject.to_owned()], CheckOrigin::BaseCommit, yes)
    };
    let granted = permit("make", &yes_to(Capability::ToolRun, "make")).unwrap();
    assert_eq!(granted.rule(), "approval/07070707-0707-0707-0707-070707070707");
    for yes in [yes_to(Capability::ToolRun, "make all"), yes_to(Capability::FsWrite, "make")] {
        assert_eq!(permit("make", &yes).unwrap_err().judgement.rule, "user/r0");
    }
}

#[test]
fn an_explanation_names_every_rule_that_was_looked_at_and_the_one_that_decided() {
    let layers = vec![
        layer(LayerKind::User, &[(Allow, "cargo *"), (Deny, "make")]),
        layer(LayerKind::Workspace, &[(AskFirst, "cargo t*")]),
    ];
    let explain = |grants: &[Capability], subject: &str| {
        Policy::merge(layers.clone(), grants.iter().copied().collect()).explain(&ask(subject))
    };
    let told = explain(&[], "cargo test");
    assert_eq!((told.judgement.verdict, told.judgement.rule.as_str()), (AskFirst, "workspace/r0"));
    assert_eq!(told.why, "workspace/r0 is the narrowest of the rules that speak");
    let looked: Vec<_> = told
        .layers
        .iter()
        .flat_map(|layer| &layer.rules)
        .map(|rule| (rule.rule.as_str(), rule.verdict, rule.speaks))
        .collect();
    let expected = [("user/r0", Allow, true), ("user/r1", Deny, false), ("workspace/r0", AskFirst, true)];
    assert_eq!(looked, expected);
    let granted = explain(&[Capability::ToolRun], "cargo test");
    assert_eq!(granted.why, "policy asks, and the request allows itself tool.run");
    let unspoken = explain(&[Capability::ToolRun], "sh");
    assert_eq!((unspoken.judgement.verdict, unspoken.layers[0].verdict), (Deny, None));
    assert!(unspoken.why.starts_with("the topmost layer, user, has no rule"), "{}", unspoken.why);
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
    fn a_yes_and_a_grant_never_give_what_any_layer_or_the_ceiling_denied(
        layers in any_layers(),
        before in any_layers(),
        subject in prop_oneof![Just("a"), Just("ab"), Just("b"), Just("c")],
        granted in any::<bool>(),
    ) {
        let denies = |layer: &Layer| layer.judge(&ask(subject)).is_some_and(|said| said.verdict == Deny);
        let denied = layers.iter().chain(&before).any(denies);
        let grants = if granted { BTreeSet::from([Capability::ToolRun]) } else { BTreeSet::new() };
        let merged = |layers: &[Layer]| Policy::merge(layers.to_vec(), grants.clone());
        let policy = merged(&layers).within(merged(&before));
        let yes = yes_to(Capability::ToolRun, subject);
        let permit = policy.permit_tool_approved(&[subject.to_owned()], CheckOrigin::BaseCommit, &yes);
        prop_assert!(!denied || permit.is_err());
        prop_assert_eq!(permit.is_ok(), policy.judge(&ask(subject)).verdict != Deny);
    }

    #[test]
    fn an_explanation_ends_in_the_judgement(layers in any_layers(), subject in "[abc]{1,2}", granted in any::<bool>()) {
        let grants = if granted { BTreeSet::from([Capability::ToolRun]) } else { BTreeSet::new() };
        let policy = Policy::merge(layers, grants);
        let told = policy.explain(&ask(&subject));
        prop_assert_eq!(&told.judgement, &policy.judge(&ask(&subject)));
        let names = told.layers.iter().flat_map(|layer| &layer.rules).filter(|rule| rule.speaks);
        let named = names.into_iter().any(|rule| rule.rule == told.judgement.rule);
        prop_assert!(named || ["built-in/no-rule", "request/allow:tool.run"].contains(&told.judgement.rule.as_str()));
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

#[test]
fn research_may_go_without_a_provider_unless_a_layer_or_the_ceiling_says_no() {
    let saying = |kind, says: Option<bool>| {
        let research = says.map(|says| format!("[research]\nallow_degraded = {says}\n"));
        Layer::parse(kind, "test", &format!("version = 1\n{}", research.unwrap_or_default())).unwrap()
    };
    let merged = |user, workspace| {
        let layers = vec![saying(LayerKind::User, user), saying(LayerKind::Workspace, workspace)];
        Policy::merge(layers, BTreeSet::new())
    };
    let (yes, no) = (Some(true), Some(false));
    let cases =
        [(None, None, true), (yes, None, true), (no, None, false), (no, yes, false), (yes, no, false)];
    for (user, workspace, allowed) in cases {
        assert_eq!(merged(user, workspace).allow_degraded(), allowed, "{user:?} {workspace:?}");
        assert!(!merged(user, workspace).within(merged(no, None)).allow_degraded(), "{user:?} {workspace:?}");
        assert_eq!(merged(user, workspace).within(merged(None, None)).allow_degraded(), allowed);
    }
    assert!(Layer::parse(LayerKind::User, "test", "version = 1\n[research]\nelse = true\n").is_err());
}

const PROVIDERS: &str = r#"
[[research.provider]]
name = "handbook"
kind = "urls"
urls = ["https://handbook.example/a.html", "https://docs.rs/*"]

[[research.provider]]
name = "search"
kind = "mcp"
argv = ["search-server"]
[[research.provider.tool]]
name = "search"
arguments = { query = "about {query}", limit = 5 }
"#;

fn with_providers(kind: LayerKind, more: &str) -> Result<Layer, BadLayer> {
    Layer::parse(kind, "test", &format!("version = 1\n{more}"))
}

#[test]
fn only_the_user_names_providers_and_every_layer_and_the_ceiling_may_leave_some_out() {
    use LayerKind::{User, Workspace};
    let user = || with_providers(User, PROVIDERS).unwrap();
    let names = |policy: &Policy| -> Vec<String> {
        policy.providers().iter().map(|provider| provider.name().to_owned()).collect()
    };
    let merged = |layers| Policy::merge(layers, BTreeSet::new());
    assert_eq!(names(&merged(vec![user()])), ["handbook", "search"]);
    let refused = with_providers(Workspace, PROVIDERS);
    assert!(matches!(refused, Err(BadLayer::NotYours { .. })), "{refused:?}");
    let without = with_providers(Workspace, "[research]\nwithout = [\"search\"]").unwrap();
    assert_eq!(names(&merged(vec![user(), without])), ["handbook"]);
    let other = with_providers(User, &PROVIDERS.replace("search-server", "other-server")).unwrap();
    let within = merged(vec![other]).within(merged(vec![user()]));
    assert_eq!(names(&within), ["handbook"], "a server that another program stands behind is another one");
    assert_eq!(names(&merged(vec![])), [""; 0]);
    let json = serde_json::to_string(&merged(vec![user()])).unwrap();
    assert_eq!(names(&serde_json::from_str(&json).unwrap()), ["handbook", "search"]);
}

#[test]
fn a_provider_that_cannot_be_asked_is_refused() {
    let twice = PROVIDERS.replace("\"search\"\nkind", "\"handbook\"\nkind");
    for (text, expected) in [
        (PROVIDERS.replace("\"handbook\"", "\"Hand Book\""), "the provider's name `Hand Book` must be"),
        (twice, "two providers are called `handbook`"),
        (PROVIDERS.replace("[\"search-server\"]", "[]"), "the provider `search` has no program"),
        (PROVIDERS.replace("about {query}", "about"), "a tool without `{query}`"),
        (
            PROVIDERS.replace("argv =", "readable = [\"notes\"]\nargv ="),
            "names the folder `notes`; write its full path",
        ),
        (PROVIDERS.replace("https://docs.rs/*", "http://docs.rs/*"), "http is read from this machine alone"),
        (
            PROVIDERS.replace("https://docs.rs/*", "https://*/*"),
            "a `*` in a host stands for all below a domain",
        ),
        (PROVIDERS.replace("argv =", "env = []\nargv ="), "unknown field `env`"),
        (PROVIDERS.replace("\"mcp\"", "\"smtp\""), "unknown variant `smtp`"),
    ] {
        let refused = with_providers(LayerKind::User, &text).map(|_| ()).unwrap_err();
        let words = format!("{refused}");
        assert!(words.contains(expected), "{expected}: {words}");
    }
}

#[test]
fn an_argument_takes_the_question_wherever_it_stands() {
    let policy = Policy::merge(vec![with_providers(LayerKind::User, PROVIDERS).unwrap()], BTreeSet::new());
    let Some(Provider::Mcp(server)) = policy.providers().get(1).copied() else { panic!("{policy:?}") };
    let arguments = serde_json::to_string(&server.tool[0].asking("an \"anchor\"")).unwrap();
    assert_eq!(arguments, r#"{"limit":5,"query":"about an \"anchor\""}"#);
    assert_eq!((server.subject_of(&server.tool[0]).as_str(), server.network()), ("search/search", None));
}
