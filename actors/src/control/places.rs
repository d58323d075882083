//! From a folder to its repository and its workspace.

use std::path::Path;

use uuid::Uuid;
use windlass_capsule::{Op, Reader, Written};
use windlass_contract::error::{ErrorCode, Fault};
use windlass_contract::request::Init;
use windlass_domain::id::WorkspaceId;
use windlass_domain::workspace::Workspace;
use windlass_git::{OpenError, Repository};

use super::{faults, with_sources};
use crate::clock;
use crate::shared::Shared;
use crate::store::blocking;

/// Makes a repository known.
pub(super) async fn init(shared: &Shared, request: Init) -> Result<Workspace, Fault> {
    let repository = open(&request.folder).await?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let root = repository.root();
    let workspace = Workspace {
        workspace_id: WorkspaceId::from_uuid(Uuid::now_v7()),
        root: text(root),
        common_dir: text(repository.common_dir()),
        name: root.file_name().map_or_else(|| text(root), |name| name.to_string_lossy().into_owned()),
        created_at: clock::now(),
    };
    match shared.store.write(Op::RegisterWorkspace(workspace)).await.map_err(faults::write)? {
        Written::Workspace { workspace, .. } => Ok(workspace),
        other => Err(Fault::new(ErrorCode::Io, format!("the writer answered {other:?} to a registration"))),
    }
}

/// The repository around a folder.
pub(super) async fn open(folder: &str) -> Result<Repository, Fault> {
    let folder = folder.to_owned();
    blocking(move || open_here(&folder)).await
}

/// As [`open`]. Blocks.
pub(super) fn open_here(folder: &str) -> Result<Repository, Fault> {
    if !Path::new(folder).is_absolute() {
        return Err(Fault::new(ErrorCode::BadRequest, format!("`{folder}` is not an absolute path"))
            .hint("give the folder from / on"));
    }
    Repository::open(folder.as_ref()).map_err(|error| not_opened(&error))
}

fn not_opened(error: &OpenError) -> Fault {
    let fault = Fault::new(ErrorCode::BadRequest, with_sources(error));
    match error {
        OpenError::NotARepository { .. } => fault.hint("cd into a git repository, or: git init"),
        OpenError::NoCheckout { .. } => fault.hint("git worktree add ../checkout && cd ../checkout"),
        _ => fault.hint("git status"),
    }
}

/// The repository around a folder and the workspace that it is.
pub(super) async fn workspace(shared: &Shared, folder: &str) -> Result<(Repository, Workspace), Fault> {
    let (folder, store) = (folder.to_owned(), shared.store.clone());
    blocking(move || {
        let repository = open_here(&folder)?;
        let workspace = workspace_of(store.reader(), &repository)?;
        Ok((repository, workspace))
    })
    .await
}

/// The workspace that a repository is. Blocks.
pub(super) fn workspace_of(reader: &Reader, repository: &Repository) -> Result<Workspace, Fault> {
    let common_dir = repository.common_dir().to_string_lossy();
    let found = reader.workspace_by_common_dir(&common_dir).map_err(faults::read)?;
    found.ok_or_else(|| {
        let text = format!("windlass does not know the repository {}", repository.root().display());
        Fault::new(ErrorCode::UnknownWorkspace, text).hint("windlass init")
    })
}

/// Why there are no actors: this process only reads, or is on its way out.
pub(super) fn no_tree(shared: &Shared) -> Fault {
    let leaving = || {
        Fault::new(ErrorCode::BusUnavailable, "the service is leaving").hint("try again; it is started anew")
    };
    shared.store.refusal().cloned().unwrap_or_else(leaving)
}
