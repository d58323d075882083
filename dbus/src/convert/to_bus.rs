//! From contract types to D-Bus values, as a serde serializer.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use zbus::{Array, Dict, Signature, Type, Variant};

/// An `a{sv}` that is about to be sent.
pub(crate) type Sent = BTreeMap<String, Variant<'static>>;

/// A value, or nothing where an option is absent.
type Slot = Option<Variant<'static>>;

/// Why a value cannot be sent over D-Bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOnBus {
    /// It is no object.
    #[error("the value is not an object")]
    NotAnObject,
    /// A key is no text.
    #[error("an object's key is not a text")]
    KeyNotText,
    /// A key holds a NUL, which no D-Bus string can.
    #[error("the key `{key}` holds a NUL character, which D-Bus cannot carry")]
    NulInKey {
        /// The key, escaped.
        key: String,
    },
    /// A number is infinite or no number.
    #[error("a number is not finite")]
    NotFinite,
    /// The type itself refuses to be serialized.
    #[error("{message}")]
    Refused {
        /// Its words.
        message: String,
    },
    /// The containers do not fit into each other. The types built here always do.
    #[error("the value has no D-Bus type")]
    NoType,
}

impl serde::ser::Error for NotOnBus {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Refused { message: message.to_string() }
    }
}

/// The value as `a{sv}`.
///
/// # Errors
/// [`NotOnBus`] for what D-Bus cannot express; no contract type is of that kind unless it holds a NUL in a key.
pub(crate) fn to_fields<T: Serialize + ?Sized>(value: &T) -> Result<Sent, NotOnBus> {
    let Some(Variant::Dict(dict)) = value.serialize(ToBus)? else {
        return Err(NotOnBus::NotAnObject);
    };
    dict.into_iter()
        .map(|(key, value)| match (key, value) {
            (Variant::Str(key), Variant::Variant(value)) => Ok((key.as_str().to_owned(), *value)),
            _ => Err(NotOnBus::NoType),
        })
        .collect()
}

/// About how many bytes the value takes in a message.
pub(crate) fn weight(value: &Variant<'_>) -> usize {
    /// A length, a signature and padding.
    const FRAME: usize = 16;
    FRAME
        + match value {
            Variant::Str(text) => text.len(),
            Variant::Variant(inner) => weight(inner),
            Variant::Array(array) if *array.element_signature() == Signature::U8 => array.len(),
            Variant::Array(array) => array.inner().iter().map(weight).sum(),
            Variant::Dict(dict) => dict.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
            _ => 0,
        }
}

/// The signature of nothing: what a `null` is on the bus.
fn null() -> Variant<'static> {
    Variant::Signature(Signature::Unit)
}

fn text(value: &str) -> Variant<'static> {
    if value.contains('\0') {
        Variant::from(value.as_bytes().to_vec())
    } else {
        Variant::from(value.to_owned())
    }
}

/// Makes one value.
struct ToBus;

/// Makes an array.
#[derive(Default)]
struct ArrayToBus {
    elements: Vec<Slot>,
}

/// Makes an object.
#[derive(Default)]
struct ObjectToBus {
    fields: BTreeMap<String, Variant<'static>>,
    key: Option<String>,
}

/// Makes what an externally tagged variant holds: `{ tag: content }`.
struct Tagged<Content> {
    tag: &'static str,
    content: Content,
}

impl ArrayToBus {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotOnBus> {
        self.elements.push(value.serialize(ToBus)?);
        Ok(())
    }

    fn finish(self) -> Result<Variant<'static>, NotOnBus> {
        let object = <BTreeMap<String, Variant<'_>>>::SIGNATURE;
        let all = |signature: &Signature| {
            let mut slots = self.elements.iter();
            !self.elements.is_empty()
                && slots.all(|slot| slot.as_ref().is_some_and(|value| value.value_signature() == signature))
        };
        let element = [&Signature::Str, object].into_iter().find(|signature| all(signature));
        let mut array = Array::new(element.unwrap_or(&Signature::Variant));
        for slot in self.elements {
            let value = slot.unwrap_or_else(null);
            let value = if element.is_some() { value } else { Variant::Variant(Box::new(value)) };
            array.append(value).map_err(|_| NotOnBus::NoType)?;
        }
        Ok(Variant::Array(array))
    }
}

impl ObjectToBus {
    fn insert<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), NotOnBus> {
        if key.contains('\0') {
            return Err(NotOnBus::NulInKey { key: key.escape_debug().to_string() });
        }
        if let Some(value) = value.serialize(ToBus)? {
            self.fields.insert(key.to_owned(), value);
        }
        Ok(())
    }

    fn finish(self) -> Result<Variant<'static>, NotOnBus> {
        let mut dict = Dict::new(&Signature::Str, &Signature::Variant);
        for (key, value) in self.fields {
            dict.append(Variant::from(key), Variant::Variant(Box::new(value)))
                .map_err(|_| NotOnBus::NoType)?;
        }
        Ok(Variant::Dict(dict))
    }
}

fn tagged(tag: &str, content: Variant<'static>) -> Result<Slot, NotOnBus> {
    let object = ObjectToBus { fields: BTreeMap::from([(tag.to_owned(), content)]), key: None };
    object.finish().map(Some)
}

impl Serializer for ToBus {
    type Ok = Slot;
    type Error = NotOnBus;
    type SerializeSeq = ArrayToBus;
    type SerializeTuple = ArrayToBus;
    type SerializeTupleStruct = ArrayToBus;
    type SerializeTupleVariant = Tagged<ArrayToBus>;
    type SerializeMap = ObjectToBus;
    type SerializeStruct = ObjectToBus;
    type SerializeStructVariant = Tagged<ObjectToBus>;

