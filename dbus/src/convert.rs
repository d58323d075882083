//! The one mapping between contract types and D-Bus values.
//!
//! | serde | D-Bus |
//! |---|---|
//! | object | `a{sv}` |
//! | array of strings | `as` |
//! | array of objects | `aa{sv}` |
//! | any other array, an empty one too | `av` |
//! | string | `s`; `ay` (UTF-8) when it holds a NUL, which no D-Bus string can |
//! | bool | `b` |
//! | integer | `t`; `x` when negative |
//! | float | `d` |
//! | an absent option | left out; inside an array `g ""` |
//! | a JSON `null` that is data | `g ""`, the signature of nothing |
//!
//! Reading back is wider than writing: any integer type, nested variants and `a{ss}` are understood, so that a caller may use the
//! types at hand. Absent options and `null`s are told apart, because an event's hash covers a `null` that is data.
//!
//! It is not a place for wire types: there are none.

mod from_bus;
mod to_bus;

pub(crate) use from_bus::{Received, read, to_json};
pub(crate) use to_bus::{NotOnBus, Sent, to_fields, weight};

#[cfg(test)]
mod tests;
