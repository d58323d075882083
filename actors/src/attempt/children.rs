//! Child processes for the engine: holds of the process adapter, followed to their end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use windlass_domain::child::{ChildSpec, EndedBecause, OutputStream, Sandbox};
use windlass_domain::id::HoldId;
use windlass_domain::run::Run;
use windlass_domain::run::step::StepKey;
use windlass_engine::ports::{ChildFinish, Children, ChildrenError, Held, Surroundings, UserChecks};
use windlass_policy::{Permit, RunTool};
use windlass_process::{ExitRecord, Following, Hold, HoldError, HoldOutcome, Progress, SpoolCursor};

use super::work_time::WorkTime;
use crate::control::with_sources;
use crate::shared::Shared;
use crate::store::blocking;

/// The children of one attempt.
pub(crate) struct HeldChildren {
    pub(crate) shared: Arc<Shared>,
    pub(crate) run: Arc<Run>,
    pub(crate) cancel: CancellationToken,
    /// The time that the run may still work.
    pub(crate) work_time: Arc<WorkTime>,
}

/// What a child said so far.
#[derive(Default)]
struct Heard {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    lost_bytes: u64,
}

#[async_trait]
impl Children for HeldChildren {
    async fn hold(
        &self,
        permit: &Permit<RunTool>,
        hold_id: HoldId,
        key: &StepKey,
        spec: &ChildSpec,
    ) -> Result<Held, ChildrenError> {
        let failed = |error: HoldError| ChildrenError {
            message: format!("step `{key}` cannot run `{}`: {}", spec.argv.join(" "), with_sources(&error)),
        };
        make_folders(self.shared.folders.scratch(self.run.run_id), spec).await.map_err(|error| {
            ChildrenError { message: format!("step `{key}` has no scratch folder: {error}") }
        })?;
        let (holds, spec_to_hold) = (self.shared.folders.holds(), spec.clone());
        let prepared = blocking(move || Hold::prepare(&holds, hold_id, &spec_to_hold)).await;
        let mut following = prepared
            .map_err(failed)?
            .attach_or_start(permit, &self.shared.launcher, self.run.epoch, SpoolCursor::default())
            .await
            .map_err(failed)?;
        let (heard, outcome) = self.follow(&mut following).await.map_err(failed)?;
        Ok(match outcome {
            HoldOutcome::Finished(exit) => Held::Finished(finish(heard, exit)),
            HoldOutcome::Lost { why } => Held::Lost { why: format!("{why:?}") },
        })
    }

    async fn end(&self, hold_id: HoldId) -> Result<(), ChildrenError> {
        let failed = |error: HoldError| ChildrenError {
            message: format!("the child of hold {hold_id} cannot be ended: {}", with_sources(&error)),
        };
        let holds = self.shared.folders.holds();
        let hold = match blocking(move || Hold::open(&holds, hold_id)).await {
            Err(HoldError::NotPrepared { .. }) => return Ok(()),
            hold => hold.map_err(failed)?,
        };
        let (launcher, epoch) = (&self.shared.launcher, self.run.epoch);
        let attached = hold.attach(launcher, epoch, SpoolCursor::default()).await.map_err(failed)?;
        if let Some(mut following) = attached {
            following.end(EndedBecause::Cancelled).await.map_err(failed)?;
            while let Progress::Output(_) = following.next().await.map_err(failed)? {}
        }
        self.discard(hold_id).await;
        Ok(())
    }

    async fn discard(&self, hold_id: HoldId) {
        let holds = self.shared.folders.holds();
        let removed = blocking(move || match Hold::open(&holds, hold_id) {
            Ok(hold) => hold.remove(),
            Err(HoldError::NotPrepared { .. }) => Ok(()),
            Err(error) => Err(error),
        });
        if let Err(error) = removed.await {
            tracing::warn!(%hold_id, error = %with_sources(&error), "a finished hold's folder stays behind");
        }
    }

    async fn tidy(&self) {
        super::tidy(&self.shared, self.run.run_id).await;
    }

    async fn surroundings(&self) -> Result<Surroundings, ChildrenError> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Ok(Surroundings {
            home: text(self.shared.folders.home()),
            path: self.shared.path.clone(),
            scratch: text(&self.shared.folders.scratch(self.run.run_id)),
            sandbox: self.shared.sandbox.clone(),
            user_checks: user_checks(self.shared.folders.checks_file()).await?,
        })
    }
}

impl HeldChildren {
    /// Reads to the end. A cancel, or the end of the run's time, is passed on once; what the child still says and how it ends are taken all the same.
    async fn follow(&self, following: &mut Following) -> Result<(Heard, HoldOutcome), HoldError> {
        let mut heard = Heard::default();
        let mut told = false;
        let out_of_time = self.work_time.used_up();
        tokio::pin!(out_of_time);
        loop {
            let progress = tokio::select! {
                progress = following.next() => progress?,
                () = self.cancel.cancelled(), if !told => {
                    told = true;
                    following.end(EndedBecause::Cancelled).await?;
                    continue;
                }
                () = &mut out_of_time, if !told => {
                    told = true;
                    following.end(EndedBecause::TimeLimit).await?;
                    continue;
                }
            };
            match progress {
                Progress::Output(batch) => {
                    heard.lost_bytes += batch
                        .lost_tail
                        .as_ref()
                        .map_or(0, |tail| tail.expected_bytes.saturating_sub(tail.found_bytes));
                    for record in batch.records {
                        match record.stream {
                            OutputStream::Stdout => heard.stdout.extend(record.bytes),
                            OutputStream::Stderr => heard.stderr.extend(record.bytes),
                        }
                    }
                }
                Progress::Ended(outcome) => return Ok((heard, outcome)),
            }
        }
    }
}

/// The user's checks file, where there is one. One that cannot be read is an error: leaving it out in silence would run
/// other checks than the user chose.
async fn user_checks(file: PathBuf) -> Result<Option<UserChecks>, ChildrenError> {
    let name = file.to_string_lossy().into_owned();
    match blocking(move || std::fs::read_to_string(file)).await {
        Ok(text) => Ok(Some(UserChecks { file: name, text })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(ChildrenError { message: format!("the checks file {name} cannot be read: {error}") })
        }
    }
}

/// Makes the folders below the run's scratch folder that a child is to find: its private HOME, its temporary folder and
/// what its walls let it write.
async fn make_folders(scratch: PathBuf, spec: &ChildSpec) -> std::io::Result<()> {
    let walls: &[String] = match &spec.sandbox {
        Sandbox::Bwrap(walls) => &walls.writable,
        Sandbox::Off => &[],
    };
    let own = ["HOME", "TMPDIR"].into_iter().filter_map(|name| spec.env.get(name));
    let folders: Vec<PathBuf> =
        walls.iter().chain(own).map(PathBuf::from).filter(|folder| folder.starts_with(&scratch)).collect();
    blocking(move || folders.iter().try_for_each(std::fs::create_dir_all)).await
}

fn finish(heard: Heard, exit: ExitRecord) -> ChildFinish {
    ChildFinish {
        duration_ms: exit.ended_boot_ms.saturating_sub(exit.started_boot_ms),
        end: exit.end,
        stdout: heard.stdout,
        stderr: heard.stderr,
        lost_bytes: heard.lost_bytes,
    }
}