    fn serialize_bool(self, value: bool) -> Result<Slot, NotOnBus> {
        Ok(Some(Variant::Bool(value)))
    }
    fn serialize_i8(self, value: i8) -> Result<Slot, NotOnBus> {
        self.serialize_i64(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<Slot, NotOnBus> {
        self.serialize_i64(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<Slot, NotOnBus> {
        self.serialize_i64(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<Slot, NotOnBus> {
        Ok(Some(u64::try_from(value).map_or(Variant::I64(value), Variant::U64)))
    }
    fn serialize_u8(self, value: u8) -> Result<Slot, NotOnBus> {
        self.serialize_u64(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<Slot, NotOnBus> {
        self.serialize_u64(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<Slot, NotOnBus> {
        self.serialize_u64(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<Slot, NotOnBus> {
        Ok(Some(Variant::U64(value)))
    }
    fn serialize_f32(self, value: f32) -> Result<Slot, NotOnBus> {
        self.serialize_f64(value.into())
    }
    fn serialize_f64(self, value: f64) -> Result<Slot, NotOnBus> {
        if value.is_finite() { Ok(Some(Variant::F64(value))) } else { Err(NotOnBus::NotFinite) }
    }
    fn serialize_char(self, value: char) -> Result<Slot, NotOnBus> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<Slot, NotOnBus> {
        Ok(Some(text(value)))
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<Slot, NotOnBus> {
        // As JSON has it: an array of numbers.
        self.collect_seq(value)
    }
    fn serialize_none(self) -> Result<Slot, NotOnBus> {
        Ok(None)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Slot, NotOnBus> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Slot, NotOnBus> {
        Ok(Some(null()))
    }
    fn serialize_unit_struct(self, _name: &'static str) -> Result<Slot, NotOnBus> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        tag: &'static str,
    ) -> Result<Slot, NotOnBus> {
        self.serialize_str(tag)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Slot, NotOnBus> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        tag: &'static str,
        value: &T,
    ) -> Result<Slot, NotOnBus> {
        tagged(tag, value.serialize(ToBus)?.unwrap_or_else(null))
    }
    fn serialize_seq(self, _len: Option<usize>) -> Result<ArrayToBus, NotOnBus> {
        Ok(ArrayToBus::default())
    }
    fn serialize_tuple(self, _len: usize) -> Result<ArrayToBus, NotOnBus> {
        Ok(ArrayToBus::default())
    }
    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<ArrayToBus, NotOnBus> {
        Ok(ArrayToBus::default())
    }
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        tag: &'static str,
        _len: usize,
    ) -> Result<Tagged<ArrayToBus>, NotOnBus> {
        Ok(Tagged { tag, content: ArrayToBus::default() })
    }
    fn serialize_map(self, _len: Option<usize>) -> Result<ObjectToBus, NotOnBus> {
        Ok(ObjectToBus::default())
    }
    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<ObjectToBus, NotOnBus> {
        Ok(ObjectToBus::default())
    }
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        tag: &'static str,
        _len: usize,
    ) -> Result<Tagged<ObjectToBus>, NotOnBus> {
        Ok(Tagged { tag, content: ObjectToBus::default() })
    }
}

impl SerializeSeq for ArrayToBus {
    type Ok = Slot;
    type Error = NotOnBus;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotOnBus> {
        self.push(value)
    }
    fn end(self) -> Result<Slot, NotOnBus> {
        self.finish().map(Some)
    }
}

impl SerializeTuple for ArrayToBus {
    type Ok = Slot;
    type Error = NotOnBus;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotOnBus> {
        self.push(value)
    }
    fn end(self) -> Result<Slot, NotOnBus> {
        self.finish().map(Some)
    }
}

impl SerializeTupleStruct for ArrayToBus {
    type Ok = Slot;
    type Error = NotOnBus;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotOnBus> {
        self.push(value)
    }
    fn end(self) -> Result<Slot, NotOnBus> {
        self.finish().map(Some)
    }
}

impl SerializeTupleVariant for Tagged<ArrayToBus> {
    type Ok = Slot;
    type Error = NotOnBus;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotOnBus> {
        self.content.push(value)
    }
    fn end(self) -> Result<Slot, NotOnBus> {
        tagged(self.tag, self.content.finish()?)
    }
}

impl SerializeMap for ObjectToBus {
    type Ok = Slot;
    type Error = NotOnBus;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotOnBus> {
        // JSON's own rule decides which keys are text.
        let key = serde_json::to_value(key).map_err(|_| NotOnBus::KeyNotText)?;
        self.key = Some(match key {
            serde_json::Value::String(key) => key,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(truth) => truth.to_string(),
            _ => return Err(NotOnBus::KeyNotText),
        });
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotOnBus> {
        let key = self.key.take().ok_or(NotOnBus::KeyNotText)?;
        self.insert(&key, value)
    }
    fn end(self) -> Result<Slot, NotOnBus> {
        self.finish().map(Some)
    }
}

impl SerializeStruct for ObjectToBus {
    type Ok = Slot;
    type Error = NotOnBus;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), NotOnBus> {
        self.insert(key, value)
    }
    fn end(self) -> Result<Slot, NotOnBus> {
        self.finish().map(Some)
    }
}

impl SerializeStructVariant for Tagged<ObjectToBus> {
    type Ok = Slot;
    type Error = NotOnBus;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), NotOnBus> {
        self.content.insert(key, value)
    }
    fn end(self) -> Result<Slot, NotOnBus> {
        tagged(self.tag, self.content.finish()?)
    }
}
