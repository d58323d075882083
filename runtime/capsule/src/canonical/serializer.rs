//! The serializer: writes members as they come and sorts each object when it ends.

use std::cmp::Ordering;
use std::fmt::{self, Display, Write as _};
use std::ops::Range;

use serde::ser::{self, Serialize};
use windlass_domain::digest::CANONICAL_TEXT;

use super::NotCanonical;

/// Integers up to this are the same as doubles and as texts.
const MAX_EXACT: u64 = 1 << 53;

/// Where a value is written to. One that is used again allocates nothing new.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The text so far.
    text: Vec<u8>,
    /// The members of the objects that are being written, the innermost last.
    members: Vec<Member>,
}

/// Where a member stands in the text: its key without quotes, and all of it.
#[derive(Debug, Clone)]
struct Member {
    key: Range<usize>,
    whole: Range<usize>,
}

impl Scratch {
    /// Writes a value in place of what was there.
    pub(super) fn write(&mut self, value: &impl Serialize) -> Result<&[u8], NotCanonical> {
        self.text.clear();
        self.members.clear();
        value.serialize(Canonical::of(self))?;
        Ok(&self.text)
    }

    fn string(&mut self, text: &str) {
        self.text.push(b'"');
        self.escaped(text);
        self.text.push(b'"');
    }

    fn escaped(&mut self, text: &str) {
        let mut from = 0;
        for (place, byte) in text.bytes().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                0x08 => b"\\b",
                b'\t' => b"\\t",
                b'\n' => b"\\n",
                0x0c => b"\\f",
                b'\r' => b"\\r",
                0..0x20 => b"",
                _ => continue,
            };
            self.text.extend_from_slice(&text.as_bytes()[from..place]);
            if escape.is_empty() {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                self.text.extend_from_slice(b"\\u00");
                self.text.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            } else {
                self.text.extend_from_slice(escape);
            }
            from = place + 1;
        }
        self.text.extend_from_slice(&text.as_bytes()[from..]);
    }

    fn integer(&mut self, negative: bool, size: u64) -> Result<(), NotCanonical> {
        if size > MAX_EXACT {
            #[expect(
                clippy::cast_precision_loss,
                reason = "RFC 8785 writes every number as the nearest double"
            )]
            let double = size as f64;
            return self.float(if negative { -double } else { double });
        }
        if negative {
            self.text.push(b'-');
        }
        let mut digits = [0; 20];
        let (mut place, mut rest) = (digits.len(), size);
        loop {
            place -= 1;
            digits[place] = b'0' + u8::try_from(rest % 10).expect("a digit is below ten");
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.text.extend_from_slice(&digits[place..]);
        Ok(())
    }

    /// Floats are rare here, and their shortest texts are another's art.
    fn float(&mut self, number: impl Serialize) -> Result<(), NotCanonical> {
        let text = serde_json_canonicalizer::to_vec(&number).map_err(ser::Error::custom)?;
        self.text.extend_from_slice(&text);
        Ok(())
    }

    /// What precedes the value of a variant, which is an object of one member.
    fn open_variant(&mut self, variant: &str) {
        self.text.push(b'{');
        self.string(variant);
        self.text.push(b':');
    }
}

/// Writes the inside of a string.
struct Inside<'a>(&'a mut Scratch);

impl fmt::Write for Inside<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.escaped(text);
        Ok(())
    }
}

/// An object being written.
pub(super) struct Object<'a> {
    scratch: &'a mut Scratch,
    /// Where its members begin in the text.
    start: usize,
    /// Where its members begin in the list.
    first: usize,
    /// Whether the members came in their order so far.
    sorted: bool,
    in_variant: bool,
}

impl<'a> Object<'a> {
    fn open(scratch: &'a mut Scratch, variant: Option<&str>) -> Self {
        if let Some(variant) = variant {
            scratch.open_variant(variant);
        }
        scratch.text.push(b'{');
        let (start, first) = (scratch.text.len(), scratch.members.len());
        Self { scratch, start, first, sorted: true, in_variant: variant.is_some() }
    }

