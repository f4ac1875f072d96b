//! Random writer schemas: the contract as some producer might have evolved it.

use crate::choices::Choices;
use apache_avro::Schema;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const STATUSES: [&str; 5] = ["STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"];

pub(crate) struct Writer {
    pub(crate) json: Json,
    pub(crate) schema: Schema,
    /// The types of `sagaType` and `status` as a reader must have them to accept every symbol.
    pub(crate) saga_type: Json,
    pub(crate) status: Json,
}

impl Writer {
    pub(crate) fn random(choices: &mut Choices<'_>) -> Self {
        let mut types = Types {
            choices,
            made: Vec::new(),
            next: 0,
        };
        let (saga_type_field, saga_type) = types.symbol_field(
            "sagaType",
            "SagaType",
            &["ORDER_CREATION", "PAYMENT_COMPLETION", "REFUND"],
        );
        let (status_field, status) = types.symbol_field("status", "SagaStatus", &STATUSES);
        let mut fields = vec![saga_type_field, status_field];
        for name in ["eventId", "sagaId", "step", "orderId"] {
            fields.push(types.text_field(name));
        }
        for name in ["eventTimestamp", "recordedAt"] {
            fields.push(types.time_field(name));
        }
        fields.extend(types.metadata_field());
        types.choices.shuffle(&mut fields);
        for index in 0..types.choices.below(5) {
            let field = json!({ "name": format!("extra{index}"), "type": types.any(0), "doc": "unknown to the contract" });
            let at = types.choices.below(fields.len() + 1);
            fields.insert(at, field);
        }
        // Fields and branches were shuffled: move each definition to where its name is used first.
        let mut definitions = BTreeMap::new();
        fields.iter().for_each(|field| collect(field, &mut definitions));
        let mut placed = BTreeSet::new();
        fields
            .iter_mut()
            .for_each(|field| place(field, &definitions, &mut placed));
        let mut json = json!({ "type": "record", "name": types.choices.of(&["SagaTracker", "Tracked"]), "fields": fields });
        if let Some(namespace) = types.namespace() {
            json["namespace"] = namespace.into();
        }
        let schema = Schema::parse(&json).unwrap_or_else(|e| panic!("{e}: {json}"));
        Self {
            json,
            schema,
            saga_type,
            status,
        }
    }
}

fn full_name(json: &Json) -> Option<String> {
    Some(format!(
        "{}.{}",
        json.get("namespace")?.as_str()?,
        json.get("name")?.as_str()?
    ))
}

fn children(json: &mut Json) -> Vec<&mut Json> {
    match json {
        Json::Array(list) => list.iter_mut().collect(),
        Json::Object(map) => map.values_mut().collect(),
        _ => Vec::new(),
    }
}

fn collect(json: &Json, definitions: &mut BTreeMap<String, Json>) {
    if let Some(full) = full_name(json) {
        definitions.insert(full, json.clone());
    }
    let mut json = json.clone();
    children(&mut json)
        .into_iter()
        .for_each(|child| collect(child, definitions));
}

fn place(json: &mut Json, definitions: &BTreeMap<String, Json>, placed: &mut BTreeSet<String>) {
    let full = full_name(json).or_else(|| json.as_str().map(str::to_owned));
    if let Some((full, definition)) = full.and_then(|full| definitions.get_key_value(&full)) {
        if !placed.insert(full.clone()) {
            *json = full.as_str().into();
            return;
        }
        *json = definition.clone();
    }
    // A record's fields are read in their order, but JSON objects are walked by key: no object
    // here has two members with types in them.
    children(json)
        .into_iter()
        .for_each(|child| place(child, definitions, placed));
}

struct Types<'c, 'a> {
    choices: &'c mut Choices<'a>,
    /// Full names of types that may be referred to.
    made: Vec<String>,
    next: usize,
}

