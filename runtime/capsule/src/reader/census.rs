//! Counting the runs: how many stand where, and which are the first and the last.

use windlass_domain::run::RunStatus;
use windlass_domain::time::Timestamp;

use super::View;
use crate::error::ReadError;
use crate::keys;
use crate::rows::RunRow;

/// What was counted.
pub(super) struct Census {
    pub(super) runs: Vec<(RunStatus, u64)>,
    pub(super) oldest: Option<Timestamp>,
    pub(super) newest: Option<Timestamp>,
}

impl View<'_> {
    /// Goes through the index of runs; reads two runs only.
    pub(super) fn census(&self) -> Result<Census, ReadError> {
        let table = self.tables.run_index;
        let mut runs: Vec<(RunStatus, u64)> = Vec::new();
        let (mut oldest, mut newest): (Option<Place>, Option<Place>) = (None, None);
        for (status, range) in keys::index_by_status() {
            let mut count = 0;
            for entry in table.prefixed(self.txn, &range, &range)? {
                let (key, run_id) = entry?;
                let place = (key[range.len()..].to_vec(), run_id.to_vec());
                if oldest.as_ref().is_none_or(|oldest| place < *oldest) {
                    oldest = Some(place.clone());
                }
                if newest.as_ref().is_none_or(|newest| place > *newest) {
                    newest = Some(place);
                }
                count += 1;
            }
            match runs.last_mut() {
                Some((last, sum)) if *last == status => *sum += count,
                _ => runs.push((status, count)),
            }
        }
        runs.retain(|(_, count)| *count > 0);
        Ok(Census { runs, oldest: self.submitted_at(oldest)?, newest: self.submitted_at(newest)? })
    }

    fn submitted_at(&self, place: Option<Place>) -> Result<Option<Timestamp>, ReadError> {
        let Some((_, run_id)) = place else { return Ok(None) };
        let row: RunRow = self.tables.runs.demand(self.txn, &run_id)?;
        Ok(Some(row.run.submitted_at))
    }
}

/// The cursor of a run's first event, by which runs are ordered, and the run's id.
type Place = (Vec<u8>, Vec<u8>);
