//! Files for people for the engine: the run's folder, by the policy that the attempt is judged by.

use std::sync::Arc;

use async_trait::async_trait;
use windlass_domain::projection::{Projection, UnwrittenFile};
use windlass_domain::run::Run;
use windlass_engine::ports::{FileForPeople, Projections};
use windlass_policy::Policy;
use windlass_projection::WantedFile;

use crate::control::with_sources;
use crate::projections::{place_of, write};
use crate::shared::Shared;

/// The files of one run.
pub(crate) struct RunProjections {
    pub(crate) shared: Arc<Shared>,
    pub(crate) run: Arc<Run>,
    pub(crate) policy: Policy,
}

#[async_trait]
impl Projections for RunProjections {
    async fn write(&self, files: Vec<FileForPeople>) -> Projection {
        let run_id = self.run.run_id;
        let found = async {
            let place = place_of(&self.shared, &self.policy, &self.run).await?;
            let recorded = self.shared.store.read(move |reader| reader.projection(run_id)).await?;
            Ok::<_, windlass_capsule::ReadError>((place, recorded.ours))
        };
        let (place, ours) = match found.await {
            Ok(found) => found,
            Err(error) => {
                let why = format!("the record cannot be read: {}", with_sources(&error));
                let unwritten =
                    |file: &FileForPeople| UnwrittenFile { path: file.file.to_owned(), why: why.clone() };
                return Projection {
                    unwritten: files.iter().map(unwritten).collect(),
                    ..Projection::default()
                };
            }
        };
        let wanted = |file: FileForPeople| WantedFile { path: file.file.to_owned(), bytes: file.bytes };
        let wanted = files.into_iter().map(wanted).collect();
        let projection = write(&self.shared, &self.policy, &self.run, place, wanted, ours).await.projection;
        for file in &projection.unwritten {
            tracing::warn!(%run_id, path = file.path, why = file.why, "a file for people was not written");
        }
        projection
    }
}
