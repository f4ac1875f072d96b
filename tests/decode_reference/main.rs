//! Our decoder against apache-avro, on random writer schemas, values and damaged bytes.
//!
//! Where the two may differ, and why, is listed in `saga_tracker::pipeline::decode`; every excuse that
//! a test makes below is one of that list.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod choices;
mod lay;
mod reference;
mod schema;
mod value;

use choices::Choices;
use proptest::prelude::*;
use reference::{Fields, Reference};
use saga_tracker::pipeline::decode::{DecodePlan, Defect, DefectReason};
use schema::Writer;

fn entropy() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..400)
}

/// What our decoder makes of a body.
fn ours(plan: &DecodePlan, body: &[u8]) -> Result<Fields, Defect> {
    plan.decode(body).map(|decoded| Fields {
        event_id: decoded.event_id.to_owned(),
        event_timestamp: decoded.event_timestamp,
        saga_id: decoded.saga_id.to_owned(),
        saga_type: decoded.saga_type.to_owned(),
        step: decoded.step.to_owned(),
        status: decoded.status.to_owned(),
        order_id: decoded.order_id.to_owned(),
        metadata: decoded.metadata.map(str::to_owned),
        recorded_at: decoded.recorded_at,
    })
}

fn unusable_branch(defect: &Defect) -> bool {
    matches!(
        defect.reason,
        DefectReason::MissingField | DefectReason::UnreadableSchema
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 8))]

    #[test]
    fn what_apache_avro_writes_we_read_as_apache_avro_does(entropy in entropy()) {
        let mut choices = Choices::new(&entropy);
        let writer = Writer::random(&mut choices);
        let plan = DecodePlan::compile(&writer.schema).unwrap_or_else(|e| panic!("{e}: {}", writer.json));
        let reference = Reference::new(&writer);
        for _ in 0..4 {
            let value = value::of(&writer, &mut choices);
            let body = reference.encode(&value);
            let theirs = reference.decode(&body).0;
            match (ours(&plan, &body), theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs, "{}", writer.json),
                // A union's branch that the contract has no use for, null or another type.
                (Err(defect), Err(_)) => prop_assert!(unusable_branch(&defect), "{defect:?}"),
                (ours, theirs) => panic!("ours {ours:?}\ntheirs {theirs:?}\n{}", writer.json),
            }
        }
    }

    #[test]
    fn arrays_and_maps_may_come_in_any_blocks(entropy in entropy()) {
        let mut choices = Choices::new(&entropy);
        let writer = Writer::random(&mut choices);
        let plan = DecodePlan::compile(&writer.schema).unwrap();
        let reference = Reference::new(&writer);
        let value = value::of(&writer, &mut choices);
        let body = lay::down(&writer, &value, &mut choices);
        prop_assert_eq!(ours(&plan, &body).ok(), reference.decode(&body).0.ok(), "{}", writer.json);
    }

    #[test]
    fn damaged_bytes_are_refused_by_both_or_read_alike(
        entropy in entropy(),
        damages in proptest::collection::vec((0u8..5, any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut choices = Choices::new(&entropy);
        let writer = Writer::random(&mut choices);
        let plan = DecodePlan::compile(&writer.schema).unwrap();
        let reference = Reference::new(&writer);
        let value = value::of(&writer, &mut choices);
        let mut body = reference.encode(&value);
        for (kind, place, byte) in damages {
            let at = place.index(body.len() + 1);
            match kind {
                0 => body.truncate(at),
                1 => body.insert(at, byte),
                2 => body.splice(at..at, [0xff; 10]).for_each(drop),
                3 if at < body.len() => drop(body.remove(at)),
                _ if at < body.len() => body[at] = byte,
                _ => body.push(byte),
            }
        }
        let (theirs, left) = reference.decode(&body);
        match (ours(&plan, &body), theirs) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours, theirs, "{}", writer.json);
                prop_assert_eq!(left, 0);
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => {
                prop_assert!(reference::about_unknown_fields(&error, &writer.json.to_string()), "{error:?} {}", writer.json);
            }
            (Err(defect), Ok(_)) => match defect.reason {
                DefectReason::TrailingBytes => prop_assert!(left > 0),
                DefectReason::Truncated => prop_assert_eq!(left, 0, "{:?} {}", defect, writer.json),
                _ => prop_assert!(
                    defect.detail.contains("more than 64 bits") || defect.detail.contains("deep"),
                    "{defect:?} {}", writer.json
                ),
            },
        }
    }

    #[test]
    fn every_prefix_of_a_body_is_refused(entropy in entropy()) {
        let mut choices = Choices::new(&entropy);
        let writer = Writer::random(&mut choices);
        let plan = DecodePlan::compile(&writer.schema).unwrap();
        let body = Reference::new(&writer).encode(&value::of(&writer, &mut choices));
        for end in 0..body.len() {
            let refused = ours(&plan, &body[..end]).unwrap_err();
            prop_assert!(refused.reason == DefectReason::Truncated || unusable_branch(&refused), "{refused:?}");
        }
    }

    #[test]
    fn garbage_is_decoded_or_refused_and_nothing_else(
        entropy in entropy(),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let writer = Writer::random(&mut Choices::new(&entropy));
        let plan = DecodePlan::compile(&writer.schema).unwrap();
        if let Err(defect) = ours(&plan, &body) {
            prop_assert!(defect.detail.len() < 300, "{}", defect.detail);
        }
    }
}
