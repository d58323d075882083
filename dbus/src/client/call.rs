//! Making one call: its arguments, its deadline, its answer.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use windlass_contract::request::Caller;
use windlass_contract::view::Accepted;
use windlass_contract::{ErrorCode, Fault};
use zbus::wire::DynamicDeserialize;
use zbus::{DynamicType, Message, OwnedObjectPath, Variant};

use super::BusControl;
use crate::convert::{Received, Sent, read, to_fields};
use crate::fault;
use crate::names::{BUS_NAME, MANAGER_INTERFACE, MANAGER_PATH};

/// Longest wait for an answer. The bus gives a service that it starts two minutes; its own error, which says more, is to come
/// first.
const PATIENCE: Duration = Duration::from_secs(150);

/// How long to wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// [`PATIENCE`].
    Patience,
    /// As long as the service lives: for work that grows with the capsule.
    None,
}

/// A request on its way to being arguments: some native, the others options.
pub(super) struct Arguments {
    fields: Sent,
}

impl Arguments {
    /// All fields of a request.
    pub(super) fn of<T: Serialize>(request: &T) -> Result<Self, Fault> {
        let fields = to_fields(request).map_err(|error| {
            Fault::new(ErrorCode::BadRequest, format!("the request cannot be sent over D-Bus: {error}"))
        })?;
        Ok(Self { fields })
    }

    /// Takes a text out, for an argument of its own.
    pub(super) fn text(&mut self, name: &str) -> Result<String, Fault> {
        match self.fields.remove(name) {
            Some(Variant::Str(text)) => Ok(text.as_str().to_owned()),
            _ => Err(Fault::new(ErrorCode::BadRequest, format!("`{name}` is no text that D-Bus can carry"))),
        }
    }

    /// Takes a document out, for an argument of its own.
    pub(super) fn fields(&mut self, name: &str) -> Result<Sent, Fault> {
        let refuse = || Fault::new(ErrorCode::BadRequest, format!("`{name}` is no document"));
        let Some(Variant::Dict(fields)) = self.fields.remove(name) else { return Err(refuse()) };
        Sent::try_from(fields).map_err(|_| refuse())
    }

    /// What is left.
    pub(super) fn options(self) -> Sent {
        self.fields
    }

    /// What is left, with the caller's door.
    pub(super) fn options_from(mut self, caller: &Caller) -> Sent {
        let door = to_fields(caller).ok().and_then(|mut caller| caller.remove("door"));
        self.fields.extend(door.map(|door| ("door".to_owned(), door)));
        self.fields
    }
}

impl BusControl {
    /// Calls a method of the manager; its answer is one document.
    pub(super) async fn view<B, T>(&self, method: &'static str, arguments: &B) -> Result<T, Fault>
    where
        B: Serialize + DynamicType + Sync,
        T: DeserializeOwned,
    {
        let (fields,) = self.call(method, arguments).await?;
        view(fields)
    }

    /// Calls a method of the manager that admits a run.
    pub(super) async fn accepted<B>(&self, method: &'static str, arguments: &B) -> Result<Accepted, Fault>
    where
        B: Serialize + DynamicType + Sync,
    {
        let (run_id, _object, new, queue_place, warnings): (String, OwnedObjectPath, bool, u32, Vec<String>) =
            self.call(method, arguments).await?;
        let run_id = run_id.parse().map_err(|error| fault::unreadable(&error))?;
        Ok(Accepted { run_id, new, queue_place, warnings })
    }

    /// Calls a method of the manager.
    pub(super) async fn call<B, R>(&self, method: &'static str, arguments: &B) -> Result<R, Fault>
    where
        B: Serialize + DynamicType + Sync,
        R: for<'m> DynamicDeserialize<'m>,
    {
        self.call_within(Deadline::Patience, method, arguments).await
    }

    /// Calls a method of the manager.
    pub(super) async fn call_within<B, R>(
        &self,
        deadline: Deadline,
        method: &'static str,
        arguments: &B,
    ) -> Result<R, Fault>
    where
        B: Serialize + DynamicType + Sync,
        R: for<'m> DynamicDeserialize<'m>,
    {
        let reply = self.reply(deadline, method, arguments).await?;
        reply.body().deserialize().map_err(|error| fault::unreadable(&error))
    }

    /// Calls a method of the manager; gives the reply as it came.
    pub(super) async fn reply<B>(
        &self,
        deadline: Deadline,
        method: &'static str,
        arguments: &B,
    ) -> Result<Message, Fault>
    where
        B: Serialize + DynamicType + Sync,
    {
        let call = self.connection.call_method(
            Some(BUS_NAME),
            MANAGER_PATH,
            Some(MANAGER_INTERFACE),
            method,
            arguments,
        );
        let reply = match deadline {
            Deadline::None => call.await,
            Deadline::Patience => tokio::time::timeout(PATIENCE, call)
                .await
                .map_err(|_| fault::answer_lost(&format!("no answer within {} s", PATIENCE.as_secs())))?,
        };
        reply.map_err(|error| fault::from_bus(&error))
    }
}

/// A document of the answer.
pub(super) fn view<T: DeserializeOwned>(fields: Received) -> Result<T, Fault> {
    read(fields).map_err(|error| fault::unreadable(&error))
}

/// Documents of the answer.
pub(super) fn views<T: DeserializeOwned>(documents: Vec<Received>) -> Result<Vec<T>, Fault> {
    documents.into_iter().map(view).collect()
}
