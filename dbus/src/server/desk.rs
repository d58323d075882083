//! What every object of the service needs to translate a call into `Control` and its answer back.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use windlass_contract::request::{Caller, CancelRun, GetArtifact, ReadEvents, RunRef};
use windlass_contract::view::ArtifactBytes;
use windlass_contract::{Control, ErrorCode, Fault};
use windlass_domain::event::Event;
use windlass_domain::id::{RunId, Seq};
use zbus::Connection;
use zbus::message::Header;

use super::activity::{Call, Meter};
use super::caller::Callers;
use super::registry::Registry;
use crate::convert::{NotOnBus, Received, Sent, to_fields, to_json, weight};
use crate::fault::Refused;

/// Most bytes of events in one answer, as far as one event allows. The bus moves about 50 MiB a second, so that a longer page
/// would hold up every other call.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// Most bytes of an artifact that is given as a value; a larger one is taken as a file descriptor.
const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// What every object needs.
#[derive(Clone)]
pub(crate) struct Desk {
    /// Who does the work.
    pub(crate) control: Arc<dyn Control>,
    /// Who calls.
    pub(crate) callers: Arc<Callers>,
    /// How busy we are.
    pub(crate) meter: Meter,
    /// What is shown and who listens.
    pub(crate) registry: Registry,
}

impl Desk {
    /// Counts a call until the guard is dropped.
    pub(crate) fn begin(&self) -> Result<Call, Refused> {
        Ok(self.meter.call()?)
    }

    /// Who sent this call; takes what is about the caller out of its options.
    pub(crate) async fn caller(
        &self,
        connection: &Connection,
        call: &Header<'_>,
        options: &mut Received,
    ) -> Result<Caller, Refused> {
        Ok(self.callers.identify(connection, call, options).await?)
    }

    /// Shows a run.
    pub(crate) async fn show_run(&self, run_id: RunId) -> Result<Sent, Refused> {
        answer(&self.control.show_run(RunRef { run_id }).await?)
    }

    /// Asks a run to stop.
    pub(crate) async fn cancel_run(
        &self,
        connection: &Connection,
        call: &Header<'_>,
        run_id: RunId,
        mut options: Received,
    ) -> Result<Sent, Refused> {
        let caller = self.caller(connection, call, &mut options).await?;
        let request: CancelRun = request([("run_id", run_id.to_string().into())], options)?;
        answer(&self.control.cancel_run(caller, request).await?)
    }

    /// Reads a page of a run's events, no longer than the bus carries well.
    pub(crate) async fn read_events(
        &self,
        run_id: RunId,
        from: u64,
        limit: u32,
    ) -> Result<(Vec<Sent>, bool), Refused> {
        let page = self.control.read_events(ReadEvents { run_id, from: Seq(from), limit }).await?;
        Ok(fit(&page.events, page.more)?)
    }

    /// Reads an artifact.
    pub(crate) async fn get_artifact(&self, uri: String) -> Result<ArtifactBytes, Refused> {
        Ok(self.control.get_artifact(GetArtifact { uri }).await?)
    }

    /// Reads an artifact that is a JSON object, as native values.
    pub(crate) async fn read_document(&self, uri: String) -> Result<Sent, Refused> {
        let artifact = self.small_artifact(uri).await?;
        let document: Value = serde_json::from_slice(&artifact.bytes)
            .map_err(|_| no_value(format!("the artifact is {}, not a JSON document", artifact.media_type)))?;
        to_fields(&document)
            .map_err(|error| no_value(format!("the artifact is no native document: {error}")).into())
    }

    /// Reads an artifact that is text.
    pub(crate) async fn read_text(&self, uri: String) -> Result<String, Refused> {
        let artifact = self.small_artifact(uri).await?;
        match String::from_utf8(artifact.bytes) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => {
                Err(no_value(format!("the artifact is {}, and no text for D-Bus", artifact.media_type))
                    .into())
            }
        }
    }

    /// An artifact of a size that is given as a value.
    async fn small_artifact(&self, uri: String) -> Result<ArtifactBytes, Refused> {
        let artifact = self.get_artifact(uri).await?;
        if artifact.bytes.len() > MAX_VALUE_BYTES {
            return Err(no_value(format!("the artifact is larger than {MAX_VALUE_BYTES} bytes")).into());
        }
        Ok(artifact)
    }
}

