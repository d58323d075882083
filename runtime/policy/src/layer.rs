//! One layer of policy: a TOML text, parsed and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_domain::run::event::PolicyVerdict;

use crate::judge::{Ask, Judgement, narrowness};
use crate::projection::{TreeFolder, misplaced};
use crate::provider::{BadProvider, MAX_PROVIDERS, Provider};
use crate::rule::Rule;

/// The version of the file format. 1: the first.
pub(crate) const LAYER_VERSION: u32 = 1;

/// Largest accepted policy text, in bytes: a policy is read by people.
pub(crate) const MAX_LAYER_BYTES: usize = 256 * 1024;

/// Where a layer comes from; the order is the order of authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LayerKind {
    /// Windlass itself.
    BuiltIn,
    /// The user's configuration.
    User,
    /// The repository, at the base commit.
    Workspace,
    /// The agent profile.
    Profile,
    /// The one request.
    Request,
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "built-in",
            Self::User => "user",
            Self::Workspace => "workspace",
            Self::Profile => "profile",
            Self::Request => "request",
        })
    }
}

/// One layer's rules and settings.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Layer {
    /// Where it comes from.
    pub kind: LayerKind,
    /// Its settings and rules.
    pub file: LayerFile,
}

/// The content of a policy file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerFile {
    /// The format's version.
    pub version: u32,
    /// Whether commands must run in a sandbox.
    #[serde(default)]
    pub sandbox: Option<SandboxRule>,
    /// How much may go on at once.
    #[serde(default)]
    pub limits: Limits,
    /// What research may do without.
    #[serde(default)]
    pub research: Research,
    /// Where files for people stand.
    #[serde(default)]
    pub projections: Projections,
    /// Patterns of paths that a change must not touch unseen; touching one is a finding.
    #[serde(default)]
    pub protected_paths: Vec<String>,
    /// The rules.
    #[serde(default)]
    pub rule: Vec<Rule>,
}

/// Whether commands must run in a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxRule {
    /// They may run without; recorded with each command.
    Off,
    /// They must run in one.
    Required,
}

/// How much may go on at once, and for how long. An empty field says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Runs over all workspaces.
    pub runs: Option<u32>,
    /// Runs in one workspace.
    pub runs_per_workspace: Option<u32>,
    /// Longest command, in milliseconds.
    pub command_time_ms: Option<u64>,
    /// Most output of a command, in bytes.
    pub command_output_bytes: Option<u64>,
    /// How long a question waits for a person, in milliseconds.
    pub approval_time_ms: Option<u64>,
}

/// What research may draw on, and what it may do without. An empty field says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Research {
    /// Whether it may go on without a provider, and say so in its report.
    pub allow_degraded: Option<bool>,
    /// What it may draw on beside the repository. Only the user's own layer names any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provider: Vec<Provider>,
    /// Names of providers that are not asked.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<String>,
}

/// Where files for people stand: in a folder of Windlass's own, or in one of the tree. An empty field says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Projections {
    /// The folder of this repository's tree that takes them. Only the workspace's own layer has it.
    pub folder: Option<TreeFolder>,
    /// The same for repositories by their top folder, absolute. Only the user's layer has it, and it counts before `folder`.
    pub workspaces: BTreeMap<String, TreeFolder>,
    /// `false`: nothing is written into any tree, whatever another layer says.
    pub in_tree: Option<bool>,
}

