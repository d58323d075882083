//! How items and runs are named on the command line.

use std::str::FromStr;

use clap::Args;
use windlass_domain::id::{ItemId, RunId};

/// Fewest characters of a run id that count as its beginning: with fewer, nearly every run of a day would fit.
const MIN_PREFIX: usize = 4;

/// A work item, as `T-0001` or `--id T-0001`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ItemArg {
    /// The work item, for instance T-0001
    #[arg(value_name = "ID", required_unless_present = "id", conflicts_with = "id")]
    place: Option<ItemId>,
    /// The same, as a flag
    #[arg(long, value_name = "ID")]
    id: Option<ItemId>,
}

impl ItemArg {
    /// The item that was named; clap lets no command through that names none.
    pub(crate) fn named(&self) -> Option<&ItemId> {
        self.id.as_ref().or(self.place.as_ref())
    }
}

/// A run, as `latest`, its id, or the beginning of its id.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArg {
    /// The run: its id, the beginning of its id, or `latest` for the newest of this repository
    #[arg(value_name = "RUN", required_unless_present = "run", conflicts_with = "run")]
    place: Option<RunName>,
    /// The same, as a flag
    #[arg(long, value_name = "RUN")]
    run: Option<RunName>,
    /// The work item that it must belong to
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<ItemId>,
}

impl RunArg {
    /// The run that was named; clap lets no command through that names none.
    pub(crate) fn named(&self) -> Option<&RunName> {
        self.run.as_ref().or(self.place.as_ref())
    }

    /// The run's id, when it was named in full.
    pub(crate) fn run_id(&self) -> Option<RunId> {
        match self.named() {
            Some(RunName::Id(run_id)) => Some(*run_id),
            Some(RunName::Latest | RunName::Prefix(_)) | None => None,
        }
    }
}

/// What was typed for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunName {
    /// The newest.
    Latest,
    /// Exactly this one.
    Id(RunId),
    /// The one whose id starts so; lower case.
    Prefix(String),
}

/// The text names no run.
#[derive(Debug, thiserror::Error)]
#[error(
    "a run is named by `latest`, by its id, or by at least the first {MIN_PREFIX} characters of its id as `windlass bot runs` \
     prints it"
)]
pub(crate) struct BadRunName;

impl FromStr for RunName {
    type Err = BadRunName;

    fn from_str(text: &str) -> Result<Self, BadRunName> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Ok(run_id) = text.parse() {
            return Ok(Self::Id(run_id));
        }
        let prefix = text.to_ascii_lowercase();
        let fits = prefix.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        if fits && (MIN_PREFIX..36).contains(&prefix.len()) {
            Ok(Self::Prefix(prefix))
        } else {
            Err(BadRunName)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_latest_its_id_or_its_beginning() {
        let id = "01890000-0000-7000-8000-000000000001";
        assert_eq!("latest".parse::<RunName>().unwrap(), RunName::Latest);
        assert_eq!(id.parse::<RunName>().unwrap(), RunName::Id(id.parse().unwrap()));
        assert_eq!("01890000-00".parse::<RunName>().unwrap(), RunName::Prefix("01890000-00".to_owned()));
        assert_eq!("0189ABCD".parse::<RunName>().unwrap(), RunName::Prefix("0189abcd".to_owned()));
    }

    #[test]
    fn what_cannot_be_the_beginning_of_an_id_is_refused() {
        for bad in ["", "018", "newest", "0189000-", "01890000_00", "01890000-0000-7000-8000-0000000000011"] {
            assert!(bad.parse::<RunName>().is_err(), "{bad}");
        }
    }
}
