//! What is sent is what is read, through the bus's own bytes.

use std::collections::HashMap;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::message::Message;
use zbus::{OwnedVariant, Variant};

use super::*;
use crate::samples;

/// Puts the fields into a message and takes them out of its bytes.
fn carried(fields: Sent) -> Received {
    let message = Message::signal("/", "dev.windlass.Test1", "Test").build(&(fields,)).unwrap();
    let (received,) = message.body().deserialize().unwrap();
    received
}

fn through_the_bus<T: Serialize + DeserializeOwned>(value: &T) -> T {
    read(carried(to_fields(value).unwrap())).unwrap()
}

proptest! {
    #[test]
    fn any_json_object_survives(value in samples::json()) {
        let document = serde_json::json!({ "value": value });
        let received = carried(to_fields(&document).unwrap());
        prop_assert_eq!(to_json(received).unwrap(), document);
    }

    #[test]
    fn events_survive_with_the_hash_of_what_they_hold(event in samples::event()) {
        let received = through_the_bus(&event);
        prop_assert_eq!(received.hash_of().unwrap(), event.hash_of().unwrap());
        prop_assert_eq!(received, event);
    }

    #[test]
    fn runs_survive(view in samples::run_view()) {
        prop_assert_eq!(through_the_bus(&view), view);
    }

    #[test]
    fn items_survive(view in samples::item_view()) {
        prop_assert_eq!(through_the_bus(&view), view);
    }

    #[test]
    fn submissions_survive(request in samples::submit_run()) {
        prop_assert_eq!(through_the_bus(&request), request);
    }

    #[test]
    fn edits_answers_and_queries_survive(
        edit in samples::edit_item(), answer in samples::answer_context(), query in samples::list_runs(),
    ) {
        prop_assert_eq!(through_the_bus(&edit), edit);
        prop_assert_eq!(through_the_bus(&answer), answer);
        prop_assert_eq!(through_the_bus(&query), query);
    }

    #[test]
    fn a_weight_is_near_the_bytes_that_a_message_takes(event in samples::event()) {
        let fields = to_fields(&event).unwrap();
        let estimated: usize = fields.values().map(weight).sum();
        let message = Message::signal("/", "dev.windlass.Test1", "Test").build(&(fields,)).unwrap();
        let actual = message.body().len();
        prop_assert!((actual / 3..=actual * 3).contains(&estimated), "{estimated} for {actual}");
    }
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Unit,
    Newtype(u8),
    Tuple(i8, bool),
    Struct { absent: Option<u8>, text: &'static str },
}

#[test]
fn each_kind_of_value_has_the_type_that_the_table_names() {
    let value = serde_json::json!({
        "text": "a", "nul": "a\0", "truth": true, "count": 1, "negative": -1, "float": 0.5, "null": null,
        "texts": ["a", "b"], "objects": [{"a": 1}, {}], "mixed": ["a", 1], "numbers": [1, 2], "none": [], "nulls": [null],
        "nul_texts": ["a\0", "b"], "object": {"a": {"b": 1}},
    });
    let fields = to_fields(&value).unwrap();
    let types: Vec<_> =
        fields.iter().map(|(key, value)| format!("{key} {}", value.value_signature())).collect();
    let expected = [
        "count t",
        "float d",
        "mixed av",
        "negative x",
        "none av",
        "nul ay",
        "nul_texts av",
        "null g",
        "nulls av",
        "numbers av",
        "object a{sv}",
        "objects aa{sv}",
        "text s",
        "texts as",
        "truth b",
    ];
    assert_eq!(types, expected);
}

#[test]
fn enums_and_absent_options_are_written_as_json_writes_them() {
    let shapes = HashMap::from([(
        "shapes",
        [Shape::Unit, Shape::Newtype(1), Shape::Tuple(-1, true), Shape::Struct { absent: None, text: "a" }],
    )]);
    let received = carried(to_fields(&shapes).unwrap());
    let expected = serde_json::json!({
        "shapes": ["unit", {"newtype": 1}, {"tuple": [-1, true]}, {"struct": {"text": "a"}}],
    });
    assert_eq!(to_json(received).unwrap(), expected);
}

#[test]
fn what_d_bus_cannot_carry_is_refused_before_it_is_sent() {
    assert_eq!(to_fields(&[1]), Err(NotOnBus::NotAnObject));
    assert_eq!(to_fields(&HashMap::from([("a", f64::NAN)])), Err(NotOnBus::NotFinite));
    let nul_key = serde_json::json!({ "a\0": 1 });
    assert_eq!(to_fields(&nul_key), Err(NotOnBus::NulInKey { key: "a\\0".to_owned() }));
    assert_eq!(to_fields(&HashMap::from([((1, 2), 1)])), Err(NotOnBus::KeyNotText));
}

#[test]
fn a_caller_may_use_the_types_at_hand() {
    let fields = HashMap::from([
        ("byte", Variant::from(1_u8)),
        ("short", Variant::from(-2_i16)),
        ("signed", Variant::from(3_i64)),
        ("nested", Variant::Variant(Box::new(Variant::Variant(Box::new(Variant::from("a")))))),
        ("texts", Variant::from(HashMap::from([("key", "value")]))),
        ("numbers", Variant::from(vec![1_u32, 2])),
        ("bytes", Variant::from(b"text".to_vec())),
        ("path", Variant::from(zbus::ObjectPath::from_static_str("/a").unwrap())),
    ]);
    let fields: Sent = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let expected = serde_json::json!({
        "byte": 1, "short": -2, "signed": 3, "nested": "a", "texts": {"key": "value"}, "numbers": [1, 2], "bytes": "text",
        "path": "/a",
    });
    assert_eq!(to_json(carried(fields)).unwrap(), expected);
}

#[test]
fn a_value_without_a_meaning_is_refused_by_its_key() {
    let refused = |value: Variant<'static>| {
        let inner = HashMap::from([("inner", value)]);
        let fields =
            Received::from([("outer".to_owned(), OwnedVariant::try_from(Variant::from(inner)).unwrap())]);
        to_json(fields).unwrap_err().to_string()
    };
    assert_eq!(
        refused(Variant::new((1_u8, 2_u8))),
        "`outer.inner` has the D-Bus type `(yy)`, which means nothing here"
    );
    assert_eq!(refused(Variant::from(f64::INFINITY)), "`outer.inner` is not a finite number");
    assert_eq!(refused(Variant::from(vec![0xff_u8])), "`outer.inner` holds bytes that are not UTF-8");
    assert_eq!(
        refused(Variant::from(HashMap::from([(1_u8, 1_u8)]))),
        "`outer.inner` is a dictionary whose keys are not strings"
    );
}