/// Why a text is not a policy layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLayer {
    /// It is larger than a person would write.
    #[error("{origin}: a policy has at most {MAX_LAYER_BYTES} bytes, this one has {bytes}")]
    TooLarge {
        /// The file.
        origin: String,
        /// Its size.
        bytes: usize,
    },
    /// It is not TOML of the right shape.
    #[error("{origin}:{line}:{column}: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It has a version that this binary does not know.
    #[error("{origin}: version {version} is not known here; this windlass reads version {LAYER_VERSION}")]
    Version {
        /// The file.
        origin: String,
        /// The version it names.
        version: u32,
    },
    /// Two rules of one name.
    #[error("{origin}: two rules are called `{id}`; a recorded decision must name one")]
    TwiceNamed {
        /// The file.
        origin: String,
        /// The name.
        id: String,
    },
    /// A provider in a layer that only narrows.
    #[error(
        "{origin}: only your own policy.toml names providers of research; a {kind} layer may leave some out with `without`"
    )]
    NotYours {
        /// The file.
        origin: String,
        /// Which layer it is.
        kind: LayerKind,
    },
    /// Two providers of one name.
    #[error("{origin}: two providers are called `{name}`; a report must name one")]
    TwiceProvided {
        /// The file.
        origin: String,
        /// The name.
        name: String,
    },
    /// More providers than a run can wait for.
    #[error("{origin}: a policy names at most {MAX_PROVIDERS} providers of research, this one names {count}")]
    TooManyProviders {
        /// The file.
        origin: String,
        /// How many it names.
        count: usize,
    },
    /// A provider that cannot be asked.
    #[error("{origin}: {source}")]
    Provider {
        /// The file.
        origin: String,
        /// What is wrong with it.
        source: BadProvider,
    },
}

/// Line and column of a byte offset, both from 1, the column in characters.
#[must_use]
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn check_providers(
    kind: LayerKind,
    origin: impl Fn() -> String,
    providers: &[Provider],
) -> Result<(), BadLayer> {
    if !providers.is_empty() && kind != LayerKind::User {
        return Err(BadLayer::NotYours { origin: origin(), kind });
    }
    if providers.len() > MAX_PROVIDERS {
        return Err(BadLayer::TooManyProviders { origin: origin(), count: providers.len() });
    }
    let mut names = BTreeSet::new();
    for provider in providers {
        provider.check().map_err(|source| BadLayer::Provider { origin: origin(), source })?;
        if !names.insert(provider.name()) {
            return Err(BadLayer::TwiceProvided { origin: origin(), name: provider.name().to_owned() });
        }
    }
    Ok(())
}

impl Layer {
    /// Parses a layer. `origin` names it in errors, for instance the file's path.
    ///
    /// # Errors
    /// [`BadLayer`] with line and column where there is one.
    pub fn parse(kind: LayerKind, origin: &str, text: &str) -> Result<Self, BadLayer> {
        let origin = || origin.to_owned();
        if text.len() > MAX_LAYER_BYTES {
            return Err(BadLayer::TooLarge { origin: origin(), bytes: text.len() });
        }
        let file: LayerFile = toml::from_str(text).map_err(|error| {
            let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
            BadLayer::Syntax { origin: origin(), line, column, message: error.message().to_owned() }
        })?;
        if file.version != LAYER_VERSION {
            return Err(BadLayer::Version { origin: origin(), version: file.version });
        }
        if let Some((offset, message)) = misplaced(kind, &file.projections, text) {
            let (line, column) = line_and_column(text, offset);
            return Err(BadLayer::Syntax { origin: origin(), line, column, message });
        }
        let mut names = BTreeSet::new();
        if let Some(rule) = file.rule.iter().find(|rule| !names.insert(rule.id.as_str())) {
            return Err(BadLayer::TwiceNamed { origin: origin(), id: rule.id.clone() });
        }
        check_providers(kind, origin, &file.research.provider)?;
        Ok(Self { kind, file })
    }

    /// What this layer alone says: the narrowest of its rules that speak, if any does.
    #[must_use]
    pub fn judge(&self, ask: &Ask<'_>) -> Option<Judgement> {
        let mut narrowest: Option<(&Rule, PolicyVerdict)> = None;
        for rule in self.file.rule.iter().filter(|rule| rule.speaks_of(ask)) {
            if narrowest.is_none_or(|(_, verdict)| narrowness(rule.verdict) > narrowness(verdict)) {
                narrowest = Some((rule, rule.verdict));
            }
        }
        narrowest.map(|(rule, verdict)| Judgement {
            verdict,
            layer: self.kind,
            rule: format!("{}/{}", self.kind, rule.id),
        })
    }
}
