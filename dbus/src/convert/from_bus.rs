//! From D-Bus values to contract types, by way of JSON's data model.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use zbus::{Array, Dict, OwnedVariant, Signature, Variant};

/// An `a{sv}` that was received.
pub(crate) type Received = BTreeMap<String, OwnedVariant>;

/// A D-Bus value that has no meaning in the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if at.is_empty() { String::new() } else { format!("`{at}` ") })]
pub(crate) struct BadValue {
    /// The keys that lead to it, divided by dots.
    at: String,
    /// What is wrong with it.
    problem: String,
}

impl BadValue {
    fn new(problem: impl Into<String>) -> Self {
        Self { at: String::new(), problem: problem.into() }
    }

    fn under(self, key: &str) -> Self {
        let at = if self.at.is_empty() { key.to_owned() } else { format!("{key}.{}", self.at) };
        Self { at, ..self }
    }
}

/// Reads a contract type.
///
/// # Errors
/// [`BadValue`] names the key that does not fit.
pub(crate) fn read<T: DeserializeOwned>(fields: Received) -> Result<T, BadValue> {
    serde_json::from_value(to_json(fields)?).map_err(|error| BadValue::new(error.to_string()))
}

/// The same data as JSON.
///
/// # Errors
/// [`BadValue`] for types that JSON has no counterpart for.
pub(crate) fn to_json(fields: Received) -> Result<Value, BadValue> {
    let pairs = fields.into_iter().map(|(key, value)| {
        let value = value_of(value.into()).map_err(|bad| bad.under(&key))?;
        Ok((key, value))
    });
    pairs.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn value_of(value: Variant<'_>) -> Result<Value, BadValue> {
    Ok(match value {
        Variant::U8(number) => number.into(),
        Variant::I16(number) => number.into(),
        Variant::U16(number) => number.into(),
        Variant::I32(number) => number.into(),
        Variant::U32(number) => number.into(),
        Variant::I64(number) => number.into(),
        Variant::U64(number) => number.into(),
        Variant::F64(number) => Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| BadValue::new("is not a finite number"))?,
        Variant::Bool(truth) => truth.into(),
        Variant::Str(text) => text.as_str().into(),
        Variant::ObjectPath(path) => path.as_str().into(),
        Variant::Signature(Signature::Unit) => Value::Null,
        Variant::Variant(inner) => value_of(*inner)?,
        Variant::Array(array) => array_of(array)?,
        Variant::Dict(dict) => object_of(dict)?,
        Variant::Signature(_) | Variant::Structure(_) | Variant::Fd(_) => {
            let signature = value.value_signature();
            return Err(BadValue::new(format!("has the D-Bus type `{signature}`, which means nothing here")));
        }
    })
}

fn array_of(array: Array<'_>) -> Result<Value, BadValue> {
    if *array.element_signature() == Signature::U8 {
        let bytes = Vec::<u8>::try_from(array).map_err(|error| BadValue::new(error.to_string()))?;
        return String::from_utf8(bytes)
            .map(Value::String)
            .map_err(|_| BadValue::new("holds bytes that are not UTF-8"));
    }
    let elements = Vec::<Variant<'_>>::try_from(array).map_err(|error| BadValue::new(error.to_string()))?;
    elements.into_iter().map(value_of).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn object_of(dict: Dict<'_, '_>) -> Result<Value, BadValue> {
    let pairs = dict.into_iter().map(|(key, value)| {
        let Variant::Str(key) = key else {
            return Err(BadValue::new("is a dictionary whose keys are not strings"));
        };
        let key = key.as_str().to_owned();
        let value = value_of(value).map_err(|bad| bad.under(&key))?;
        Ok((key, value))
    });
    pairs.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}
