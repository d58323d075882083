//! `windlass demo`: see it work, in a repository of its own. It plants problems, has them reviewed in write mode by a child
//! process, kills that process with SIGKILL in the middle of a step, starts it again, and shows what the capsule says happened.
//!
//! **Invariant:** what is told about the run is read from the capsule, never assumed.

mod driver;
mod place;
mod project;
mod story;

use std::path::PathBuf;

use clap::Args;
use windlass_contract::control::Control;
use windlass_contract::request::{AddItem, Init, VerifyCapsule};
use windlass_contract::{ErrorCode, ExitCode, Fault};
use windlass_domain::id::ItemId;
use windlass_domain::item::ItemType;
use windlass_process::sandbox::{SandboxSupport, probe};

use crate::caller::caller;
use crate::failure::Failure;
use crate::reach::open_here;
use crate::session::Session;
use place::Place;

/// `windlass demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the repository and the capsule in this folder, which must not exist yet
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

/// The work item that the demonstration is about.
const ITEM: &str = "T-0001";

/// Shows Windlass at work.
///
/// # Errors
/// Those of the commands that it shows.
pub(crate) async fn run(session: &Session, args: DemoArgs) -> Result<ExitCode, Failure> {
    let place = Place::make(args.keep)?;
    let tell = |text: String| session.output.text(&text).map_err(Failure::from);
    tell(story::heading("A repository with ten planted problems"))?;
    let planted = project::plant(&place).await?;
    tell(story::planted(planted))?;
    prepare(&place, &tell).await?;

    tell(story::heading("A review in write mode, killed in the middle of a step"))?;
    let killed = driver::run_and_kill(&place).await?;
    tell(story::killed(&killed))?;
    tell(story::heading("The same command again"))?;
    driver::run_to_the_end(&place).await?;

    let opened = open_here(&place.folders()).await?;
    let shown = show(&place, &opened.control, killed.run_id, planted, &tell).await;
    opened.leave().await;
    let code = shown?;
    tell(place.farewell())?;
    Ok(code)
}

/// Makes the repository known and adds the item. Without a sandbox the demonstration grants itself to do without, for its own
/// planted repository, and says so.
async fn prepare(place: &Place, tell: &impl Fn(String) -> Result<(), Failure>) -> Result<(), Failure> {
    if let SandboxSupport::Unusable { reason, mend } = probe().await {
        place.write_policy_without_sandbox()?;
        tell(story::without_sandbox(&reason, &mend))?;
    }
    let opened = open_here(&place.folders()).await?;
    let control = &opened.control;
    let folder = place.repository_text()?;
    let known = control.init(caller(), Init { folder: folder.clone() }).await;
    let item = AddItem {
        folder,
        item_type: ItemType::Task,
        id: item()?,
        title: "Review the new parser".to_owned(),
        description: String::new(),
        parent_id: None,
    };
    let added = match known {
        Ok(_) => control.add_item(caller(), item).await.map(drop),
        Err(fault) => Err(fault),
    };
    opened.leave().await;
    Ok(added?)
}

fn item() -> Result<ItemId, Fault> {
    ItemId::new(ITEM).map_err(|error| Fault::new(ErrorCode::BadRequest, error.to_string()))
}

/// Shows what the capsule holds: what happened, the report, the patch, and whether the record is sound.
async fn show(
    place: &Place,
    control: &impl Control,
    run_id: windlass_domain::id::RunId,
    planted: &[project::Planted],
    tell: &impl Fn(String) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let told = story::read(control, run_id).await?;
    tell(story::heading("What the capsule says happened"))?;
    tell(told.timeline())?;
    tell(story::heading("The report"))?;
    tell(told.report.clone())?;
    tell(story::heading("The proposed change"))?;
    tell(told.diff.clone())?;
    tell(story::heading("Checked"))?;
    let verification = control.verify_capsule(VerifyCapsule::default()).await?;
    let checks = story::Checks {
        planted: told.found(planted),
        attempts: told.attempts(),
        finished_once: told.every_step_finished_once(),
        sound: verification.sound,
        applies: place.patch_applies(&told.diff).await?,
        untouched: place.is_untouched().await?,
    };
    tell(checks.text(&verification))?;
    Ok(if checks.hold() { ExitCode::Success } else { ExitCode::Failed })
}
