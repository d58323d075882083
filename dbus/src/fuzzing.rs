//! What the fuzzers ask of this crate: bytes of a message's body, read as the arguments of a call.

use serde::de::DeserializeOwned;
use serde_json::Value;
use windlass_contract::request::{AnswerContext, EditItem, ListRuns, SubmitRun};
use zbus::wire::LE;
use zbus::wire::serialized::{Context, Data};

use crate::convert::{Received, to_fields, to_json};

/// Reads bytes as an `a{sv}` and that as each request whose fields are a caller's own. What was understood can be sent again,
/// unless it is nested deeper than the bus allows.
pub fn arguments(bytes: &[u8]) {
    let data = Data::new(bytes, Context::new(LE, 0));
    let Ok((fields, _)) = data.deserialize::<Received>() else { return };
    let Ok(value) = to_json(fields) else { return };
    // Only that it comes to an answer is asked.
    let _ = to_fields(&value);
    request::<SubmitRun>(&value);
    request::<EditItem>(&value);
    request::<AnswerContext>(&value);
    request::<ListRuns>(&value);
}

fn request<T: DeserializeOwned>(value: &Value) {
    let _ = serde_json::from_value::<T>(value.clone());
}
