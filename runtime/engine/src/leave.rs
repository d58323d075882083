//! Leave to do something: what policy says today, what the record says that it said, and what a person answered.
//!
//! Every answer is a note of the run, so that a replay comes to the same place. A recorded no stays one. A recorded yes is
//! judged again: what today's policy would not grant any more is not done again, but the result of what was done stands.
//! Where policy asks, the run waits for a person; the same question, of the same capability and subject, is asked once.
//!
//! **Invariant:** a run has one open question at most, and a replay waits on the recorded one and asks no second.

use windlass_domain::id::ApprovalId;
use windlass_domain::run::BlockedReason;
use windlass_domain::run::approval::Question;
use windlass_domain::run::command::Act as RunAct;
use windlass_domain::run::event::{ApprovalAnswer, PolicyDecision, PolicyVerdict};
use windlass_domain::run::step::StepKey;
use windlass_failpoint::Place;
use windlass_policy::{Approved, Capability, Denied, Permit, rule_of};

use crate::context::RunContext;
use crate::failpoint;
use crate::ports::Answered;
use crate::stop::Stop;

/// What stands in the place of a rule's id where policy asks and nobody can be asked.
const HEADLESS_RULE: &str = "built-in/headless";

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// What.
    pub capability: Capability,
    /// To what.
    pub subject: &'a str,
    /// The step that does it, and would wait for an answer.
    pub step: &'a str,
    /// Whom to ask where policy asks.
    pub asking: Asking,
}

/// Whom to ask where policy asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// A person: the run cannot do without.
    Person,
    /// Nobody: it is not worth a question, and without a yes that was given before it is not done.
    Nobody,
}

/// Leave to do something.
#[derive(Debug)]
pub enum Leave<Act> {
    /// It may be done.
    Granted {
        /// The proof.
        permit: Permit<Act>,
        /// The rule that the record names.
        rule: String,
    },
    /// It was granted once, and today's policy would not: what was done stands, and nothing more of it is done.
    Withdrawn {
        /// The rule that the record names.
        rule: String,
        /// What policy says today, in a sentence fragment.
        why: String,
    },
}

/// There is no leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoLeave {
    /// What policy says, in a sentence fragment.
    pub why: String,
    /// The rule that said it.
    pub rule: String,
}

impl<Act> Leave<Act> {
    /// The rule that the record names.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::Granted { rule, .. } | Self::Withdrawn { rule, .. } => rule,
        }
    }

    /// The proof, for doing it now.
    ///
    /// # Errors
    /// [`Stop::Blocked`] when today's policy does not grant it any more.
    pub fn permit(&self) -> Result<&Permit<Act>, Stop> {
        match self {
            Self::Granted { permit, .. } => Ok(permit),
            Self::Withdrawn { why, .. } => {
                let message = format!("{why}; it was granted when the run began, and is not any more");
                Err(Stop::Blocked { reason: BlockedReason::PolicyDenied, message })
            }
        }
    }
}

/// What policy says to an act, with a person's yes where there is one.
pub trait Judge<Act>: Fn(Option<&Approved>) -> Result<Permit<Act>, Denied> + Send + Sync {}

impl<Act, F> Judge<Act> for F where F: Fn(Option<&Approved>) -> Result<Permit<Act>, Denied> + Send + Sync {}

impl RunContext {
    /// Asks for leave: the record, policy, and a person where policy says so. What was said is recorded.
    ///
    /// # Errors
    /// [`Stop::Blocked`] when a person said no, nobody answered in time, or nobody can be asked; [`Stop`] when the run must
    /// not go on.
    pub async fn leave<Act>(
        &self,
        wish: &Wish<'_>,
        judge: impl Judge<Act>,
    ) -> Result<Result<Leave<Act>, NoLeave>, Stop> {
        let key = self.key("policy");
        let recorded = self.journal().decision(&key).cloned();
        if let Some(decision) = recorded {
            if decision.capability != wish.capability.name() || decision.subject != wish.subject {
                return Err(Stop::mismatch(key, "a decision about something else"));
            }
            let rule = decision.rule;
            return match decision.verdict {
                PolicyVerdict::Allow => self.again(wish, rule, judge(None)).await.map(Ok),
                PolicyVerdict::Ask => self.where_policy_asks(wish, rule, judge).await,
                PolicyVerdict::Deny => Ok(Err(no_leave(wish, PolicyVerdict::Deny, rule))),
            };
        }
        match judge(None) {
            Ok(permit) => {
                let rule = permit.rule().to_owned();
                self.decided(key, wish, PolicyVerdict::Allow, &rule).await?;
                Ok(Ok(Leave::Granted { permit, rule }))
            }
            Err(Denied { judgement, .. }) => {
                self.decided(key, wish, judgement.verdict, &judgement.rule).await?;
                if judgement.verdict == PolicyVerdict::Ask {
                    self.where_policy_asks(wish, judgement.rule, judge).await
                } else {
                    Ok(Err(no_leave(wish, judgement.verdict, judgement.rule)))
                }
            }
        }
    }

    /// A recorded yes, judged again.
    async fn again<Act>(
        &self,
        wish: &Wish<'_>,
        rule: String,
        today: Result<Permit<Act>, Denied>,
    ) -> Result<Leave<Act>, Stop> {
        match today {
            Ok(permit) => Ok(Leave::Granted { permit, rule }),
            Err(denied) => {
                let key = self.key(crate::journal::WITHDRAWN);
                self.decided(key, wish, denied.judgement.verdict, &denied.judgement.rule).await?;
                Ok(Leave::Withdrawn { rule, why: denied.to_string() })
            }
        }
    }

