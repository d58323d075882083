//! Goals: what the ratio of two medians should be.

use std::fmt;

use serde::Serialize;

/// What a ratio should be. The ratio is ours over the other side's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "is", content = "ratio", rename_all = "snake_case")]
pub(crate) enum Goal {
    /// For times: no more than this many times the other side's.
    AtMost(f64),
    /// For rates: at least this many times the other side's.
    AtLeast(f64),
    /// Ours alone: no more than this. The other side only shows what the least would be.
    OursAtMost(f64),
}

impl Goal {
    /// Whether a ratio, or ours alone, meets it.
    pub(crate) fn is_met(self, ratio: f64, ours: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
            Self::OursAtMost(most) => ours <= most,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most} ×"),
            Self::AtLeast(least) => write!(f, "≥ {least} ×"),
            Self::OursAtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_up_to_its_bound_and_not_beyond() {
        assert!(Goal::AtMost(2.5).is_met(2.5, 9.0));
        assert!(!Goal::AtMost(2.5).is_met(2.51, 9.0));
        assert!(Goal::AtLeast(5.0).is_met(5.0, 9.0));
        assert!(!Goal::AtLeast(5.0).is_met(4.99, 9.0));
        assert!(!Goal::AtLeast(5.0).is_met(f64::NAN, 9.0));
        assert!(Goal::OursAtMost(6.0).is_met(f64::NAN, 6.0));
        assert!(!Goal::OursAtMost(6.0).is_met(0.0, 6.01));
    }
}
