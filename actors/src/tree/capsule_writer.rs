//! `CapsuleWriter`: stands for the writer's thread in the tree. Its end is the process's end: a store that could not be
//! written once is not written again before it was verified.

use ractor::{Actor, ActorProcessingErr, ActorRef};
use windlass_capsule::Writer;

/// The actor that stands for the writer's thread.
pub(crate) struct CapsuleWriter;

/// What the writer's thread says.
pub(crate) enum CapsuleWriterMessage {
    /// It has ended.
    ThreadEnded {
        /// Why.
        why: String,
    },
}

impl Actor for CapsuleWriter {
    type Msg = CapsuleWriterMessage;
    type State = ();
    type Arguments = Writer;

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, writer: Writer) -> Result<(), ActorProcessingErr> {
        // A thread of its own: the runtime waits for its blocking threads when it shuts down, and this one may wait for ever.
        std::thread::Builder::new().name("capsule-watch".to_owned()).spawn(move || {
            let why = writer.wait_until_ended().to_string();
            // The tree may be gone first when the process is leaving.
            let _ = myself.cast(CapsuleWriterMessage::ThreadEnded { why });
        })?;
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: CapsuleWriterMessage,
        _state: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            CapsuleWriterMessage::ThreadEnded { why } => Err(why.into()),
        }
    }
}
