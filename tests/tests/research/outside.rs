//! Research outside of the repository: pages that policy names, tools of a real MCP server, and everything that can go
//! wrong with both.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use windlass_contract::control::Control as _;
use windlass_contract::request::SubmitRun;
use windlass_contract::view::RunView;
use windlass_domain::capture::CaptureMode;
use windlass_domain::digest::Digest;
use windlass_domain::run::{BlockedReason, Outcome};
use windlass_tests::{Home, Repository, artifact, caller, document, follow, prepare, show};

use crate::pages::{Answer, Pages};
use crate::research;

pub(crate) const BUNDLE: &str = "research/web_research_bundle.json";
const REPORT: &str = "research/research_report.json";
pub(crate) const GOAL: &str = "How is the anchor weighed with a capstan?";
/// A word that stands on pages and in answers of tools alone.
const CANARY: &str = "kedgebarrow";

/// Rules that allow what these tests do.
pub(crate) const RULES: &str = r#"
[[rule]]
id = "this-machine"
capability = "net.connect"
subjects = ["127.0.0.1", "mcp:*"]
verdict = "allow"

[[rule]]
id = "searches"
capability = "agent.tool"
subjects = ["*/search"]
verdict = "allow"
"#;

/// The user's policy: the standard one, with more settings, rules and providers.
pub(crate) fn write_policy(home: &Home, more: &str) {
    let standard = windlass_policy::TEMPLATES[0].text;
    std::fs::write(home.config().join("policy.toml"), format!("{standard}\n{more}")).unwrap();
}

pub(crate) fn urls(name: &str, urls: &[String]) -> String {
    format!("\n[[research.provider]]\nname = \"{name}\"\nkind = \"urls\"\nurls = {urls:?}\n")
}

/// The MCP server of these tests, outside of any sandbox.
pub(crate) fn mcp(name: &str, arguments: &[&str]) -> String {
    let argv: Vec<&str> =
        [env!("CARGO_BIN_EXE_mcp-server")].into_iter().chain(arguments.iter().copied()).collect();
    format!(
        "\n[[research.provider]]\nname = \"{name}\"\nkind = \"mcp\"\nargv = {argv:?}\nsandbox = \"off\"\n\
         [[research.provider.tool]]\nname = \"search\"\narguments = {{ query = \"{{query}}\" }}\n"
    )
}

pub(crate) fn ship() -> Repository {
    Repository::with(&[("README.md", "# Ship\n\nThe anchor hangs on a chain. The capstan weighs it.\n")])
}

pub(crate) fn asking(repository: &Repository, capture_mode: CaptureMode) -> SubmitRun {
    SubmitRun { capture_mode, ..research(repository, "T-1", GOAL) }
}

/// A run of research under this policy, to its end.
async fn run(home: &Home, capture_mode: CaptureMode) -> (RunView, Option<Value>, Option<Value>) {
    let repository = ship();
    let runtime = home.runtime(windlass_actors::Recover::All).await;
    let control = runtime.control();
    prepare(&control, &repository, &["T-1"]).await;
    let before = repository.fingerprint();
    let run_id = control.submit_run(caller(), asking(&repository, capture_mode)).await.unwrap().run_id;
    follow(&control, run_id).await;
    let run = show(&control, run_id).await;
    let there = |path: &str| run.artifacts.iter().any(|artifact| artifact.artifact.path.as_str() == path);
    let bundle = if there(BUNDLE) { Some(document(&control, &run, BUNDLE).await) } else { None };
    let report = if there(REPORT) { Some(document(&control, &run, REPORT).await) } else { None };
    if let (Some(bundle), Some(report)) = (&bundle, &report) {
        assert_sealed(bundle);
        for citation in report["citations"].as_array().unwrap().iter().filter(|cited| cited["kind"] == "web")
        {
            let passage = passage(bundle, citation);
            assert_eq!(passage["digest"], citation["digest"]);
            if !citation["lines"].is_null() {
                let path = format!("research/pages/{}.txt", citation["content_hash"].as_str().unwrap());
                let text = artifact(&control, &run, &path).await.unwrap();
                assert_eq!(citation["content_hash"], Digest::of(&text).to_string());
                let line = |end: &str| usize::try_from(citation["lines"][end].as_u64().unwrap()).unwrap();
                let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
                let cited = lines[line("first") - 1..line("last")].concat();
                assert_eq!(citation["digest"], Digest::of(&cited).to_string(), "{citation}");
            }
        }
    }
    assert_eq!(repository.fingerprint(), before);
    runtime.stop().await;
    (run, bundle, report)
}

