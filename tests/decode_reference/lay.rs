//! Lays values down as apache-avro never does but other writers do: arrays and maps in several
//! blocks, with and without the blocks' sizes.

use crate::choices::Choices;
use crate::schema::Writer;
use apache_avro::Schema;
use apache_avro::schema::{NamesRef, ResolvedSchema};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

pub(crate) fn down(writer: &Writer, value: &Value, choices: &mut Choices<'_>) -> Vec<u8> {
    let resolved = ResolvedSchema::new(&writer.schema).unwrap();
    let mut body = Vec::new();
    any(&writer.schema, value, resolved.get_names(), choices, &mut body);
    body
}

fn any(schema: &Schema, value: &Value, names: &NamesRef<'_>, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    match (schema, value) {
        (Schema::Ref { name }, value) => any(names[name], value, names, choices, out),
        (Schema::Record(record), Value::Record(fields)) => {
            for (field, (_, value)) in record.fields.iter().zip(fields) {
                any(&field.schema, value, names, choices, out);
            }
        }
        (Schema::Union(union), Value::Union(branch, value)) => {
            long(i64::from(*branch), out);
            any(&union.variants()[*branch as usize], value, names, choices, out);
        }
        (Schema::Array(array), Value::Array(items)) => {
            blocks(items, choices, out, |item, choices, out| {
                any(&array.items, item, names, choices, out);
            });
        }
        (Schema::Map(map), Value::Map(entries)) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            blocks(&entries, choices, out, |(key, value), choices, out| {
                long(i64::try_from(key.len()).unwrap(), out);
                out.extend_from_slice(key.as_bytes());
                any(&map.types, value, names, choices, out);
            });
        }
        (plain, value) => {
            let writer = GenericDatumWriter::builder(plain).build().unwrap();
            out.extend(writer.write_value_to_vec(value.clone()).unwrap());
        }
    }
}

fn blocks<T>(
    items: &[T],
    choices: &mut Choices<'_>,
    out: &mut Vec<u8>,
    mut lay: impl FnMut(&T, &mut Choices<'_>, &mut Vec<u8>),
) {
    let mut rest = items;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(1 + choices.below(rest.len()));
        let mut bytes = Vec::new();
        block.iter().for_each(|item| lay(item, choices, &mut bytes));
        let count = i64::try_from(block.len()).unwrap();
        if choices.one_in(2) {
            long(-count, out);
            long(i64::try_from(bytes.len()).unwrap(), out);
        } else {
            long(count, out);
        }
        out.extend(bytes);
        rest = after;
    }
    long(0, out);
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut bits = ((value << 1) ^ (value >> 63)) as u64;
    while bits >= 0x80 {
        out.push((bits as u8) | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}