impl Types<'_, '_> {
    fn namespace(&mut self) -> Option<&'static str> {
        [
            None,
            Some("com.groom.ecommerce.saga.event.avro"),
            Some("renamed.v2"),
        ][self.choices.below(3)]
    }

    /// A name, and the namespace to write beside it so that it is what it says anywhere.
    fn name(&mut self, stem: &str) -> (String, &'static str) {
        self.next += 1;
        (
            format!("{stem}{}", self.next),
            self.choices.of(&["inner.types", "other"]),
        )
    }

    fn text_field(&mut self, name: &str) -> Json {
        let schema = match self.choices.below(7) {
            0 | 1 => json!("string"),
            2 => json!({ "type": "string", "avro.java.string": "String" }),
            3 => json!("bytes"),
            4 => json!(["null", "string"]),
            5 => json!(["string", "null"]),
            _ => json!(["int", "string", { "type": "array", "items": "long" }]),
        };
        json!({ "name": name, "type": schema, "aliases": ["misleading"] })
    }

    fn time_field(&mut self, name: &str) -> Json {
        match self.choices.below(7) {
            0 | 1 => json!({ "name": name, "type": "long", "logicalType": "timestamp-millis" }),
            2 => json!({ "name": name, "type": { "type": "long", "logicalType": "timestamp-millis" } }),
            3 => json!({ "name": name, "type": "long" }),
            4 => json!({ "name": name, "type": "int" }),
            5 => {
                json!({ "name": name, "type": ["null", { "type": "long", "logicalType": "timestamp-millis" }] })
            }
            _ => json!({ "name": name, "type": ["long", "string"] }),
        }
    }

    fn metadata_field(&mut self) -> Option<Json> {
        let schema = match self.choices.below(6) {
            0 | 1 => json!(["null", "string"]),
            2 => json!(["string", "null"]),
            3 => json!("string"),
            4 => json!("null"),
            _ => return None,
        };
        Some(json!({ "name": "metadata", "type": schema }))
    }

    /// The field, and the type with which a reader accepts all of it.
    fn symbol_field(&mut self, name: &str, type_name: &str, symbols: &[&str]) -> (Json, Json) {
        let mut symbols: Vec<&str> = symbols.iter().copied().chain(["NEW_ONE", "OTHER"]).collect();
        self.choices.shuffle(&mut symbols);
        let (full, namespace) = self.name(type_name);
        let enumeration = json!({ "type": "enum", "name": full, "namespace": namespace, "symbols": symbols });
        let (schema, reader) = match self.choices.below(5) {
            0..=2 => (enumeration.clone(), enumeration),
            3 => (json!(["null", enumeration.clone()]), enumeration),
            _ => (json!("string"), json!("string")),
        };
        if !schema.is_string() {
            self.made.push(format!("{namespace}.{full}"));
        }
        (json!({ "name": name, "type": schema }), reader)
    }

    fn any(&mut self, depth: usize) -> Json {
        let compound = if depth < 3 { 7 } else { 0 };
        match self.choices.below(13 + compound) {
            0 => json!(self.choices.of(&[
                "null", "boolean", "int", "long", "float", "double", "bytes", "string"
            ])),
            1 => json!("string"),
            2 => json!("boolean"),
            3 => {
                json!({ "type": "long", "logicalType": self.choices.of(&["timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis", "local-timestamp-micros", "time-micros"]) })
            }
            4 => {
                json!({ "type": "int", "logicalType": self.choices.of(&["date", "time-millis", "no-such-type"]) })
            }
            5 => json!({ "type": "string", "logicalType": "uuid" }),
            6 => json!({ "type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2 }),
            7 => json!({ "type": "bytes", "logicalType": "big-decimal" }),
            8 => self.fixed(),
            9 => self.enumeration(),
            10 | 11 if !self.made.is_empty() => {
                let made: Vec<&str> = self.made.iter().map(String::as_str).collect();
                json!(self.choices.of(&made))
            }
            10..=12 => json!("double"),
            13 | 14 => json!({ "type": "array", "items": self.any(depth + 1) }),
            15 => json!({ "type": "map", "values": self.any(depth + 1) }),
            16 | 17 => self.union(depth),
            18 => self.recursive(),
            _ => self.record(depth),
        }
    }

    fn fixed(&mut self) -> Json {
        let (name, namespace) = self.name("Fixed");
        let fixed =
            |size: usize| json!({ "type": "fixed", "name": name, "namespace": namespace, "size": size });
        let mut fixed = match self.choices.below(5) {
            0 => fixed(0),
            1 => fixed(5),
            2 => fixed(12),
            3 => fixed(16),
            _ => fixed(8),
        };
        // Size 12 as a duration, 16 as a UUID, 8 as a decimal, or plainly so.
        if self.choices.one_in(2) {
            match fixed["size"].as_u64() {
                Some(12) => fixed["logicalType"] = "duration".into(),
                Some(16) => fixed["logicalType"] = "uuid".into(),
                Some(8) => {
                    fixed["logicalType"] = "decimal".into();
                    fixed["precision"] = 9.into();
                }
                _ => {}
            }
        }
        self.made.push(format!("{namespace}.{name}"));
        fixed
    }

    fn enumeration(&mut self) -> Json {
        let (name, namespace) = self.name("Enum");
        let symbols: Vec<String> = (0..=self.choices.below(4)).map(|n| format!("S{n}")).collect();
        self.made.push(format!("{namespace}.{name}"));
        json!({ "type": "enum", "name": name, "namespace": namespace, "symbols": symbols })
    }

    fn union(&mut self, depth: usize) -> Json {
        let mut branches = vec![
            json!("null"),
            json!("string"),
            json!("long"),
            json!({ "type": "array", "items": self.any(depth + 1) }),
        ];
        let record = self.record(depth);
        branches.push(record);
        self.choices.shuffle(&mut branches);
        json!(branches)
    }

    fn record(&mut self, depth: usize) -> Json {
        let (name, namespace) = self.name("Record");
        let fields: Vec<Json> = (0..self.choices.below(4))
            .map(|n| json!({ "name": format!("f{n}"), "type": self.any(depth + 1) }))
            .collect();
        self.made.push(format!("{namespace}.{name}"));
        json!({ "type": "record", "name": name, "namespace": namespace, "fields": fields })
    }

    fn recursive(&mut self) -> Json {
        let (name, namespace) = self.name("Node");
        self.made.push(format!("{namespace}.{name}"));
        json!({ "type": "record", "name": name, "namespace": namespace, "fields": [
            { "name": "value", "type": "string" },
            { "name": "next", "type": ["null", name] },
            { "name": "children", "type": { "type": "array", "items": format!("{namespace}.{name}") } },
        ]})
    }
}
