//! A person's yes to a question that policy raised.

use windlass_domain::id::ApprovalId;

use crate::rule::Capability;

/// A recorded yes. It speaks for one capability and one subject, and counts only where policy asks: where policy denies, it is
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// Under which id it is recorded.
    pub approval_id: ApprovalId,
    /// What may be done.
    pub capability: Capability,
    /// To what.
    pub subject: String,
}

impl Approved {
    /// What stands in the place of a rule's id where this decided.
    #[must_use]
    pub fn rule(&self) -> String {
        rule_of(self.approval_id)
    }
}

/// What stands in the place of a rule's id where the answer to this question decided.
#[must_use]
pub fn rule_of(approval_id: ApprovalId) -> String {
    format!("approval/{approval_id}")
}
