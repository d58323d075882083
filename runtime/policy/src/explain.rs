//! Why policy answers as it does: every layer and rule that was looked at.

use windlass_domain::run::event::PolicyVerdict;

use crate::judge::{Ask, Judgement};
use crate::layer::{Layer, LayerKind};
use crate::policy::Policy;
use crate::rule::Rule;

/// An answer of policy with everything that was looked at for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The answer, with the rule that made it.
    pub judgement: Judgement,
    /// Why that rule and no other, in a sentence.
    pub why: String,
    /// The layers in the order of authority.
    pub layers: Vec<LayerSaid>,
}

/// What one layer says by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSaid {
    /// Which.
    pub layer: LayerKind,
    /// What it says; none where none of its rules speaks.
    pub verdict: Option<PolicyVerdict>,
    /// Its rules of the capability that was asked about, as they stand.
    pub rules: Vec<RuleLooked>,
}

/// A rule that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLooked {
    /// `<layer>/<id>`, as recorded decisions name it.
    pub rule: String,
    /// What it says to whom it speaks of.
    pub verdict: PolicyVerdict,
    /// Whether it speaks of what was asked.
    pub speaks: bool,
    /// Why it does or does not.
    pub why: String,
}

impl Policy {
    /// Judges, and says what was looked at for it. The judgement is that of [`Policy::judge`].
    #[must_use]
    pub fn explain(&self, ask: &Ask<'_>) -> Explanation {
        let judgement = self.judge(ask);
        let layers: Vec<LayerSaid> = self.layers().iter().map(|layer| said(layer, ask)).collect();
        let why = why(self, ask, &judgement, &layers);
        Explanation { judgement, why, layers }
    }
}

fn said(layer: &Layer, ask: &Ask<'_>) -> LayerSaid {
    let rules = layer.file.rule.iter().filter(|rule| rule.capability == ask.capability);
    LayerSaid {
        layer: layer.kind,
        verdict: layer.judge(ask).map(|judgement| judgement.verdict),
        rules: rules.map(|rule| looked(layer.kind, rule, ask)).collect(),
    }
}

fn looked(layer: LayerKind, rule: &Rule, ask: &Ask<'_>) -> RuleLooked {
    let why = match (rule.fits_subject(ask), rule.fits_origin(ask)) {
        (true, true) if rule.subjects.is_empty() => "it speaks of every subject".to_owned(),
        (true, true) => "one of its subjects fits".to_owned(),
        (false, _) => "none of its subjects fits".to_owned(),
        (true, false) if ask.origin.is_none() => "it speaks of certain origins, and none is given".to_owned(),
        (true, false) => "it speaks of other origins".to_owned(),
    };
    RuleLooked {
        rule: format!("{layer}/{}", rule.id),
        verdict: rule.verdict,
        speaks: rule.speaks_of(ask),
        why,
    }
}

fn why(policy: &Policy, ask: &Ask<'_>, judgement: &Judgement, layers: &[LayerSaid]) -> String {
    let top = layers.first().filter(|top| top.verdict.is_none());
    match top {
        Some(top) => format!(
            "the topmost layer, {}, has no rule that speaks of it, and lower layers cannot widen that",
            top.layer
        ),
        None if judgement.layer == LayerKind::Request && policy.granted().contains(&ask.capability) => {
            format!("policy asks, and the request allows itself {}", ask.capability)
        }
        None => format!("{} is the narrowest of the rules that speak", judgement.rule),
    }
}
