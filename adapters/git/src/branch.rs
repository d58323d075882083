//! The names of the branches that Windlass owns. No other branch can be written through this crate, because no
//! other name can be made.

use std::fmt;
use std::str::FromStr;

use windlass_domain::id::{ItemId, RunId};

/// The branch of one run: `bot/<item>/<run>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BotBranch {
    item: ItemId,
    run: RunId,
}

/// The text is not the name of a bot branch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a bot branch; those are named bot/<item>/<run>, and no other branch is ever written"
)]
pub struct NotABotBranch {
    name: String,
}

impl BotBranch {
    /// The branch of this run.
    #[must_use]
    pub const fn new(item: ItemId, run: RunId) -> Self {
        Self { item, run }
    }

    /// The full name of its reference, `refs/heads/bot/<item>/<run>`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("refs/heads/{self}")
    }
}

impl fmt::Display for BotBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bot/{}/{}", self.item, self.run)
    }
}

impl FromStr for BotBranch {
    type Err = NotABotBranch;
    fn from_str(name: &str) -> Result<Self, NotABotBranch> {
        let parsed = name.strip_prefix("bot/").and_then(|rest| {
            let (item, run) = rest.split_once('/')?;
            Some(Self::new(item.parse().ok()?, run.parse().ok()?))
        });
        // A UUID has several spellings, a branch has one.
        parsed
            .filter(|branch| branch.to_string() == name)
            .ok_or_else(|| NotABotBranch { name: name.escape_debug().to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_below_bot_with_an_item_and_a_run_are_branches_of_ours() {
        let run = "0199f4c0-7a3e-7c11-8f0e-3f8a5d1b2c4d";
        let name = format!("bot/T-1/{run}");
        assert_eq!(name.parse::<BotBranch>().unwrap().to_string(), name);
        for bad in [
            "main".to_owned(),
            "bot/T-1".to_owned(),
            format!("bots/T-1/{run}"),
            format!("bot/../{run}"),
            format!("bot/a/b/{run}"),
            format!("bot/T-1/{}", run.to_uppercase()),
            format!("refs/heads/bot/T-1/{run}"),
        ] {
            assert!(bad.parse::<BotBranch>().is_err(), "{bad}");
        }
    }
}
