//! Evolved and unusable schemas, and what is said about them.

use super::*;
use serde_json::{Value as Json, json};

fn contract() -> Json {
    serde_json::from_str(crate::pipeline::registry::BUNDLED_SCHEMA).unwrap()
}

/// The contract with one field's type replaced.
fn with(name: &str, schema: Json) -> Json {
    let mut contract = contract();
    let fields = contract["fields"].as_array_mut().unwrap();
    let field = fields.iter_mut().find(|field| field["name"] == name).unwrap();
    *field = json!({ "name": name });
    field["type"] = schema;
    contract
}

fn without(name: &str) -> Json {
    let mut contract = contract();
    contract["fields"]
        .as_array_mut()
        .unwrap()
        .retain(|field| field["name"] != name);
    contract
}

fn compile(schema: &Json) -> Result<DecodePlan, PlanError> {
    DecodePlan::compile(&Schema::parse(schema).unwrap())
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len() * 2).unwrap()], text.as_bytes()].concat()
}

/// A body of the contract, field by field.
fn parts() -> [Vec<u8>; 9] {
    [
        text("e"),
        vec![2],
        text("s"),
        vec![2],
        text("STEP"),
        vec![6],
        text("o"),
        vec![2, 2, b'{'],
        vec![4],
    ]
}

fn with_part(index: usize, bytes: Vec<u8>) -> Vec<u8> {
    let mut parts = parts();
    parts[index] = bytes;
    parts.concat()
}

fn refused(plan: &DecodePlan, body: &[u8]) -> (DefectReason, String) {
    let defect = plan.decode(body).unwrap_err();
    (defect.reason, defect.detail)
}

#[test]
fn the_published_schema_is_read_without_copying() {
    let plan = compile(&contract()).unwrap();
    let body = parts().concat();
    let decoded = plan.decode(&body).unwrap();
    let expected = Decoded {
        event_id: "e",
        event_timestamp: 1,
        saga_id: "s",
        saga_type: "PAYMENT_COMPLETION",
        step: "STEP",
        status: "FAILED",
        order_id: "o",
        metadata: Some("{"),
        recorded_at: 2,
    };
    assert_eq!(decoded, expected);
    assert!(
        body.as_ptr_range().contains(&decoded.step.as_ptr()),
        "borrowed from the body"
    );
}

#[test]
fn what_the_record_is_called_does_not_matter() {
    for (name, namespace) in [("SagaTracker", "renamed.v2"), ("Other", ""), ("Other", "a.b")] {
        let mut schema = contract();
        schema["name"] = name.into();
        schema["namespace"] = namespace.into();
        assert_eq!(
            compile(&schema).unwrap().decode(&parts().concat()).unwrap().step,
            "STEP"
        );
    }
}

#[test]
fn a_missing_field_is_named_unless_it_is_the_metadata() {
    for name in [
        "eventId",
        "eventTimestamp",
        "sagaId",
        "sagaType",
        "step",
        "status",
        "orderId",
        "recordedAt",
    ] {
        let said = compile(&without(name)).unwrap_err().to_string();
        assert_eq!(
            said,
            format!("field {name} is missing from the writer schema and has no default")
        );
    }
    let plan = compile(&without("metadata")).unwrap();
    assert_eq!(plan.decode(&with_part(7, vec![])).unwrap().metadata, None);
}

#[test]
fn a_field_of_another_type_is_named_with_what_is_accepted() {
    let said = |name, schema| compile(&with(name, schema)).unwrap_err().to_string();
    assert_eq!(
        said("step", json!("int")),
        "field step is of type int in the writer schema; accepted: string, bytes, an enum, or a union with one of them"
    );
    let micros = json!({ "type": "long", "logicalType": "timestamp-micros" });
    assert_eq!(
        said("recordedAt", micros.clone()),
        "field recordedAt is of type timestamp-micros in the writer schema; \
         accepted: long or int, plain or of logical type timestamp-millis"
    );
    assert!(said("recordedAt", json!(["null", micros])).contains("union [null, timestamp-micros]"));
    assert!(said("sagaId", json!("null")).contains("of type null"));
    let mut beside = contract();
    beside["fields"][1]["logicalType"] = "timestamp-micros".into();
    assert!(
        compile(&beside)
            .unwrap_err()
            .to_string()
            .contains("eventTimestamp is of type timestamp-micros")
    );
}

