//! Who listens to which run, as a value.

use std::collections::BTreeMap;

use windlass_contract::{ErrorCode, Fault};
use windlass_domain::id::RunId;
use zbus::names::OwnedUniqueName;

/// Most subscriptions of one caller: a caller that wants every run of a busy week is served, one that forgets to unsubscribe is
/// told.
const MAX_SUBSCRIPTIONS: u32 = 1024;

/// Who listens to which run, and how often it asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions {
    callers: BTreeMap<OwnedUniqueName, BTreeMap<RunId, u32>>,
}

impl Subscriptions {
    /// Adds one.
    ///
    /// # Errors
    /// `overloaded` when the caller has too many.
    pub(crate) fn add(&mut self, caller: OwnedUniqueName, run_id: RunId) -> Result<(), Fault> {
        let runs = self.callers.entry(caller).or_default();
        if runs.values().sum::<u32>() >= MAX_SUBSCRIPTIONS {
            return Err(Fault::new(
                ErrorCode::Overloaded,
                format!("this caller has {MAX_SUBSCRIPTIONS} subscriptions already"),
            )
            .hint("call Unsubscribe for runs that are not followed any more"));
        }
        *runs.entry(run_id).or_default() += 1;
        Ok(())
    }

    /// Takes one back.
    pub(crate) fn remove(&mut self, caller: &OwnedUniqueName, run_id: RunId) {
        let Some(runs) = self.callers.get_mut(caller) else { return };
        if let Some(count) = runs.get_mut(&run_id) {
            *count -= 1;
            if *count == 0 {
                runs.remove(&run_id);
            }
        }
        if runs.is_empty() {
            self.callers.remove(caller);
        }
    }

    /// Takes all of a caller back.
    pub(crate) fn forget(&mut self, caller: &OwnedUniqueName) {
        self.callers.remove(caller);
    }

    /// How many callers have at least one.
    pub(crate) fn callers(&self) -> usize {
        self.callers.len()
    }

    /// Who listens to this run.
    pub(crate) fn of(&self, run_id: RunId) -> Vec<OwnedUniqueName> {
        let listening = self.callers.iter().filter(|(_, runs)| runs.contains_key(&run_id));
        listening.map(|(caller, _)| caller.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> OwnedUniqueName {
        OwnedUniqueName::try_from(name).unwrap()
    }

    #[test]
    fn a_subscription_holds_until_it_was_taken_back_as_often_as_it_was_asked_for() {
        let (ada, run) = (caller(":1.1"), RunId::from_bytes([1; 16]));
        let mut subscriptions = Subscriptions::default();
        subscriptions.add(ada.clone(), run).unwrap();
        subscriptions.add(ada.clone(), run).unwrap();
        subscriptions.remove(&ada, run);
        assert_eq!(subscriptions.of(run), vec![ada.clone()]);
        subscriptions.remove(&ada, run);
        assert_eq!(subscriptions, Subscriptions::default());
        subscriptions.remove(&ada, run);
    }

    #[test]
    fn a_caller_that_leaves_takes_its_own_subscriptions_along_and_no_others() {
        let (ada, bob) = (caller(":1.1"), caller(":1.2"));
        let (run, other) = (RunId::from_bytes([1; 16]), RunId::from_bytes([2; 16]));
        let mut subscriptions = Subscriptions::default();
        for (who, what) in [(&ada, run), (&ada, other), (&bob, run)] {
            subscriptions.add(who.clone(), what).unwrap();
        }
        subscriptions.forget(&ada);
        assert_eq!((subscriptions.of(run), subscriptions.of(other)), (vec![bob.clone()], vec![]));
        assert_eq!(subscriptions.callers(), 1);
    }

    #[test]
    fn one_caller_has_no_more_than_the_limit() {
        let (ada, run) = (caller(":1.1"), RunId::from_bytes([1; 16]));
        let mut subscriptions = Subscriptions::default();
        for _ in 0..MAX_SUBSCRIPTIONS {
            subscriptions.add(ada.clone(), run).unwrap();
        }
        assert_eq!(subscriptions.add(ada, run).unwrap_err().code(), ErrorCode::Overloaded);
    }
}