/// What a citation of the web names in the bundle.
fn passage<'a>(bundle: &'a Value, citation: &Value) -> &'a Value {
    let requests = bundle["requests"].as_array().unwrap();
    let found = requests.iter().find_map(|request| {
        let passage =
            request["selected"].as_array().unwrap().iter().find(|held| held["id"] == citation["id"])?;
        let results = request["results"].as_array().unwrap();
        let fits = |result: &&Value| {
            result["url"] == citation["url"] && result["content_hash"] == citation["content_hash"]
        };
        results.iter().find(fits).map(|_| passage)
    });
    found.unwrap_or_else(|| panic!("{citation} is not in {bundle}"))
}

/// The seal, computed by somebody else: `jq -cS` writes what RFC 8785 does for values like these, and `sha256sum` hashes it.
fn assert_sealed(bundle: &Value) {
    let mut jq = Command::new("sh");
    jq.args(["-c", "jq -cSj 'del(.bundle_hash)' | sha256sum"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut jq = jq.spawn().unwrap();
    jq.stdin.take().unwrap().write_all(bundle.to_string().as_bytes()).unwrap();
    let output = jq.wait_with_output().unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    assert_eq!(bundle["bundle_hash"], hash.split(' ').next().unwrap(), "{bundle}");
}

/// The files below a folder that hold this text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let grep = Command::new("grep").args(["-rla", text]).arg(folder).output().unwrap();
    String::from_utf8(grep.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn errors(bundle: &Value) -> String {
    let requests = bundle["requests"].as_array().unwrap();
    requests.iter().map(|request| request["errors"].to_string()).collect()
}

fn page(words: &str) -> Answer {
    let html = format!(
        "<html><head><title>Weighing anchor</title></head><body><p>The anchor is weighed with a capstan, \
         by hand. {words}</p><script>{CANARY}script</script></body></html>"
    );
    Answer::Page("text/html; charset=utf-8", html)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_tools_that_policy_names_are_read_and_cited_by_their_lines() {
    let home = Home::new();
    let pages = Pages::serving([
        ("/moved", Answer::Redirect("/seamanship".to_owned())),
        ("/seamanship", page(CANARY)),
        ("/found", page("It was found by a search.")),
    ]);
    let providers = [
        urls("handbook", &[pages.at("/moved"), pages.at("/seamanship"), pages.at("/found")][..2]),
        urls("library", &[pages.at("/*")]),
        mcp("search", &["results", &pages.at("/found"), "A capstan weighs the anchor."]),
    ];
    write_policy(&home, &(RULES.to_owned() + &providers.concat()));
    let (run, bundle, report) = run(&home, CaptureMode::FullIo).await;
    let (bundle, report) = (bundle.unwrap(), report.unwrap());
    assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
    assert_eq!(bundle["provider"], "handbook, library, search");
    let requests = bundle["requests"].as_array().unwrap();
    assert_eq!(requests[0]["urls"], json!([pages.at("/moved"), pages.at("/seamanship")]));
    let read = &requests[0]["results"][0];
    assert_eq!(
        (&read["title"], &read["domain"], &read["rank"]),
        (&json!("Weighing anchor"), &json!("127.0.0.1"), &json!(1))
    );
    assert_eq!(read["published_at"], "2015-10-21T07:28:00.000Z");
    assert!(
        read["snippet"].as_str().unwrap().contains(CANARY)
            && !bundle.to_string().contains("kedgebarrowscript")
    );
    let asked: Vec<&Value> = requests.iter().filter(|request| request["tool"] == "search/search").collect();
    assert_eq!(asked.len(), 2, "the goal and the criterion");
    assert_eq!(asked[0]["params"]["query"], asked[0]["query"]);
    assert!(asked[0]["query"].as_str().unwrap().starts_with(GOAL));
    // A page that the search named and a pattern admits is asked for, but not on this machine: it is not named exactly. What
    // no pattern admits is not asked for.
    let found = requests.iter().find(|request| request["provider"] == "library").unwrap();
    assert_eq!(found["urls"], json!([pages.at("/found")]));
    assert!(
        found["errors"][0].as_str().unwrap().contains("on this machine or in a private network"),
        "{found}"
    );
    assert_eq!(pages.asked(), ["/moved", "/seamanship", "/seamanship"]);
    let cited: Vec<&Value> =
        report["citations"].as_array().unwrap().iter().filter(|cited| cited["kind"] == "web").collect();
    assert!(
        cited.iter().any(|cited| cited["url"] == pages.at("/seamanship") && !cited["lines"].is_null()),
        "{report}"
    );
    assert!(report["executive_summary"].as_str().unwrap().contains("[w1]"), "{report}");
    let options = report["options"].as_array().unwrap();
    assert!(
        options.iter().any(|option| option["title"].as_str().unwrap().starts_with("Read `http")),
        "{report}"
    );
    assert_eq!(
        report["degraded_reasons"].as_array().unwrap().len(),
        1,
        "only the model is missing: {report}"
    );
    assert!(!files_with(&home.state(), CANARY).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_prompts_are_kept_no_word_of_a_page_or_a_tool_reaches_the_disk() {
    let home = Home::new();
    let pages = Pages::serving([("/seamanship", page(CANARY))]);
    let words = home.path().join("words");
    std::fs::write(&words, CANARY).unwrap();
    let words = format!("@{}", words.display());
    let providers = [
        urls("handbook", &[pages.at("/seamanship")]),
        mcp("search", &["results", "https://elsewhere.invalid/anchors", &words]),
        mcp("plain", &["text", &words]),
        mcp("failing", &["error", &words]),
    ];
    write_policy(&home, &(RULES.to_owned() + &providers.concat()));
    let (run, bundle, report) = run(&home, CaptureMode::PromptsOnly).await;
    let (bundle, report) = (bundle.unwrap(), report.unwrap());
    assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
    let read = &bundle["requests"][0]["results"][0];
    assert_eq!((&read["title"], &read["snippet"]), (&json!("Weighing anchor"), &Value::Null));
    let found: Vec<&str> = bundle["requests"][1]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["url"].as_str().unwrap())
        .collect();
    assert_eq!(found, ["https://elsewhere.invalid/anchors", "https://elsewhere.invalid/"]);
    assert!(errors(&bundle).contains("its tool `search` says that it failed"), "{bundle}");
    assert!(report["citations"].as_array().unwrap().iter().any(|cited| cited["kind"] == "web"), "{report}");
    assert!(
        !run.artifacts.iter().any(|artifact| artifact.artifact.path.as_str().starts_with("research/pages"))
    );
    assert_eq!(files_with(&home.state(), CANARY), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_be_had_is_named_with_its_reason() {
    let pages = Pages::serving([
        ("/away", Answer::Redirect("https://elsewhere.invalid/".to_owned())),
        ("/inward", Answer::Redirect("http://127.0.0.1:1/".to_owned())),
        ("/credentials", Answer::Redirect("https://me:you@elsewhere.invalid/".to_owned())),
        ("/file", Answer::Redirect("file:///etc/passwd".to_owned())),
        ("/round", Answer::Redirect("/round".to_owned())),
        ("/broken", Answer::Status("500 Internal Server Error")),
        ("/picture", Answer::Page("image/png", "no text".to_owned())),
        ("/latin", Answer::Page("text/html; charset=iso-8859-1", "no text".to_owned())),
        (
            "/bytes",
            Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n\xff"),
        ),
        ("/large", Answer::Page("text/plain", "x".repeat(1024 * 1024 + 1))),
        ("/endless", Answer::Endless),
        ("/no-http", Answer::Raw(b"220 ready\r\n")),
        ("/silent", Answer::Silence),
        (
            "/secret",
            Answer::Page(
                "text/plain",
                format!("token: {}{}", "ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"),
            ),
        ),
    ]);
    for (path, expected) in [
        ("/away", "it redirects to https://elsewhere.invalid/, which policy does not name"),
        ("/inward", "it redirects to http://127.0.0.1:1/, which policy does not name"),
        ("/credentials", "it carries a name or a password, and no credentials are sent"),
        ("/file", "only https pages are read"),
        ("/round", "it redirects too often"),
        ("/broken", "it answered 500 Internal Server Error"),
        ("/none", "it answered 404 Not Found"),
        ("/picture", "it is `image/png`, and only HTML and plain text are read"),
        ("/latin", "it is written in `iso-8859-1`, and only UTF-8 is read"),
        ("/bytes", "it is not UTF-8"),
        ("/large", "it has more than 1048576 bytes"),
        ("/endless", "it has more than 1048576 bytes"),
        ("/no-http", "it does not speak HTTP as it should"),
        ("/silent", "it did not come in time"),
        ("/secret", "it holds what looks like a secret, and is not kept"),
    ] {
        assert_missing(urls("handbook", &[pages.at(path)]), expected, path).await;
    }
    let plain_behind_tls = pages.at("/broken").replace("http://", "https://");
    assert_missing(urls("handbook", &[plain_behind_tls]), "its certificate or its TLS is refused", "tls")
        .await;
    assert_missing(urls("handbook", &["http://127.0.0.1:1/".to_owned()]), "the connection failed", "refused")
        .await;
    let unnamed = "policy says deny to net.connect for `elsewhere.invalid` (rule built-in/no-rule)";
    assert_missing(urls("handbook", &["https://elsewhere.invalid/".to_owned()]), unnamed, "denied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_of_no_use_is_named_with_its_reason() {
    for (behaviour, expected) in [
        ("leave", "it left in the middle of the conversation"),
        ("garbage", "it does not speak MCP, or left before it did"),
        ("mute", "it did not answer within 3000 ms"),
        ("hang", "it did not answer within 3000 ms"),
        ("flood", "it said more than 4194304 bytes"),
        ("error", "its tool `search` says that it failed: out of rum"),
        ("writes", "its tool `search` says of itself that it changes something"),
    ] {
        assert_missing(mcp("search", &[behaviour, "out of rum"]), expected, behaviour).await;
    }
    let gone = mcp("search", &[]).replace(env!("CARGO_BIN_EXE_mcp-server"), "/no/such/server");
    assert_missing(gone, "`/no/such/server` cannot be started", "gone").await;
    let other_tool =
        mcp("search", &["text"]).replace("name = \"search\"\narguments", "name = \"other\"\narguments");
    let unnamed = "policy says deny to agent.tool for `search/other` (rule built-in/no-rule)";
    assert_missing(other_tool.clone(), unnamed, "denied").await;
    let allowed = other_tool + "[[rule]]\nid = \"other\"\ncapability = \"agent.tool\"\nverdict = \"allow\"\n";
    assert_missing(allowed, "it has no tool `other`", "no tool").await;
}

/// Checks that the provider is missing for this reason: a report says so, and where policy wants every provider the run ends
/// blocked and says so.
async fn assert_missing(provider: String, expected: &str, case: &str) {
    let limits = "[limits]\ncommand_time_ms = 3000\n";
    let home = Home::new();
    write_policy(&home, &format!("{limits}{RULES}{provider}"));
    let (degraded, bundle, report) = run(&home, CaptureMode::FullIo).await;
    assert_eq!(degraded.ended.unwrap().outcome, Outcome::Succeeded, "{case}");
    let report = report.unwrap();
    let reasons = &report["degraded_reasons"];
    assert!(
        reasons[1]["reason"].as_str().is_some_and(|reason| reason.contains(expected)),
        "{case}: {reasons}"
    );
    assert!(reasons[1]["name"].is_string() && report["degraded"] == true, "{case}: {reasons}");
    assert!(errors(&bundle.unwrap()).contains(expected), "{case}");

    let home = Home::new();
    write_policy(&home, &format!("{limits}[research]\nallow_degraded = false\n{RULES}{provider}"));
    let (blocked, bundle, report) = run(&home, CaptureMode::FullIo).await;
    let summary = blocked.row.summary;
    let provider_unavailable = Outcome::Blocked { reason: BlockedReason::ProviderUnavailable };
    assert_eq!(blocked.ended.unwrap().outcome, provider_unavailable, "{case}: {summary}");
    assert!(summary.contains(expected) && bundle.is_none() && report.is_none(), "{case}: {summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_provider_answers_nothing_keeps_a_strict_policy_from_its_report() {
    let home = Home::new();
    let pages = Pages::serving([("/seamanship", page(""))]);
    let providers = urls("handbook", &[pages.at("/seamanship")]) + &mcp("search", &["text", "anchors"]);
    write_policy(&home, &format!("[research]\nallow_degraded = false\n{RULES}{providers}"));
    let (run, bundle, _) = run(&home, CaptureMode::FullIo).await;
    assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", run.row.summary);
    assert_eq!(errors(&bundle.unwrap()), "[][][]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_reaches_a_network_only_where_policy_lets_it_out_of_the_sandbox() {
    let pages = Pages::serving([]);
    let address = pages.at("").replace("http://", "");
    let folder = Path::new(env!("CARGO_BIN_EXE_mcp-server")).parent().unwrap();
    let outside = mcp("search", &["connect", &address]);
    let inside = outside.replace("sandbox = \"off\"", &format!("readable = [{folder:?}]"));
    for (provider, expected) in [(outside.clone(), "it is reached"), (inside, "it is not reached")] {
        let home = Home::new();
        write_policy(&home, &(RULES.to_owned() + &provider));
        let (_, bundle, _) = run(&home, CaptureMode::FullIo).await;
        let bundle = bundle.unwrap();
        let snippet = &bundle["requests"][0]["results"][0]["snippet"];
        assert!(snippet.as_str().is_some_and(|snippet| snippet.contains(expected)), "{expected}: {bundle}");
    }
    let rules = RULES.replace(", \"mcp:*\"", "");
    let home = Home::new();
    write_policy(&home, &(rules + &outside));
    let (_, bundle, _) = run(&home, CaptureMode::FullIo).await;
    assert!(errors(&bundle.unwrap()).contains("policy says deny to net.connect for `mcp:search`"));
}
