//! Random values of a schema.

use crate::choices::Choices;
use crate::schema::Writer;
use apache_avro::schema::{InnerDecimalSchema, NamesRef, RecordField, ResolvedSchema, UuidSchema};
use apache_avro::types::Value;
use apache_avro::{BigDecimal, Decimal, Duration, Schema, Uuid};

/// A value of the writer's schema, most often one that the contract can be read from.
pub(crate) fn of(writer: &Writer, choices: &mut Choices<'_>) -> Value {
    let resolved = ResolvedSchema::new(&writer.schema).unwrap();
    let names = resolved.get_names();
    let Schema::Record(record) = &writer.schema else {
        panic!("no record: {}", writer.json)
    };
    let mut field = |field: &RecordField| {
        let usable = |branch: &Schema| {
            matches!(
                branch,
                Schema::String
                    | Schema::Enum(_)
                    | Schema::Ref { .. }
                    | Schema::Long
                    | Schema::TimestampMillis
            )
        };
        let value = match &field.schema {
            Schema::Union(union) if field.name != "metadata" && !choices.one_in(12) => {
                let branch = union.variants().iter().position(usable).unwrap_or(0);
                let value = any(&union.variants()[branch], names, choices, 1);
                Value::Union(u32::try_from(branch).unwrap(), Box::new(value))
            }
            schema => any(schema, names, choices, 1),
        };
        (field.name.clone(), value)
    };
    Value::Record(record.fields.iter().map(&mut field).collect())
}

fn any(schema: &Schema, names: &NamesRef<'_>, choices: &mut Choices<'_>, depth: usize) -> Value {
    let items = if depth > 6 { 0 } else { choices.below(4) };
    match schema {
        Schema::Null => Value::Null,
        Schema::Boolean => Value::Boolean(choices.one_in(2)),
        Schema::Int => Value::Int(choices.i32()),
        Schema::Long => Value::Long(choices.i64()),
        Schema::Float => Value::Float(choices.i32() as f32),
        Schema::Double => Value::Double(choices.i64() as f64),
        // Bytes of the contract's fields hold text.
        Schema::Bytes => Value::Bytes(choices.text().into_bytes()),
        Schema::String => Value::String(choices.text()),
        Schema::Array(array) => Value::Array(
            (0..items)
                .map(|_| any(&array.items, names, choices, depth + 1))
                .collect(),
        ),
        Schema::Map(map) => Value::Map(
            (0..items)
                .map(|n| {
                    (
                        format!("{n}{}", choices.text()),
                        any(&map.types, names, choices, depth + 1),
                    )
                })
                .collect(),
        ),
        Schema::Union(union) => {
            // Deep inside, the null ends a recursion.
            let null = union
                .variants()
                .iter()
                .position(|branch| matches!(branch, Schema::Null));
            let branch = match null {
                Some(null) if depth > 6 => null,
                _ => choices.below(union.variants().len()),
            };
            let value = any(&union.variants()[branch], names, choices, depth + 1);
            Value::Union(u32::try_from(branch).unwrap(), Box::new(value))
        }
        Schema::Record(record) => Value::Record(
            record
                .fields
                .iter()
                .map(|field| (field.name.clone(), any(&field.schema, names, choices, depth + 1)))
                .collect(),
        ),
        Schema::Enum(written) => {
            let symbol = choices.below(written.symbols.len());
            Value::Enum(u32::try_from(symbol).unwrap(), written.symbols[symbol].clone())
        }
        Schema::Fixed(fixed) => Value::Fixed(fixed.size, choices.bytes(fixed.size)),
        Schema::Decimal(decimal) => {
            let size = match &decimal.inner {
                InnerDecimalSchema::Bytes => 1 + choices.below(4),
                InnerDecimalSchema::Fixed(fixed) => fixed.size,
            };
            Value::Decimal(Decimal::from(choices.bytes(size)))
        }
        Schema::BigDecimal => Value::BigDecimal(BigDecimal::from(choices.i64())),
        Schema::Uuid(UuidSchema::String | UuidSchema::Bytes | UuidSchema::Fixed(_)) => {
            Value::Uuid(Uuid::from_bytes(std::array::from_fn(|_| choices.byte())))
        }
        Schema::Date => Value::Date(choices.i32()),
        Schema::TimeMillis => Value::TimeMillis(choices.i32()),
        Schema::TimeMicros => Value::TimeMicros(choices.i64()),
        Schema::TimestampMillis => Value::TimestampMillis(choices.i64()),
        Schema::TimestampMicros => Value::TimestampMicros(choices.i64()),
        Schema::TimestampNanos => Value::TimestampNanos(choices.i64()),
        Schema::LocalTimestampMillis => Value::LocalTimestampMillis(choices.i64()),
        Schema::LocalTimestampMicros => Value::LocalTimestampMicros(choices.i64()),
        Schema::LocalTimestampNanos => Value::LocalTimestampNanos(choices.i64()),
        Schema::Duration(_) => Value::Duration(Duration::from(std::array::from_fn::<u8, 12, _>(|_| {
            choices.byte()
        }))),
        Schema::Ref { name } => any(names[name], names, choices, depth + 1),
    }
}