/// An artifact that cannot be given as a value, and what to call instead.
fn no_value(why: String) -> Fault {
    Fault::new(ErrorCode::BadRequest, why)
        .hint("windlass capsule get URI")
        .hint("call GetArtifact, which gives its bytes")
}

/// As many of the events as one answer takes, at least one, and whether there are more.
fn fit(page: &[Event], more: bool) -> Result<(Vec<Sent>, bool), NotOnBus> {
    let mut events = Vec::with_capacity(page.len());
    let mut bytes = 0;
    for event in page {
        let fields = to_fields(event)?;
        bytes += fields.values().map(weight).sum::<usize>();
        if bytes > MAX_PAGE_BYTES && !events.is_empty() {
            return Ok((events, true));
        }
        events.push(fields);
    }
    Ok((events, more))
}

/// The answer as `a{sv}`.
pub(crate) fn answer<T: Serialize>(view: &T) -> Result<Sent, Refused> {
    Ok(to_fields(view)?)
}

/// The answers as `aa{sv}`.
pub(crate) fn answers<T: Serialize>(views: &[T]) -> Result<Vec<Sent>, Refused> {
    views.iter().map(answer).collect()
}

/// A request out of a call's own arguments and its options.
///
/// # Errors
/// `bad_request` for options that the request does not have, have another type, or stand for an argument.
pub(crate) fn request<T: DeserializeOwned, const N: usize>(
    arguments: [(&str, Value); N],
    options: Received,
) -> Result<T, Fault> {
    let bad = |message: String| Fault::new(ErrorCode::BadRequest, message);
    let mut fields = to_json(options).map_err(|error| bad(format!("the option {error}")))?;
    for (name, value) in arguments {
        if fields.get(name).is_some() {
            return Err(bad(format!("`{name}` is an argument of its own, not an option")));
        }
        fields[name] = value;
    }
    serde_json::from_value(fields).map_err(|error| bad(format!("the request is malformed: {error}")))
}

/// The fields of an argument that is a document itself.
///
/// # Errors
/// `bad_request` for values that mean nothing here.
pub(crate) fn document(name: &str, fields: Received) -> Result<Value, Fault> {
    to_json(fields).map_err(|error| Fault::new(ErrorCode::BadRequest, format!("in `{name}`: {error}")))
}

/// The run that a text names.
///
/// # Errors
/// `bad_request` for what is no id.
pub(crate) fn run_id(text: &str) -> Result<RunId, Fault> {
    text.parse().map_err(|error| Fault::new(ErrorCode::BadRequest, format!("`run_id`: {error}")))
}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;
    use windlass_domain::event::EventData;
    use windlass_domain::run::Outcome;
    use windlass_domain::run::event::RunEvent;

    use super::*;
    use crate::samples;

    #[test]
    fn a_page_ends_where_it_gets_long_and_never_before_its_first_event() {
        let event = samples::event().new_tree(&mut TestRunner::deterministic()).unwrap().current();
        let long = |bytes: usize| {
            let ended = RunEvent::Ended { outcome: Outcome::Succeeded, summary: "x".repeat(bytes) };
            Event { data: EventData::Run(ended), ..event.clone() }
        };
        let count = |page: &[Event], more| {
            let (events, more) = fit(page, more).unwrap();
            (events.len(), more)
        };
        assert_eq!(count(&[long(1), long(2)], false), (2, false));
        assert_eq!(count(&[long(1), long(2)], true), (2, true));
        assert_eq!(count(&[long(2 * MAX_PAGE_BYTES), long(1)], false), (1, true));
        assert_eq!(
            count(&[long(MAX_PAGE_BYTES / 2), long(1), long(MAX_PAGE_BYTES / 2), long(1)], false),
            (2, true)
        );
        assert_eq!(count(&[], false), (0, false));
    }
}
