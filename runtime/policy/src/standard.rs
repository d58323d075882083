//! The policies that come with Windlass, as the texts that `policy init` writes.

use crate::layer::{Layer, LayerKind};

/// A policy text to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub purpose: &'static str,
    /// The text.
    pub text: &'static str,
}

/// The templates.
pub const TEMPLATES: [Template; 3] = [
    Template {
        name: "standard",
        purpose: "what holds without a policy file: read, write bot worktrees, run checks sandboxed, no network",
        text: include_str!("../templates/standard.toml"),
    },
    Template {
        name: "strict",
        purpose: "as standard, but every command is asked about",
        text: include_str!("../templates/strict.toml"),
    },
    Template {
        name: "ci",
        purpose: "as standard, without questions, for machines where nobody answers",
        text: include_str!("../templates/ci.toml"),
    },
];

/// The built-in layer that stands where the user has none.
#[must_use]
pub fn standard() -> Layer {
    Layer::parse(LayerKind::BuiltIn, "built-in standard policy", TEMPLATES[0].text)
        .expect("a test parses every template")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses() {
        for template in TEMPLATES {
            Layer::parse(LayerKind::User, template.name, template.text).unwrap();
        }
    }
}
