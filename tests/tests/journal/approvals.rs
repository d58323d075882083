//! Leave in the journal: asked once, waited for again, and never wider than the policy of today or of then.

use std::sync::Mutex;

use windlass_domain::child::{ChildEnd, ChildLimits, ChildSpec, Sandbox};
use windlass_domain::id::ApprovalId;
use windlass_domain::run::approval::Question;
use windlass_domain::run::event::ApprovalAnswer::{self, Approved as Yes, Denied as No, Expired};
use windlass_domain::run::event::PolicyVerdict::{Allow, Ask, Deny};
use windlass_domain::run::event::{PolicyDecision, PolicyVerdict};
use windlass_domain::run::request::Door;
use windlass_domain::run::step::{OnLost, StepKey};
use windlass_engine::context::HeldChild;
use windlass_engine::ports::{
    Answered, Approvals, ChildFinish, Children, ChildrenError, Held, Ports, Surroundings,
};
use windlass_engine::{Asking, Leave, NoLeave, Wish};
use windlass_policy::{Approved, Capability, CheckOrigin, Layer, LayerKind, Permit, Policy, RunTool};

use super::*;

/// When every question of these tests lapses.
const LAPSES: Timestamp = Timestamp::from_millis(1_000);

/// Questions that are answered by the record alone; an open one is waited for without end.
struct People(Arc<Direct>);

#[async_trait::async_trait]
impl Approvals for People {
    fn draw(&self) -> (ApprovalId, Timestamp) {
        let asked = self.0.all().iter().filter(|event| is_asked(&event.data)).count();
        (ApprovalId::from_bytes([u8::try_from(asked + 1).unwrap(); 16]), LAPSES)
    }

    async fn answer_to(&self, question: &Question) -> Result<Answered, RecordError> {
        let answer = self.0.all().into_iter().find_map(|event| match event.data {
            EventData::Run(RunEvent::ApprovalAnswered { approval_id, answer, .. })
                if approval_id == question.approval_id =>
            {
                Some(answer)
            }
            _ => None,
        });
        match answer {
            Some(answer) => Ok(Answered::By(answer)),
            None if self.0.run().cancel().is_some() => Ok(Answered::Cancelled),
            None => std::future::pending().await,
        }
    }
}

/// Children that end at once, or never; it is noted which were ended.
struct Hands {
    finish: bool,
    ended: Mutex<Vec<HoldId>>,
}

#[async_trait::async_trait]
impl Children for Hands {
    async fn hold(
        &self,
        _: &Permit<RunTool>,
        _: HoldId,
        _: &StepKey,
        _: &ChildSpec,
    ) -> Result<Held, ChildrenError> {
        if !self.finish {
            return std::future::pending().await;
        }
        let (end, stdout, stderr) = (ChildEnd::Exited { code: 0 }, Vec::new(), Vec::new());
        Ok(Held::Finished(ChildFinish { end, stdout, stderr, duration_ms: 1, lost_bytes: 0 }))
    }
    async fn end(&self, hold_id: HoldId) -> Result<(), ChildrenError> {
        self.ended.lock().unwrap().push(hold_id);
        Ok(())
    }
    async fn discard(&self, _: HoldId) {}
    async fn tidy(&self) {}
    async fn surroundings(&self) -> Result<Surroundings, ChildrenError> {
        Err(ChildrenError { message: "this engine has no surroundings".to_owned() })
    }
}

fn is_asked(event: &EventData) -> bool {
    matches!(event, EventData::Run(RunEvent::ApprovalAsked { .. }))
}

fn ports(story: &Story, finish: bool) -> (Ports, Arc<Hands>) {
    let hands = Arc::new(Hands { finish, ended: Mutex::default() });
    let people = Arc::new(People(Arc::clone(&story.record)));
    let ports = Ports { approvals: people, children: hands.clone(), ..closed::ports(story.record.clone()) };
    (ports, hands)
}

fn attempt(story: &Story) -> RunContext {
    story.attempt_with(ports(story, true).0)
}

fn policy(verdict: &str) -> Policy {
    let rule =
        format!("version = 1\n[[rule]]\nid = \"make\"\ncapability = \"tool.run\"\nverdict = \"{verdict}\"\n");
    Policy::merge(vec![Layer::parse(LayerKind::User, "test", &rule).unwrap()], Default::default())
}

async fn leave(
    context: &RunContext,
    policy: &Policy,
    subject: &str,
) -> Result<Result<Leave<RunTool>, NoLeave>, Stop> {
    let argv = [subject.to_owned()];
    let (capability, step) = (Capability::ToolRun, format!("check {subject}"));
    let wish = Wish { capability, subject, step: &step, asking: Asking::Person };
    let judge = |yes: Option<&Approved>| match yes {
        None => policy.permit_tool(&argv, CheckOrigin::BaseCommit),
        Some(yes) => policy.permit_tool_approved(&argv, CheckOrigin::BaseCommit, yes),
    };
    context.leave(&wish, judge).await
}

