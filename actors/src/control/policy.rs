//! What policy says, and why.

use std::collections::BTreeSet;
use std::sync::Arc;

use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::{ExplainPolicy, ShowPolicy};
use windlass_contract::view::{LayerSaid, PolicyExplanation, PolicyView, RuleLooked};
use windlass_domain::digest::{Json, NotJson};
use windlass_policy::{Ask, Capability, CheckOrigin, Policy, UnknownCapability};

use super::places;
use crate::attempt::{merged, workspace_layer};
use crate::shared::Shared;
use crate::store::blocking;

/// The merged policy.
pub(super) async fn show(shared: &Arc<Shared>, request: ShowPolicy) -> Result<PolicyView, Fault> {
    let policy = of(shared, request.folder, BTreeSet::new()).await?;
    let broken = |error: NotJson| Fault::new(ErrorCode::Io, error.to_string());
    Ok(PolicyView { digest: policy.digest().map_err(broken)?, policy: Json::of(&policy).map_err(broken)? })
}

/// What policy says to one act, with every layer and rule that was looked at.
pub(super) async fn explain(
    shared: &Arc<Shared>,
    request: ExplainPolicy,
) -> Result<PolicyExplanation, Fault> {
    let capability: Capability = request.capability.parse().map_err(unknown)?;
    let origin = request.origin.as_deref().map(origin).transpose()?;
    let grants = request.allow.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(unknown)?;
    let policy = of(shared, request.folder, grants).await?;
    let told = policy.explain(&Ask { capability, subject: &request.subject, origin });
    let layers = told.layers.into_iter().map(|layer| LayerSaid {
        layer: layer.layer.to_string(),
        verdict: layer.verdict,
        rules: layer
            .rules
            .into_iter()
            .map(|rule| RuleLooked {
                rule: rule.rule,
                verdict: rule.verdict,
                speaks: rule.speaks,
                why: rule.why,
            })
            .collect(),
    });
    Ok(PolicyExplanation {
        capability: request.capability,
        subject: request.subject,
        origin: request.origin,
        verdict: told.judgement.verdict,
        rule: told.judgement.rule,
        why: told.why,
        layers: layers.collect(),
    })
}

fn unknown(error: UnknownCapability) -> Fault {
    Fault::new(ErrorCode::BadRequest, error.to_string()).hint("windlass policy explain --help")
}

fn origin(text: &str) -> Result<CheckOrigin, Fault> {
    text.parse().map_err(|error: windlass_policy::UnknownOrigin| {
        Fault::new(ErrorCode::BadRequest, error.to_string()).hint("windlass policy explain --help")
    })
}

/// The layers together: for a repository as its default branch has it, or the user's alone.
async fn of(
    shared: &Arc<Shared>,
    folder: Option<String>,
    grants: BTreeSet<Capability>,
) -> Result<Policy, Fault> {
    let layer = match folder {
        None => None,
        Some(folder) => {
            let (repository, _) = places::workspace(shared, &folder).await?;
            let trusted = move || match repository.default_branch() {
                Ok(Some(branch)) => workspace_layer(&repository, &branch.commit),
                Ok(None) => Ok(None),
                Err(error) => Err(error.to_string()),
            };
            blocking(trusted)
                .await
                .map_err(|why| Fault::new(ErrorCode::BadRequest, why).hint("git status"))?
        }
    };
    let tree = shared.tree().await.ok_or_else(|| places::no_tree(shared))?;
    let policy = merged(&tree.policy, layer, grants).await;
    policy.map_err(|why| Fault::new(ErrorCode::BadRequest, why).hint("windlass policy check"))
}