    /// Gives where the key is to begin.
    fn begin_key(&mut self) -> usize {
        if self.scratch.members.len() > self.first {
            self.scratch.text.push(b',');
        }
        self.scratch.text.len()
    }

    fn end_key(&mut self, start: usize) -> Result<(), NotCanonical> {
        let Scratch { text, members } = &mut *self.scratch;
        let end = text.len();
        if text.get(start) != Some(&b'"') {
            return Err(NotCanonical("a key of an object is no text".to_owned()));
        }
        let key = start + 1..end - 1;
        if let Some(last) = members[self.first..].last() {
            self.sorted &= compare(&text[last.key.clone()], &text[key.clone()]) == Ordering::Less;
        }
        members.push(Member { key, whole: start..end });
        text.push(b':');
        Ok(())
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), NotCanonical> {
        value.serialize(Canonical::of(self.scratch))?;
        let end = self.scratch.text.len();
        let member =
            self.scratch.members.last_mut().ok_or_else(|| NotCanonical("a value has no key".to_owned()))?;
        member.whole.end = end;
        Ok(())
    }

    fn named(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), NotCanonical> {
        let start = self.begin_key();
        self.scratch.string(key);
        self.end_key(start)?;
        self.value(value)
    }

    fn finish(self) {
        let Scratch { text, members } = self.scratch;
        if !self.sorted {
            let own = &mut members[self.first..];
            own.sort_by(|one, other| compare(&text[one.key.clone()], &text[other.key.clone()]));
            // Written again behind themselves in their order, and moved to where they began.
            let end = text.len();
            let mut before: Option<Range<usize>> = None;
            for member in own.iter() {
                match before.replace(member.key.clone()) {
                    Some(before) if text[before.clone()] == text[member.key.clone()] => continue,
                    Some(_) => text.push(b','),
                    None => {}
                }
                text.extend_from_within(member.whole.clone());
            }
            text.copy_within(end.., self.start);
            text.truncate(self.start + text.len() - end);
        }
        members.truncate(self.first);
        text.extend_from_slice(if self.in_variant { b"}}" } else { b"}" });
    }
}

/// The order of two keys, both as they stand between quotes: by UTF-16 code units of what they mean.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let plain = |key: &[u8]| key.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
    if plain(one) && plain(other) {
        return one.cmp(other);
    }
    let units = |key: &[u8]| {
        let quoted = [b"\"".as_slice(), key, b"\""].concat();
        let text: String = serde_json::from_slice(&quoted).expect("it was written as a JSON string");
        text.encode_utf16().collect::<Vec<_>>()
    };
    units(one).cmp(&units(other))
}

/// An array being written.
pub(super) struct Array<'a> {
    scratch: &'a mut Scratch,
    empty: bool,
    in_variant: bool,
}

impl<'a> Array<'a> {
    fn open(scratch: &'a mut Scratch, variant: Option<&str>) -> Self {
        if let Some(variant) = variant {
            scratch.open_variant(variant);
        }
        scratch.text.push(b'[');
        Self { scratch, empty: true, in_variant: variant.is_some() }
    }

    fn element(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), NotCanonical> {
        if !std::mem::replace(&mut self.empty, false) {
            self.scratch.text.push(b',');
        }
        value.serialize(Canonical::of(self.scratch))
    }

    fn finish(self) {
        self.scratch.text.extend_from_slice(if self.in_variant { b"]}" } else { b"]" });
    }
}

pub(super) struct Canonical<'a> {
    scratch: &'a mut Scratch,
    /// The next text is canonical JSON already; see [`CANONICAL_TEXT`].
    verbatim: bool,
}

impl<'a> Canonical<'a> {
    fn of(scratch: &'a mut Scratch) -> Self {
        Self { scratch, verbatim: false }
    }
}

