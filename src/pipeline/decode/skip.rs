//! Steps over values of any Avro type: fields of the writer that the contract does not know.
//!
//! A table of types, each known by its number, so that recursive types are loops in the table. What takes no
//! bytes is not in it, so no walk is longer than the bytes it walks over. What a skipped value *says* is nobody's
//! business here (its text may be broken UTF-8, its UUID none); only where it ends is.

use super::cursor::{Cursor, Fault};
use super::names::{Names, fullname, namespace_of};
use super::plan_error::PlanError;
use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, UuidSchema};
use std::collections::HashMap;

/// Values may nest so deep; beyond is damage or malice, and would cost the stack.
const DEEPEST_VALUE: usize = 128;

/// Types may nest so deep.
const DEEPEST_TYPE: usize = 256;

/// A type's number in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypeId(usize);

/// How to step over one value.
#[derive(Debug)]
enum Skip {
    /// Takes no bytes: null, an empty record, a fixed of 0.
    Nothing,
    Boolean,
    Int,
    Long,
    /// Bytes behind their length: bytes, string, and logical types made of them.
    Bytes,
    Fixed(usize),
    Enum(usize),
    Array(TypeId),
    Map(TypeId),
    Union(Box<[TypeId]>),
    /// The fields that take bytes. Without any it is still being made.
    Record(Box<[TypeId]>),
}

#[cfg(test)]
thread_local! {
    /// Values that were walked over on this thread.
    pub(super) static WALKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The types that are stepped over.
#[derive(Debug, Default)]
pub(super) struct SkipTable {
    types: Vec<Skip>,
}

impl SkipTable {
    /// Steps over a value of the type.
    pub(super) fn skip(&self, id: TypeId, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        self.walk(id, cursor, 0)
    }

    /// Whether values of the type take no bytes.
    pub(super) fn is_weightless(&self, id: TypeId) -> bool {
        matches!(self.types[id.0], Skip::Nothing)
    }

    fn walk(&self, id: TypeId, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Fault> {
        if depth > DEEPEST_VALUE {
            return Err(Fault::Depth(DEEPEST_VALUE));
        }
        #[cfg(test)]
        WALKED.with(|walked| walked.set(walked.get() + 1));
        match &self.types[id.0] {
            Skip::Nothing => Ok(()),
            Skip::Boolean => match cursor.byte()? {
                0 | 1 => Ok(()),
                other => Err(Fault::Boolean(other)),
            },
            Skip::Int => cursor.int().map(drop),
            Skip::Long => cursor.long().map(drop),
            Skip::Bytes => cursor.bytes().map(drop),
            Skip::Fixed(size) => cursor.take(*size).map(drop),
            Skip::Enum(symbols) => cursor.symbol(*symbols).map(drop),
            Skip::Array(items) => {
                let item = |cursor: &mut Cursor<'_>| self.walk(*items, cursor, depth + 1);
                self.blocks(cursor, item, self.is_weightless(*items))
            }
            Skip::Map(values) => {
                let entry = |cursor: &mut Cursor<'_>| {
                    cursor.bytes()?;
                    self.walk(*values, cursor, depth + 1)
                };
                self.blocks(cursor, entry, false)
            }
            Skip::Union(branches) => {
                let branch = cursor.branch(branches.len())?;
                self.walk(branches[branch], cursor, depth + 1)
            }
            Skip::Record(fields) => fields
                .iter()
                .try_for_each(|field| self.walk(*field, cursor, depth + 1)),
        }
    }

    /// The blocks of an array or a map: a count and so many items, until a count of 0. A negative
    /// count is followed by the block's size in bytes, which readers that step over items one by
    /// one have no use for.
    fn blocks(
        &self,
        cursor: &mut Cursor<'_>,
        item: impl Fn(&mut Cursor<'_>) -> Result<(), Fault>,
        weightless: bool,
    ) -> Result<(), Fault> {
        loop {
            let count = cursor.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                cursor.long()?;
            }
            if weightless {
                continue;
            }
            let items = count.unsigned_abs();
            // Each item takes at least a byte.
            if items > cursor.left() as u64 {
                return Err(Fault::Ends {
                    wanted: items,
                    left: cursor.left(),
                });
            }
            for _ in 0..items {
                item(cursor)?;
            }
        }
    }
}

/// Fills a [`SkipTable`] from schemas.
pub(super) struct SkipCompiler<'s> {
    names: &'s Names<'s>,
    by_name: HashMap<String, TypeId>,
    table: SkipTable,
}

