//! How to read the contract's fields out of what one writer schema lays down.

use super::cursor::{Cursor, Fault};
use super::forms::{TextForm, TimeForm};
use super::names::{Names, namespace_of};
use super::plan_error::PlanError;
use super::skip::{SkipCompiler, SkipTable, TypeId};
use super::{Decoded, Defect, DefectReason, Fragment, Rejected};
use crate::domain::{Event, Millis, Position};
use apache_avro::Schema;
use apache_avro::schema::RecordField;

/// The text fields of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextField {
    EventId,
    SagaId,
    SagaType,
    Step,
    Status,
    OrderId,
    Metadata,
}

impl TextField {
    const ALL: [TextField; 7] = [
        Self::EventId,
        Self::SagaId,
        Self::SagaType,
        Self::Step,
        Self::Status,
        Self::OrderId,
        Self::Metadata,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::EventId => "eventId",
            Self::SagaId => "sagaId",
            Self::SagaType => "sagaType",
            Self::Step => "step",
            Self::Status => "status",
            Self::OrderId => "orderId",
            Self::Metadata => "metadata",
        }
    }
}

/// The time fields of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeField {
    EventTimestamp,
    RecordedAt,
}

impl TimeField {
    const ALL: [TimeField; 2] = [Self::EventTimestamp, Self::RecordedAt];

    const fn name(self) -> &'static str {
        match self {
            Self::EventTimestamp => "eventTimestamp",
            Self::RecordedAt => "recordedAt",
        }
    }
}

/// What is done with one field of the writer.
#[derive(Debug)]
enum Action {
    Text(TextField, TextForm),
    Time(TimeField, TimeForm),
    Skip(TypeId),
}

#[derive(Debug)]
struct Step {
    field: Box<str>,
    action: Action,
}

/// How to read events that one writer schema laid down. Compiled once, used for every record.
#[derive(Debug)]
pub struct DecodePlan {
    /// In the order of the writer's fields.
    steps: Box<[Step]>,
    skips: SkipTable,
}

impl DecodePlan {
    /// The plan for a writer schema that stands for itself.
    ///
    /// # Errors
    /// [`PlanError`] when the contract cannot be read from it.
    pub fn compile(writer: &Schema) -> Result<Self, PlanError> {
        Self::compile_with(writer, &[])
    }

