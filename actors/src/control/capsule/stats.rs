//! How much is in the capsule.

use std::sync::Arc;

use windlass_contract::error::Fault;
use windlass_contract::view::{CapsuleStats, StatusCount};

use super::import;
use crate::control::faults;
use crate::shared::Shared;

/// The numbers; blob files and runs are counted one by one.
pub(crate) async fn stats(shared: &Arc<Shared>) -> Result<CapsuleStats, Fault> {
    let stats = shared.store.read(windlass_capsule::Reader::stats).await.map_err(faults::read)?;
    let imports = import::list(shared).await?.imports.len() as u64;
    let head = stats.head;
    Ok(CapsuleStats {
        capsule: shared.folders.capsule().to_string_lossy().into_owned(),
        events: head.cursor.0,
        links: head.link_seq,
        workspaces: head.workspaces,
        items: head.items,
        runs: head.runs,
        runs_by_status: stats.runs.into_iter().map(|(status, runs)| StatusCount { status, runs }).collect(),
        oldest_run_at: stats.oldest_run_at,
        newest_run_at: stats.newest_run_at,
        artifacts: stats.artifacts,
        inline_blobs: stats.inline_blobs,
        file_blobs: stats.file_blobs,
        file_blob_bytes: stats.file_blob_bytes,
        store_bytes: stats.store_bytes,
        map_bytes: stats.map_bytes,
        imports,
        capsule_head: head.hash,
    })
}