#[test]
fn what_is_no_record_is_refused() {
    assert_eq!(
        compile(&json!("string")).unwrap_err(),
        PlanError::NotARecord("string")
    );
    assert_eq!(
        compile(&json!(["null", contract()])).unwrap_err(),
        PlanError::NotARecord("union")
    );
}

#[test]
fn types_that_promote_to_the_contracts_are_read() {
    let step = |schema, bytes: Vec<u8>| {
        let plan = compile(&with("step", schema)).unwrap();
        plan.decode(&with_part(4, bytes)).unwrap().step.to_owned()
    };
    assert_eq!(step(json!("bytes"), text("X")), "X");
    assert_eq!(
        step(json!(["null", "string"]), [vec![2], text("X")].concat()),
        "X"
    );
    assert_eq!(
        step(json!(["string", "null"]), [vec![0], text("X")].concat()),
        "X"
    );
    assert_eq!(
        step(
            json!({ "type": "string", "logicalType": "uuid" }),
            text("no uuid")
        ),
        "no uuid"
    );
    let steps = json!({ "type": "enum", "name": "Step", "symbols": ["A", "B"] });
    assert_eq!(step(steps, vec![2]), "B");
    let as_int = compile(&with("recordedAt", json!("int"))).unwrap();
    assert_eq!(as_int.decode(&parts().concat()).unwrap().recorded_at, 2);
    let new_type = json!({ "type": "enum", "name": "SagaType", "symbols": ["REFUND", "ORDER_CREATION"] });
    assert_eq!(
        compile(&with("sagaType", new_type))
            .unwrap()
            .decode(&with_part(3, vec![0]))
            .unwrap()
            .saga_type,
        "REFUND"
    );
}

#[test]
fn a_field_may_use_a_type_that_another_field_defined() {
    let mut schema = contract();
    let last = json!({ "name": "previousStatus", "type": ["null", "SagaStatus"] });
    schema["fields"].as_array_mut().unwrap().push(last);
    let plan = compile(&schema).unwrap();
    let body = [parts().concat(), vec![2, 8]].concat();
    assert_eq!(plan.decode(&body).unwrap().status, "FAILED");
    let beyond = [parts().concat(), vec![2, 10]].concat();
    assert_eq!(
        refused(&plan, &beyond).1,
        "field previousStatus, at byte 20 of the Avro body, takes symbol 5 of an enum of 5"
    );
}

#[test]
fn damage_is_told_with_field_and_place() {
    let plan = compile(&contract()).unwrap();
    let body = parts().concat();
    let (reason, said) = refused(&plan, &body[..8]);
    assert_eq!(reason, DefectReason::Truncated);
    assert_eq!(
        said,
        "field step, at byte 7 of the Avro body, needs 4 more bytes where 1 are left"
    );
    let offset = |body: &[u8]| plan.decode(body).unwrap_err().offset;
    assert_eq!(offset(&body[..8]), Some(7));
    assert_eq!(offset(&[&body[..], &[7, 7]].concat()), Some(18));
    let (reason, said) = refused(&plan, &[&body[..], &[7, 7]].concat());
    assert_eq!(
        (reason, said.as_str()),
        (
            DefectReason::TrailingBytes,
            "2 bytes are left behind the event, which has 18"
        )
    );
    assert_eq!(
        refused(&plan, &with_part(2, vec![4, 0xc3, 0x28])).0,
        DefectReason::InvalidUtf8
    );
    assert_eq!(refused(&plan, &with_part(2, vec![1])).0, DefectReason::BadAvro);
    assert_eq!(refused(&plan, &with_part(5, vec![10])).0, DefectReason::BadAvro);
    assert_eq!(refused(&plan, &with_part(7, vec![4])).0, DefectReason::BadAvro);
    let nullable = compile(&with("orderId", json!(["null", "string", "long"]))).unwrap();
    assert_eq!(
        refused(&nullable, &with_part(6, vec![0])).0,
        DefectReason::MissingField
    );
    assert_eq!(
        refused(&nullable, &with_part(6, vec![4, 0])).0,
        DefectReason::UnreadableSchema
    );
}