    /// The plan for a writer schema and the schemas that it refers to.
    ///
    /// Fields are matched by name; what the record and its types are called does not matter.
    ///
    /// # Errors
    /// [`PlanError`] when the contract cannot be read from it.
    pub fn compile_with(writer: &Schema, references: &[Schema]) -> Result<Self, PlanError> {
        let names = Names::of(references.iter().chain([writer]));
        let record = match names.resolve(writer, None) {
            Some(Schema::Record(record)) => record,
            Some(other) => return Err(PlanError::NotARecord(super::forms::type_name(other))),
            None => return Err(PlanError::NotARecord("reference")),
        };
        let full = record.name.fullname(None);
        let namespace = namespace_of(&full);
        let mut skips = SkipCompiler::new(&names);
        let mut steps = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let action = match Self::known(field, &names, namespace)? {
                Some(action) => action,
                None => Action::Skip(skips.compile(&field.schema, namespace)?),
            };
            steps.push(Step {
                field: field.name.as_str().into(),
                action,
            });
        }
        let texts = TextField::ALL
            .into_iter()
            .filter(|field| *field != TextField::Metadata);
        let mut needed = texts
            .map(TextField::name)
            .chain(TimeField::ALL.map(TimeField::name));
        match needed.find(|name| !steps.iter().any(|step| *step.field == **name)) {
            Some(missing) => Err(PlanError::Missing(missing)),
            None => Ok(Self::of(steps, skips.finish())),
        }
    }

    fn of(mut steps: Vec<Step>, skips: SkipTable) -> Self {
        steps.retain(|step| !matches!(step.action, Action::Skip(id) if skips.is_weightless(id)));
        Self {
            steps: steps.into(),
            skips,
        }
    }

    fn known(
        field: &RecordField,
        names: &Names<'_>,
        namespace: Option<&str>,
    ) -> Result<Option<Action>, PlanError> {
        if let Some(known) = TextField::ALL
            .into_iter()
            .find(|known| known.name() == field.name)
        {
            let form = TextForm::of(&field.schema, names, namespace);
            return match form.reads(known == TextField::Metadata) {
                true => Ok(Some(Action::Text(known, form))),
                false => Err(PlanError::WrongType {
                    field: known.name(),
                    found: form.to_string(),
                    accepted: "string, bytes, an enum, or a union with one of them",
                }),
            };
        }
        if let Some(known) = TimeField::ALL
            .into_iter()
            .find(|known| known.name() == field.name)
        {
            // The published schema has the logical type beside the type instead of inside it.
            let beside = field
                .custom_attributes
                .get("logicalType")
                .and_then(|found| found.as_str());
            let form = TimeForm::of(&field.schema, beside);
            return match form.reads() {
                true => Ok(Some(Action::Time(known, form))),
                false => Err(PlanError::WrongType {
                    field: known.name(),
                    found: form.to_string(),
                    accepted: "long or int, plain or of logical type timestamp-millis",
                }),
            };
        }
        Ok(None)
    }

    /// Reads one Avro body. Texts are borrowed from it, or, symbols of an enum, from the plan.
    ///
    /// # Errors
    /// A [`Defect`] when the bytes are not what the writer schema says, all of them and no more.
    pub fn decode<'a>(&'a self, body: &'a [u8]) -> Result<Decoded<'a>, Defect> {
        let mut cursor = Cursor::new(body);
        let mut decoded = Decoded::default();
        for step in &self.steps {
            if let Err(fault) = self.take(&step.action, &mut cursor, &mut decoded) {
                return Err(Self::defect(&step.field, fault, body.len() - cursor.left()));
            }
        }
        match cursor.left() {
            0 => Ok(decoded),
            left => {
                let detail = format!(
                    "{left} bytes are left behind the event, which has {}",
                    body.len() - left
                );
                Err(Defect::new(DefectReason::TrailingBytes, detail).at(body.len() - left))
            }
        }
    }

    /// The event of one Avro body.
    ///
    /// # Errors
    /// [`Rejected`] when it is no event, with what could be read all the same.
    pub fn event(&self, body: &[u8], position: Position, arrived_at: Millis) -> Result<Event, Rejected> {
        self.decode(body)
            .and_then(|decoded| decoded.into_event(position, arrived_at))
            .map_err(|defect| Rejected {
                defect,
                fragment: Box::new(self.fragment(body)),
            })
    }

    /// The fields of a body up to where it is no longer what the writer schema says.
    #[cold]
    pub fn fragment(&self, body: &[u8]) -> Fragment {
        let mut cursor = Cursor::new(body);
        let mut decoded = Decoded::default();
        let reached = self
            .steps
            .iter()
            .take_while(|step| self.take(&step.action, &mut cursor, &mut decoded).is_ok())
            .count();
        let mut fragment = Fragment::default();
        for step in &self.steps[..reached] {
            match &step.action {
                Action::Text(field, _) => match field {
                    TextField::EventId => fragment.event_id = Some(decoded.event_id.into()),
                    TextField::SagaId => fragment.saga_id = Some(decoded.saga_id.into()),
                    TextField::SagaType => fragment.saga_type = Some(decoded.saga_type.into()),
                    TextField::Step => fragment.step = Some(decoded.step.into()),
                    TextField::Status => fragment.status = Some(decoded.status.into()),
                    TextField::OrderId => fragment.order_id = Some(decoded.order_id.into()),
                    TextField::Metadata => fragment.metadata = decoded.metadata.map(Into::into),
                },
                Action::Time(TimeField::EventTimestamp, _) => {
                    fragment.event_timestamp = Some(decoded.event_timestamp);
                }
                Action::Time(TimeField::RecordedAt, _) => fragment.recorded_at = Some(decoded.recorded_at),
                Action::Skip(_) => {}
            }
        }
        fragment
    }

    #[inline]
    fn take<'a>(
        &'a self,
        action: &'a Action,
        cursor: &mut Cursor<'a>,
        decoded: &mut Decoded<'a>,
    ) -> Result<(), Fault> {
        match action {
            Action::Text(TextField::Metadata, form) => decoded.metadata = form.read(cursor)?,
            Action::Text(field, form) => {
                let text = form.read(cursor)?.ok_or(Fault::Null)?;
                match field {
                    TextField::EventId => decoded.event_id = text,
                    TextField::SagaId => decoded.saga_id = text,
                    TextField::SagaType => decoded.saga_type = text,
                    TextField::Step => decoded.step = text,
                    TextField::Status => decoded.status = text,
                    TextField::OrderId => decoded.order_id = text,
                    TextField::Metadata => {}
                }
            }
            Action::Time(field, form) => {
                let millis = form.read(cursor)?;
                match field {
                    TimeField::EventTimestamp => decoded.event_timestamp = millis,
                    TimeField::RecordedAt => decoded.recorded_at = millis,
                }
            }
            Action::Skip(id) => self.skips.skip(*id, cursor)?,
        }
        Ok(())
    }

    #[cold]
    fn defect(field: &str, fault: Fault, at: usize) -> Defect {
        Defect::new(
            fault.reason(),
            format!("field {field}, at byte {at} of the Avro body, {fault}"),
        )
        .at(at)
    }
}

#[cfg(test)]
mod tests;
