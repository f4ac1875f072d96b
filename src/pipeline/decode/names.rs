//! The named types of a schema and of the schemas it refers to.

use apache_avro::Schema;
use apache_avro::schema::Name;
use std::collections::HashMap;

/// Definitions by full name, aliases included.
#[derive(Default)]
pub(super) struct Names<'s> {
    definitions: HashMap<String, &'s Schema>,
}

impl<'s> Names<'s> {
    pub(super) fn of(schemas: impl IntoIterator<Item = &'s Schema>) -> Self {
        let mut names = Self::default();
        for schema in schemas {
            names.collect(schema, None);
        }
        names
    }

    pub(super) fn get(&self, full: &str) -> Option<&'s Schema> {
        self.definitions.get(full).copied()
    }

    /// The definition behind a reference; any other schema as it is. With the namespace inside it.
    pub(super) fn resolve(&self, schema: &'s Schema, namespace: Option<&str>) -> Option<&'s Schema> {
        match schema {
            Schema::Ref { name } => self.get(&fullname(name, namespace)),
            other => Some(other),
        }
    }

    fn collect(&mut self, schema: &'s Schema, namespace: Option<&str>) {
        let full = schema
            .name()
            .filter(|_| !matches!(schema, Schema::Ref { .. }))
            .map(|n| fullname(n, namespace));
        if let Some(full) = &full {
            for alias in schema.aliases().into_iter().flatten() {
                self.definitions
                    .entry(alias.fullname(namespace_of(full)))
                    .or_insert(schema);
            }
            self.definitions.insert(full.clone(), schema);
        }
        let inner = full.as_deref().and_then(namespace_of).or(namespace);
        match schema {
            Schema::Array(array) => self.collect(&array.items, inner),
            Schema::Map(map) => self.collect(&map.types, inner),
            Schema::Union(union) => union
                .variants()
                .iter()
                .for_each(|branch| self.collect(branch, inner)),
            Schema::Record(record) => {
                record
                    .fields
                    .iter()
                    .for_each(|field| self.collect(&field.schema, inner));
            }
            _ => {}
        }
    }
}

pub(super) fn fullname(name: &Name, namespace: Option<&str>) -> String {
    name.fullname(namespace)
}

/// `a.b` of `a.b.C`; none of `C`.
pub(super) fn namespace_of(full: &str) -> Option<&str> {
    full.rsplit_once('.').map(|(namespace, _)| namespace)
}