impl<'a> ser::Serializer for Canonical<'a> {
    type Ok = ();
    type Error = NotCanonical;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Array<'a>;
    type SerializeTupleVariant = Array<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), NotCanonical> {
        self.scratch.text.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }
    fn serialize_i8(self, value: i8) -> Result<(), NotCanonical> {
        self.serialize_i64(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<(), NotCanonical> {
        self.serialize_i64(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<(), NotCanonical> {
        self.serialize_i64(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<(), NotCanonical> {
        self.scratch.integer(value < 0, value.unsigned_abs())
    }
    fn serialize_u8(self, value: u8) -> Result<(), NotCanonical> {
        self.serialize_u64(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<(), NotCanonical> {
        self.serialize_u64(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<(), NotCanonical> {
        self.serialize_u64(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<(), NotCanonical> {
        self.scratch.integer(false, value)
    }
    fn serialize_f32(self, value: f32) -> Result<(), NotCanonical> {
        self.scratch.float(value)
    }
    fn serialize_f64(self, value: f64) -> Result<(), NotCanonical> {
        self.scratch.float(value)
    }
    fn serialize_char(self, value: char) -> Result<(), NotCanonical> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<(), NotCanonical> {
        if self.verbatim {
            self.scratch.text.extend_from_slice(value.as_bytes());
        } else {
            self.scratch.string(value);
        }
        Ok(())
    }
    fn is_human_readable(&self) -> bool {
        !self.verbatim
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<(), NotCanonical> {
        self.collect_seq(value)
    }
    fn serialize_none(self) -> Result<(), NotCanonical> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotCanonical> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), NotCanonical> {
        self.scratch.text.extend_from_slice(b"null");
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NotCanonical> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), NotCanonical> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotCanonical> {
        if name == CANONICAL_TEXT {
            return value.serialize(Canonical { verbatim: true, ..self });
        }
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NotCanonical> {
        self.scratch.open_variant(variant);
        value.serialize(Canonical::of(self.scratch))?;
        self.scratch.text.push(b'}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'a>, NotCanonical> {
        Ok(Array::open(self.scratch, None))
    }
    fn serialize_tuple(self, _: usize) -> Result<Array<'a>, NotCanonical> {
        Ok(Array::open(self.scratch, None))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'a>, NotCanonical> {
        Ok(Array::open(self.scratch, None))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'a>, NotCanonical> {
        Ok(Array::open(self.scratch, Some(variant)))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, NotCanonical> {
        Ok(Object::open(self.scratch, None))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, NotCanonical> {
        Ok(Object::open(self.scratch, None))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, NotCanonical> {
        Ok(Object::open(self.scratch, Some(variant)))
    }
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), NotCanonical> {
        self.scratch.text.push(b'"');
        write!(Inside(self.scratch), "{value}")
            .map_err(|_| NotCanonical("a value has no text".to_owned()))?;
        self.scratch.text.push(b'"');
        Ok(())
    }
}

macro_rules! array {
    ($($part:ident :: $method:ident),+) => {
        $(impl ser::$part for Array<'_> {
            type Ok = ();
            type Error = NotCanonical;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCanonical> {
                self.element(value)
            }
            fn end(self) -> Result<(), NotCanonical> {
                self.finish();
                Ok(())
            }
        })+
    };
}

array! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}

macro_rules! object {
    ($($part:ident),+) => {
        $(impl ser::$part for Object<'_> {
            type Ok = ();
            type Error = NotCanonical;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), NotCanonical> {
                self.named(key, value)
            }
            fn end(self) -> Result<(), NotCanonical> {
                self.finish();
                Ok(())
            }
        })+
    };
}

object!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = NotCanonical;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotCanonical> {
        let start = self.begin_key();
        key.serialize(Canonical::of(self.scratch))?;
        self.end_key(start)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCanonical> {
        self.value(value)
    }
    fn end(self) -> Result<(), NotCanonical> {
        self.finish();
        Ok(())
    }
}
