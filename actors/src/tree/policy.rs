//! `PolicyActor`: loads the user's policy, notices when its file changes, and merges it with the other layers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use windlass_policy::{BadLayer, Capability, Layer, LayerKind, Policy};

use crate::store::blocking;

/// The actor that owns the policy.
pub(crate) struct PolicyActor;

/// What it is asked.
pub(crate) enum PolicyMessage {
    /// Merge the layers for a request.
    Merge {
        /// The workspace's layer, from the base commit, with the name to use in errors.
        workspace: Option<WorkspaceLayer>,
        /// What the request grants.
        grants: BTreeSet<Capability>,
        /// The answer.
        reply: oneshot::Sender<Result<Policy, PolicyError>>,
    },
}

/// The text of a workspace's layer.
pub(crate) struct WorkspaceLayer {
    /// Where it was read.
    pub(crate) origin: String,
    /// The text.
    pub(crate) text: String,
}

/// Why there is no merged policy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// A layer is malformed.
    #[error(transparent)]
    Layer(#[from] BadLayer),
    /// The user's policy cannot be read.
    #[error("the policy {} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The user's layer as it was when its file looked like this.
pub(crate) struct Loaded {
    path: PathBuf,
    stamp: Option<(SystemTime, u64)>,
    layer: Option<Layer>,
}

impl Actor for PolicyActor {
    type Msg = PolicyMessage;
    type State = Loaded;
    type Arguments = PathBuf;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        path: PathBuf,
    ) -> Result<Loaded, ActorProcessingErr> {
        Ok(Loaded { path, stamp: None, layer: None })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: PolicyMessage,
        loaded: &mut Loaded,
    ) -> Result<(), ActorProcessingErr> {
        let PolicyMessage::Merge { workspace, grants, reply } = message;
        let merged = merge(loaded, workspace, grants).await;
        // The one who asked may have given up.
        let _ = reply.send(merged);
        Ok(())
    }
}

async fn merge(
    loaded: &mut Loaded,
    workspace: Option<WorkspaceLayer>,
    grants: BTreeSet<Capability>,
) -> Result<Policy, PolicyError> {
    refresh(loaded).await?;
    let mut layers: Vec<Layer> = loaded.layer.iter().cloned().collect();
    if let Some(WorkspaceLayer { origin, text }) = workspace {
        layers.push(Layer::parse(LayerKind::Workspace, &origin, &text)?);
    }
    Ok(Policy::merge(layers, grants))
}

/// Reads the file again when it changed. A broken file is an error each time, never the old policy in silence.
async fn refresh(loaded: &mut Loaded) -> Result<(), PolicyError> {
    let path = loaded.path.clone();
    let known = loaded.stamp;
    let read = blocking(move || {
        let stamp = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.modified().map(|modified| Some((modified, metadata.len()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }?;
        if stamp.is_some() && stamp == known {
            return Ok((stamp, None));
        }
        let text = if stamp.is_some() { Some(std::fs::read_to_string(&path)?) } else { None };
        Ok((stamp, Some(text)))
    });
    let unreadable = |source| PolicyError::Unreadable { path: loaded.path.clone(), source };
    match read.await.map_err(unreadable)? {
        (_, None) => {}
        (stamp, Some(text)) => {
            loaded.stamp = None;
            let origin = loaded.path.display().to_string();
            let parse = |text: String| Layer::parse(LayerKind::User, &origin, &text);
            loaded.layer = text.map(parse).transpose()?;
            loaded.stamp = stamp;
        }
    }
    Ok(())
}