fn answer(story: &Story, number: u8, answer: ApprovalAnswer) {
    let approval_id = ApprovalId::from_bytes([number; 16]);
    let at = Timestamp::from_millis(if answer == Expired { 1_000 } else { 999 });
    let (by, door) = ("somebody".to_owned(), Door::Cli);
    let command = RunCommand::AnswerApproval { approval_id, answer, by, door, at };
    let op = Op::Run { run_id: story.record.run_id, commands: vec![command], blobs: Vec::new() };
    story.record.writer.write_blocking(Class::Durable, op).unwrap();
}

fn decisions(story: &Story) -> Vec<(String, PolicyVerdict, String)> {
    let of = |event: &Event| match &event.data {
        EventData::Run(RunEvent::PolicyDecided(PolicyDecision { key, verdict, rule, .. })) => {
            Some((key.to_string(), *verdict, rule.clone()))
        }
        _ => None,
    };
    story.record.all().iter().filter_map(of).collect()
}

fn asked(story: &Story) -> Vec<String> {
    let of = |event: &Event| match &event.data {
        EventData::Run(RunEvent::ApprovalAsked { key, rule, .. }) => Some(format!("{key} {rule}")),
        _ => None,
    };
    story.record.all().iter().filter_map(of).collect()
}

fn rule_of(number: u8) -> String {
    windlass_policy::rule_of(ApprovalId::from_bytes([number; 16]))
}

fn reason(stop: &Stop) -> BlockedReason {
    let Stop::Blocked { reason, .. } = stop else { panic!("{stop:?}") };
    *reason
}

#[tokio::test]
async fn a_question_is_asked_once_and_every_replay_waits_on_the_same() {
    let story = Story::interactive();
    for _ in 0..3 {
        assert!(leave(&attempt(&story), &policy("ask"), "make").now_or_never().is_none());
        assert_eq!(asked(&story), ["check make#0 user/make"]);
    }
    answer(&story, 1, Yes);
    for _ in 0..2 {
        let granted = leave(&attempt(&story), &policy("ask"), "make").await.unwrap().unwrap();
        assert_eq!(granted.rule(), rule_of(1));
        assert_eq!(granted.permit().unwrap().subject(), "make");
    }
    let expected =
        [("policy#0".to_owned(), Ask, "user/make".to_owned()), ("policy#1".to_owned(), Allow, rule_of(1))];
    assert_eq!(decisions(&story), expected);
    assert_eq!(asked(&story).len(), 1);
}

#[tokio::test]
async fn a_no_and_a_silence_end_the_run_each_with_its_reason() {
    for (given, expected) in [(No, BlockedReason::ApprovalDenied), (Expired, BlockedReason::ApprovalExpired)]
    {
        let story = Story::interactive();
        assert!(leave(&attempt(&story), &policy("ask"), "make").now_or_never().is_none());
        answer(&story, 1, given);
        for _ in 0..2 {
            let stop = leave(&attempt(&story), &policy("ask"), "make").await.unwrap_err();
            assert_eq!(reason(&stop), expected);
        }
        assert_eq!(decisions(&story).last().unwrap(), &("policy#1".to_owned(), Deny, rule_of(1)));
    }
}

#[tokio::test]
async fn a_headless_run_asks_nobody() {
    let story = Story::new(CaptureMode::PromptsOnly);
    let stop = leave(&attempt(&story), &policy("ask"), "make").await.unwrap_err();
    assert_eq!(reason(&stop), BlockedReason::ApprovalDenied);
    assert!(stop.to_string().contains("--allow tool.run"), "{stop}");
    let rules: Vec<_> = decisions(&story).into_iter().map(|(_, verdict, rule)| (verdict, rule)).collect();
    assert_eq!(rules, [(Ask, "user/make".to_owned()), (Deny, "built-in/headless".to_owned())]);
    assert_eq!(asked(&story), [""; 0]);
}

#[tokio::test]
async fn what_is_not_worth_a_question_is_not_asked_and_not_done() {
    let story = Story::interactive();
    let wish =
        Wish { capability: Capability::ToolRun, subject: "make", step: "version", asking: Asking::Nobody };
    let asks = policy("ask");
    let judge = |_: Option<&Approved>| asks.permit_tool(&["make".to_owned()], CheckOrigin::User);
    let refused = attempt(&story).leave(&wish, judge).await.unwrap().unwrap_err();
    assert_eq!(refused.rule, "user/make");
    assert_eq!(asked(&story), [""; 0]);
}

#[tokio::test]
async fn branches_share_an_answer_and_ask_one_after_the_other() {
    let story = Story::interactive();
    let asks = policy("ask");
    let waits = async |subjects: [&'static str; 2]| {
        let context = attempt(&story);
        let (head, base) = (context.branch("head"), context.branch("base"));
        let work = async |branch: &RunContext| -> Result<Vec<String>, Stop> {
            let mut rules = Vec::new();
            for subject in subjects {
                rules.push(leave(branch, &asks, subject).await?.unwrap().rule().to_owned());
            }
            Ok(rules)
        };
        context.join(vec![work(&head).boxed(), work(&base).boxed()]).now_or_never()
    };
    assert!(waits(["make", "lint"]).await.is_none());
    assert_eq!(asked(&story).len(), 1);
    answer(&story, 1, Yes);
    assert!(waits(["make", "lint"]).await.is_none());
    assert_eq!(asked(&story).len(), 2);
    answer(&story, 2, Yes);
    let rules = waits(["make", "lint"]).await.unwrap().unwrap();
    assert_eq!(rules, [vec![rule_of(1), rule_of(2)], vec![rule_of(1), rule_of(2)]]);
    assert_eq!(asked(&story).len(), 2);
}