#[test]
fn a_field_that_announces_more_than_there_is_costs_nothing() {
    let mut schema = contract();
    for (name, items) in [("nulls", json!("null")), ("longs", json!("long"))] {
        let field = json!({ "name": name, "type": { "type": "array", "items": items } });
        schema["fields"].as_array_mut().unwrap().push(field);
    }
    let plan = compile(&schema).unwrap();
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let body = [parts().concat(), huge.to_vec(), vec![0, 0]].concat();
    assert!(plan.decode(&body).is_ok(), "items of no size need no walk");
    let body = [parts().concat(), vec![0], huge.to_vec(), vec![0]].concat();
    assert_eq!(refused(&plan, &body).0, DefectReason::Truncated);
}

#[test]
fn recursion_ends() {
    let mut schema = contract();
    let node =
        json!({ "type": "record", "name": "Node", "fields": [{ "name": "next", "type": ["null", "Node"] }] });
    schema["fields"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "list", "type": node }));
    let plan = compile(&schema).unwrap();
    let nested = |depth: usize| [parts().concat(), vec![2; depth], vec![0]].concat();
    assert!(plan.decode(&nested(40)).is_ok());
    assert!(refused(&plan, &nested(100_000)).1.contains("more than 128 deep"));

    let endless = json!({ "type": "record", "name": "Loop", "fields": [{ "name": "a", "type": "Loop" }, { "name": "b", "type": "Loop" }] });
    let last = schema["fields"].as_array_mut().unwrap().last_mut().unwrap();
    *last = json!({ "name": "loop", "type": endless });
    assert!(
        refused(&compile(&schema).unwrap(), &parts().concat())
            .1
            .contains("deep")
    );
}

#[test]
fn a_doubling_schema_of_no_size_is_not_walked() {
    let mut schema = contract();
    let fields = schema["fields"].as_array_mut().unwrap();
    fields.push(json!({ "name": "r0", "type": { "type": "record", "name": "R0", "fields": [] } }));
    for n in 1..60 {
        let part = format!("R{}", n - 1);
        fields.push(
            json!({ "name": format!("r{n}"), "type": { "type": "record", "name": format!("R{n}"), "fields": [
                { "name": "a", "type": part }, { "name": "b", "type": part },
            ]}}),
        );
    }
    assert!(compile(&schema).unwrap().decode(&parts().concat()).is_ok());
}

/// Values that are stepped over to decode a body of the contract and then one more field.
fn walked(schema: &Json, body: &[u8]) -> usize {
    let mut contract = contract();
    let fields = contract["fields"].as_array_mut().unwrap();
    fields.push(json!({ "name": "more", "type": schema }));
    let plan = compile(&contract).unwrap();
    super::super::skip::WALKED.set(0);
    plan.decode(&[&parts().concat(), body].concat()).unwrap();
    super::super::skip::WALKED.get()
}

#[test]
fn parts_of_no_size_are_not_walked_item_by_item() {
    let nulls = (0..1_000).map(|n| json!({ "name": format!("n{n}"), "type": "null" }));
    let fields = nulls.chain([json!({ "name": "last", "type": "boolean" })]);
    let wide = json!({ "type": "record", "name": "Wide", "fields": fields.collect::<Vec<_>>() });
    // 100 items of a byte each, in one block.
    let block = [vec![0xc8, 1], vec![1; 100], vec![0]].concat();
    let array = |items: &Json| json!({ "type": "array", "items": items });
    assert!(walked(&array(&wide), &block) <= 101);
    // As values of a map, each behind an empty key, and behind a branch of a union.
    let entries = [vec![0xc8, 1], [0, 1].repeat(100), vec![0]].concat();
    assert!(walked(&json!({ "type": "map", "values": wide }), &entries) <= 101);
    let branches = [vec![0xc8, 1], [2, 1].repeat(100), vec![0]].concat();
    assert!(walked(&array(&json!(["null", wide])), &branches) <= 201);
    // Within records within records.
    let mut deep = wide;
    for n in 0..60 {
        deep = json!({ "type": "record", "name": format!("D{n}"), "fields": [
            { "name": "nothing", "type": "null" }, { "name": "inner", "type": deep },
        ]});
    }
    assert!(walked(&array(&deep), &block) <= 101);
    assert_eq!(walked(&json!("null"), &[]), 0);
}