    /// Takes leave back for something that no rule about the act itself says.
    ///
    /// # Errors
    /// [`Stop`] when the record cannot take it.
    pub(crate) async fn withdraw<Act>(
        &self,
        wish: &Wish<'_>,
        leave: Leave<Act>,
        rule: &str,
        why: &str,
    ) -> Result<Leave<Act>, Stop> {
        match leave {
            Leave::Withdrawn { .. } => Ok(leave),
            Leave::Granted { rule: recorded, .. } => {
                let key = self.key(crate::journal::WITHDRAWN);
                self.decided(key, wish, PolicyVerdict::Deny, rule).await?;
                Ok(Leave::Withdrawn { rule: recorded, why: why.to_owned() })
            }
        }
    }

    async fn where_policy_asks<Act>(
        &self,
        wish: &Wish<'_>,
        rule: String,
        judge: impl Judge<Act>,
    ) -> Result<Result<Leave<Act>, NoLeave>, Stop> {
        let answered = self.journal().answer_to(wish.capability.name(), wish.subject);
        if wish.asking == Asking::Nobody && answered.is_none() {
            return Ok(Err(no_leave(wish, PolicyVerdict::Ask, rule)));
        }
        if self.request().headless {
            self.decided(self.key("policy"), wish, PolicyVerdict::Deny, HEADLESS_RULE).await?;
            let message = format!(
                "{}, and a headless run has nobody to ask; allow it with --allow {}, or run it where a person answers",
                said(wish, PolicyVerdict::Ask, &rule),
                wish.capability
            );
            return Err(Stop::Blocked { reason: BlockedReason::ApprovalDenied, message });
        }
        let (approval_id, answer) = self.ask(wish, rule).await?;
        let rule = rule_of(approval_id);
        let key = self.key("policy");
        if let Some(stop) = refusal(wish.capability.name(), wish.subject, approval_id, answer) {
            self.decided(key, wish, PolicyVerdict::Deny, &rule).await?;
            return Err(stop);
        }
        self.decided(key, wish, PolicyVerdict::Allow, &rule).await?;
        let (capability, subject) = (wish.capability, wish.subject.to_owned());
        let yes = Approved { approval_id, capability, subject };
        self.again(wish, rule, judge(Some(&yes))).await.map(Ok)
    }

    /// Waits for the answer to this question: one that is recorded, one that is open, or one that is asked now. One branch
    /// asks at a time, and a no to any question ends them all.
    async fn ask(&self, wish: &Wish<'_>, rule: String) -> Result<(ApprovalId, ApprovalAnswer), Stop> {
        let _turn = self.asking().lock().await;
        loop {
            let open = {
                let journal = self.journal();
                if let Some(answered) = journal.answer_to(wish.capability.name(), wish.subject) {
                    return Ok(answered);
                }
                if let Some(stop) = journal.refusal() {
                    return Err(stop);
                }
                journal.open_question().cloned()
            };
            match open {
                Some(question) => self.wait_for(&question).await?,
                None => self.put(wish, rule.clone()).await?,
            }
        }
    }

    async fn wait_for(&self, question: &Question) -> Result<(), Stop> {
        match self.ports().approvals.answer_to(question).await? {
            Answered::By(answer) => {
                self.journal().answered(question.approval_id, answer);
                Ok(())
            }
            Answered::Cancelled => Err(Stop::Cancelled),
        }
    }

    /// Commits a new question.
    async fn put(&self, wish: &Wish<'_>, rule: String) -> Result<(), Stop> {
        let key = self.coming_key(wish.step);
        if self.ports().record.is_out_of_time() {
            return Err(crate::context::out_of_time(&key));
        }
        let (approval_id, expires_at) = self.ports().approvals.draw();
        let act = RunAct::AskApproval {
            approval_id,
            key,
            capability: wish.capability.name().to_owned(),
            subject: wish.subject.to_owned(),
            rule,
            expires_at,
        };
        let events = self.commit(vec![act], Vec::new()).await?;
        failpoint::pass(self.run_id(), Place::ApprovalAsked);
        let mut journal = self.journal();
        events.iter().for_each(|event| journal.take(&event.data, event.at));
        Ok(())
    }

    async fn decided(
        &self,
        key: StepKey,
        wish: &Wish<'_>,
        verdict: PolicyVerdict,
        rule: &str,
    ) -> Result<(), Stop> {
        let (capability, subject) = (wish.capability.name().to_owned(), wish.subject.to_owned());
        let decision = PolicyDecision { key, capability, subject, verdict, rule: rule.to_owned() };
        self.act(RunAct::RecordDecision(decision)).await
    }
}

/// Why the answer to a question ends the run, if it does.
pub(crate) fn refusal(
    capability: &str,
    subject: &str,
    approval_id: ApprovalId,
    answer: ApprovalAnswer,
) -> Option<Stop> {
    let (reason, what) = match answer {
        ApprovalAnswer::Approved => return None,
        ApprovalAnswer::Denied => (BlockedReason::ApprovalDenied, "was denied"),
        ApprovalAnswer::Expired => (BlockedReason::ApprovalExpired, "was not answered in time"),
    };
    let message = format!("{capability} for `{subject}` {what} (approval {approval_id})");
    Some(Stop::Blocked { reason, message })
}

fn said(wish: &Wish<'_>, verdict: PolicyVerdict, rule: &str) -> String {
    let word = match verdict {
        PolicyVerdict::Allow => "allow",
        PolicyVerdict::Ask => "ask",
        PolicyVerdict::Deny => "deny",
    };
    format!("policy says {word} to {} for `{}` (rule {rule})", wish.capability, wish.subject)
}

fn no_leave(wish: &Wish<'_>, verdict: PolicyVerdict, rule: String) -> NoLeave {
    NoLeave { why: said(wish, verdict, &rule), rule }
}