#[tokio::test]
async fn a_no_to_one_branch_ends_the_other_before_its_next_step_and_question() {
    let story = Story::interactive();
    assert!(leave(&attempt(&story).branch("head"), &policy("ask"), "make").now_or_never().is_none());
    answer(&story, 1, No);
    let context = attempt(&story);
    let stop = context.branch("base").step("look", &1, || async { Ok(Number(1)) }).await.unwrap_err();
    assert_eq!(reason(&stop), BlockedReason::ApprovalDenied);
    let stop = leave(&context.branch("base"), &policy("ask"), "lint").await.unwrap_err();
    assert_eq!(reason(&stop), BlockedReason::ApprovalDenied);
    assert_eq!(asked(&story).len(), 1);
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_it_waits_stops_as_cancelled() {
    let story = Story::interactive();
    assert!(leave(&attempt(&story), &policy("ask"), "make").now_or_never().is_none());
    story.cancel();
    let stop = leave(&attempt(&story), &policy("ask"), "make").await.unwrap_err();
    assert!(matches!(stop, Stop::Cancelled), "{stop:?}");
}

#[tokio::test]
async fn a_recorded_no_stays_one_when_the_policy_becomes_wider() {
    let story = Story::interactive();
    for today in ["deny", "allow", "ask"] {
        let refused = leave(&attempt(&story), &policy(today), "make").await.unwrap().unwrap_err();
        assert_eq!(refused.rule, "user/make");
        assert!(refused.why.starts_with("policy says deny"), "{}", refused.why);
    }
    assert_eq!(decisions(&story).len(), 1);
}

fn spec() -> ChildSpec {
    ChildSpec {
        argv: vec!["make".to_owned()],
        cwd: "/".to_owned(),
        env: Default::default(),
        sandbox: Sandbox::Off,
        limits: ChildLimits { time_ms: 1, output_bytes: 1, grace_ms: 1 },
        call: None,
    }
}

async fn run(context: &RunContext, leave: &Leave<RunTool>, step: &str) -> Result<Number, Stop> {
    let child = HeldChild { spec: &spec(), leave, on_lost: OnLost::Redo };
    context.held(step, &1, child, |_| Number(7)).await
}

#[tokio::test]
async fn a_policy_that_became_narrower_lets_results_stand_and_starts_nothing_more() {
    let story = Story::interactive();
    let context = attempt(&story);
    let granted = leave(&context, &policy("allow"), "make").await.unwrap().unwrap();
    assert_eq!(run(&context, &granted, "one").await.unwrap(), Number(7));

    let context = attempt(&story);
    let withdrawn = leave(&context, &policy("deny"), "make").await.unwrap().unwrap();
    assert_eq!(withdrawn.rule(), "user/make");
    assert_eq!(run(&context, &withdrawn, "one").await.unwrap(), Number(7));
    let stop = run(&context, &withdrawn, "two").await.unwrap_err();
    assert_eq!(reason(&stop), BlockedReason::PolicyDenied);
    let told = decisions(&story);
    assert_eq!(told.last().unwrap(), &("policy withdrawn#0".to_owned(), Deny, "user/make".to_owned()));
    assert_eq!(story.count(|event| matches!(event, RunEvent::StepStarted(_))), 1);

    let context = attempt(&story);
    leave(&context, &policy("deny"), "make").await.unwrap().unwrap();
    assert_eq!(decisions(&story).last().unwrap().0, "policy withdrawn#1");
}

#[tokio::test]
async fn a_child_that_today_s_policy_would_not_start_is_ended() {
    let story = Story::interactive();
    let context = story.attempt_with(ports(&story, false).0);
    let granted = leave(&context, &policy("allow"), "make").await.unwrap().unwrap();
    assert!(run(&context, &granted, "one").now_or_never().is_none());

    let (ports, hands) = ports(&story, true);
    let context = story.attempt_with(ports);
    let withdrawn = leave(&context, &policy("deny"), "make").await.unwrap().unwrap();
    let stop = run(&context, &withdrawn, "one").await.unwrap_err();
    assert_eq!(reason(&stop), BlockedReason::PolicyDenied);
    assert_eq!(*hands.ended.lock().unwrap(), [HoldId::from_bytes([1; 16])]);
}

#[tokio::test]
async fn a_yes_is_worth_nothing_where_today_s_policy_denies() {
    let story = Story::interactive();
    assert!(leave(&attempt(&story), &policy("ask"), "make").now_or_never().is_none());
    answer(&story, 1, Yes);
    let withdrawn = leave(&attempt(&story), &policy("deny"), "make").await.unwrap().unwrap();
    assert_eq!(reason(&withdrawn.permit().unwrap_err()), BlockedReason::PolicyDenied);
}
