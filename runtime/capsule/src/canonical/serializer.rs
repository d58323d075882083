//! The serializer: writes members as they come and sorts each object when it ends.

use std::cmp::Ordering;
use std::fmt::{Display, Write as _};
use std::ops::Range;

use serde::ser::{self, Serialize};

use super::NotCanonical;

/// Integers up to this are the same as doubles and as texts.
const MAX_EXACT: u64 = 1 << 53;

pub(super) struct Canonical<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

impl<'a> Canonical<'a> {
    fn again(&mut self) -> Canonical<'_> {
        Canonical { out: self.out }
    }

    fn integer(self, negative: bool, size: u64) -> Result<(), NotCanonical> {
        if size > MAX_EXACT {
            #[expect(
                clippy::cast_precision_loss,
                reason = "RFC 8785 writes every number as the nearest double"
            )]
            let double = size as f64;
            return self.double(if negative { -double } else { double });
        }
        if negative {
            self.out.push(b'-');
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
        self.out.extend_from_slice(&digits[place..]);
        Ok(())
    }

    fn double(self, number: f64) -> Result<(), NotCanonical> {
        let text = serde_json_canonicalizer::to_vec(&number).map_err(ser::Error::custom)?;
        self.out.extend_from_slice(&text);
        Ok(())
    }

    fn object(self, open: &[u8]) -> Object<'a> {
        self.out.extend_from_slice(open);
        self.out.push(b'{');
        let start = self.out.len();
        Object { out: self.out, start, members: Vec::with_capacity(8), sorted: true, close: open.is_empty() }
    }

    fn array(self, open: &[u8]) -> Array<'a> {
        self.out.extend_from_slice(open);
        self.out.push(b'[');
        Array { out: self.out, first: true, close: open.is_empty() }
    }

    /// What precedes the value of a variant that is an object of one member.
    fn variant(name: &str) -> Vec<u8> {
        let mut open = vec![b'{'];
        string(&mut open, name);
        open.push(b':');
        open
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
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
        out.extend_from_slice(&text.as_bytes()[from..place]);
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(escape);
        }
        from = place + 1;
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
    out.push(b'"');
}

/// An object being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    members: Vec<Member>,
    /// Whether the members came in their order so far.
    sorted: bool,
    /// Whether only its own brace is to be closed, and not also that of a variant.
    close: bool,
}

/// Where a member stands in what was written: its key without quotes, and all of it.
struct Member {
    key: Range<usize>,
    whole: Range<usize>,
}

impl Object<'_> {
    fn begin_key(&mut self) {
        if !self.members.is_empty() {
            self.out.push(b',');
        }
    }

    fn end_key(&mut self, start: usize) -> Result<(), NotCanonical> {
        let end = self.out.len();
        if self.out.get(start) != Some(&b'"') {
            return Err(NotCanonical("a key of an object is no text".to_owned()));
        }
        let key = start + 1..end - 1;
        if let Some(last) = self.members.last() {
            let order = compare(&self.out[last.key.clone()], &self.out[key.clone()]);
            self.sorted &= order == Ordering::Less;
        }
        self.members.push(Member { key, whole: start..end });
        self.out.push(b':');
        Ok(())
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), NotCanonical> {
        value.serialize(Canonical { out: self.out })?;
        let member = self.members.last_mut().ok_or_else(|| NotCanonical("a value has no key".to_owned()))?;
        member.whole.end = self.out.len();
        Ok(())
    }

    fn named(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), NotCanonical> {
        self.begin_key();
        let start = self.out.len();
        string(self.out, key);
        self.end_key(start)?;
        self.value(value)
    }

    fn finish(mut self) -> Result<(), NotCanonical> {
        if !self.sorted {
            let written = self.out.split_off(self.start);
            let place = |range: &Range<usize>| range.start - self.start..range.end - self.start;
            self.members
                .sort_by(|one, other| compare(&written[place(&one.key)], &written[place(&other.key)]));
            self.members.dedup_by(|later, one| written[place(&later.key)] == written[place(&one.key)]);
            for (number, member) in self.members.iter().enumerate() {
                if number > 0 {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(&written[place(&member.whole)]);
            }
        }
        self.out.extend_from_slice(if self.close { b"}" } else { b"}}" });
        Ok(())
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
    out: &'a mut Vec<u8>,
    first: bool,
    /// Whether only its own bracket is to be closed, and not also the brace of a variant.
    close: bool,
}

impl Array<'_> {
    fn element(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), NotCanonical> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        value.serialize(Canonical { out: self.out })
    }

    fn finish(self) {
        self.out.extend_from_slice(if self.close { b"]" } else { b"]}" });
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
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
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
        self.integer(value < 0, value.unsigned_abs())
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
        self.integer(false, value)
    }
    fn serialize_f32(self, value: f32) -> Result<(), NotCanonical> {
        let text = serde_json_canonicalizer::to_vec(&value).map_err(ser::Error::custom)?;
        self.out.extend_from_slice(&text);
        Ok(())
    }
    fn serialize_f64(self, value: f64) -> Result<(), NotCanonical> {
        self.double(value)
    }
    fn serialize_char(self, value: char) -> Result<(), NotCanonical> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<(), NotCanonical> {
        string(self.out, value);
        Ok(())
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
        self.out.extend_from_slice(b"null");
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
        _: &'static str,
        value: &T,
    ) -> Result<(), NotCanonical> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NotCanonical> {
        self.out.extend_from_slice(&Self::variant(variant));
        value.serialize(self.again())?;
        self.out.push(b'}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'a>, NotCanonical> {
        Ok(self.array(b""))
    }
    fn serialize_tuple(self, _: usize) -> Result<Array<'a>, NotCanonical> {
        Ok(self.array(b""))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'a>, NotCanonical> {
        Ok(self.array(b""))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'a>, NotCanonical> {
        Ok(self.array(&Self::variant(variant)))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, NotCanonical> {
        Ok(self.object(b""))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, NotCanonical> {
        Ok(self.object(b""))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, NotCanonical> {
        Ok(self.object(&Self::variant(variant)))
    }
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), NotCanonical> {
        let mut text = String::new();
        write!(text, "{value}").map_err(|_| NotCanonical("a value has no text".to_owned()))?;
        self.serialize_str(&text)
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
                self.finish()
            }
        })+
    };
}

object!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = NotCanonical;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotCanonical> {
        self.begin_key();
        let start = self.out.len();
        key.serialize(Canonical { out: self.out })?;
        self.end_key(start)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCanonical> {
        self.value(value)
    }
    fn end(self) -> Result<(), NotCanonical> {
        self.finish()
    }
}