impl<'s> SkipCompiler<'s> {
    pub(super) fn new(names: &'s Names<'s>) -> Self {
        Self {
            names,
            by_name: HashMap::new(),
            table: SkipTable::default(),
        }
    }

    pub(super) fn finish(self) -> SkipTable {
        self.table
    }

    /// The type's number, its parts included.
    pub(super) fn compile(
        &mut self,
        schema: &'s Schema,
        namespace: Option<&str>,
    ) -> Result<TypeId, PlanError> {
        self.add(schema, namespace, 0)
    }

    fn add(
        &mut self,
        schema: &'s Schema,
        namespace: Option<&str>,
        depth: usize,
    ) -> Result<TypeId, PlanError> {
        if depth > DEEPEST_TYPE {
            return Err(PlanError::TooDeep(DEEPEST_TYPE));
        }
        if let Schema::Ref { name } = schema {
            let full = fullname(name, namespace);
            if let Some(known) = self.by_name.get(&full) {
                return Ok(*known);
            }
            let target = self
                .names
                .get(&full)
                .ok_or_else(|| PlanError::UnknownName(full.clone()))?;
            return self.add(target, namespace_of(&full), depth + 1);
        }
        let full = schema.name().map(|name| fullname(name, namespace));
        if let Some(known) = full.as_ref().and_then(|full| self.by_name.get(full)) {
            return Ok(*known);
        }
        // The number is given before the parts are looked at: they may refer back to it.
        let id = TypeId(self.table.types.len());
        self.table.types.push(Skip::Record(Box::default()));
        if let Some(full) = &full {
            self.by_name.insert(full.clone(), id);
        }
        let inner = full.as_deref().and_then(namespace_of).or(namespace);
        let skip = self.of(schema, inner, depth)?;
        let alone = self.stands_for(&skip);
        self.table.types[id.0] = skip;
        // Whoever looks it up from now on steps over its one field.
        if let (Some(field), Some(full)) = (alone, full) {
            self.by_name.insert(full, field);
        }
        Ok(alone.unwrap_or(id))
    }

    /// The one field of a record that has no other: records in records are one step, however many.
    fn stands_for(&self, skip: &Skip) -> Option<TypeId> {
        match skip {
            Skip::Record(fields) => match **fields {
                [field] if !self.is_being_made(field) => Some(field),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_being_made(&self, id: TypeId) -> bool {
        matches!(&self.table.types[id.0], Skip::Record(fields) if fields.is_empty())
    }

    fn of(&mut self, schema: &'s Schema, namespace: Option<&str>, depth: usize) -> Result<Skip, PlanError> {
        Ok(match schema {
            Schema::Null => Skip::Nothing,
            Schema::Boolean => Skip::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Skip::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Skip::Long,
            Schema::Float => Skip::Fixed(4),
            Schema::Double => Skip::Fixed(8),
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::String | UuidSchema::Bytes) => Skip::Bytes,
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Skip::Bytes,
                InnerDecimalSchema::Fixed(fixed) => fixed_of(fixed.size),
            },
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                fixed_of(fixed.size)
            }
            Schema::Enum(enumeration) => Skip::Enum(enumeration.symbols.len()),
            Schema::Array(array) => Skip::Array(self.add(&array.items, namespace, depth + 1)?),
            Schema::Map(map) => Skip::Map(self.add(&map.types, namespace, depth + 1)?),
            Schema::Union(union) => {
                let branches = union.variants().iter();
                Skip::Union(
                    branches
                        .map(|branch| self.add(branch, namespace, depth + 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            Schema::Record(record) => {
                let mut fields = record
                    .fields
                    .iter()
                    .map(|field| self.add(&field.schema, namespace, depth + 1))
                    .collect::<Result<Vec<_>, _>>()?;
                // A record that is still being made is among its own fields: it has no end at all,
                // and is not weightless.
                fields.retain(|field| !self.table.is_weightless(*field));
                if fields.is_empty() {
                    Skip::Nothing
                } else {
                    Skip::Record(fields.into())
                }
            }
            Schema::Ref { name } => return Err(PlanError::UnknownName(fullname(name, namespace))),
        })
    }
}

fn fixed_of(size: usize) -> Skip {
    if size == 0 {
        Skip::Nothing
    } else {
        Skip::Fixed(size)
    }
}
